"""Which series a guardrail reads: where they are, how a query chooses them, and in which form."""
