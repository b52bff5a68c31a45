"""What an experiment offers, for tests that go through all of it."""

TABLES = (
    *("scorecard", "rates", "distributions", "quantiles", "timeline", "evidence", "intervals"),
    *("share", "health", "power", "sensitivity", "what_if", "replay", "uplift"),
    *("goals", "pairs", "quality"),
    *("goals", "segments"),
)
"""Tables that need no argument."""
