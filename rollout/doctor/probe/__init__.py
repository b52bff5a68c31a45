"""What a guardrail's metric reads today, or why it reads nothing: names, labels, samples."""
