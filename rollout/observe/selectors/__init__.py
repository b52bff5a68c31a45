"""Which series a guardrail reads: where they are, and how a query chooses them."""
