"""How many examples a law gets that needs more, or fewer, than all others get."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

_USUAL = 100
"""What Hypothesis draws where nobody says how many; a profile may say fewer for all laws."""


def draw_up_to(number: int, **others: Any) -> settings:
    """Let a law have so many examples, and as many fewer as the profile has for all laws."""
    share = settings.default.max_examples / _USUAL if settings.default else 1.0
    return settings(max_examples=max(1, round(number * share)), **others)
