"""What a plan asks beside its guardrails: segments, goals, an experiment; and whether they fit."""
