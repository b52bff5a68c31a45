"""Combines the tests of all guardrails to verdicts: safe, harmful, undecided or blind."""
