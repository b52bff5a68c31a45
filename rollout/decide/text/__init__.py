"""A decision in one sentence and its numbers; nothing here leads to a decision."""
