"""Numbers as people read them: grouped digits, percentage points, chances, lists of words.

Shares and durations are formatted by `rollout.plan.fields.units`, in the spelling of a plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_MOST = 1e9  # a smaller chance than one in this is not spelled out
_DECIMALS = 6


def decimal(value: float) -> str:
    """Format a number with three significant digits, grouped and without an exponent."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    digits = min(max(2 - math.floor(math.log10(abs(value))), 0), _DECIMALS)
    text = f"{value:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def hundredths(share: float) -> str:
    """Format a difference of shares in percentage points, without the word."""
    return decimal(share * 100)


def points(share: float) -> str:
    """Format a difference of shares: `0.115` becomes `11.5 points`."""
    text = hundredths(share)
    return f"{text} point{'' if text == '1' else 's'}"


def chance(log_evidence: float) -> str:
    """Format the most that evidence of this size can be a chance: `1 in 15,000`.

    It is 1/e for an e-process that reaches e: Ville's inequality. The number is rounded down, so
    that the chance is never stated smaller than it may be.
    """
    value = min(max(math.exp(min(log_evidence, 700.0)), 1.0), _MOST)
    size = 10.0 ** max(math.floor(math.log10(value)) - 1, 0)
    return f"1 in {math.floor(value / size + 1e-9) * size:,.0f}"


def join(words: Sequence[str]) -> str:
    """Join words as in a sentence: `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
