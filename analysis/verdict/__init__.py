"""What the tests of all guardrails say together: safe, harmful, undecided or blind; no new test."""
