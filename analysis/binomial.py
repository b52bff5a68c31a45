"""A share estimated from independent yes-or-no trials: its upper confidence bound."""

from __future__ import annotations


def upper_bound(successes: int, trials: int, level: float = 0.95) -> float:
    """The one-sided Clopper-Pearson upper bound of a share; 1 without trials.

    The `level` quantile of Beta(successes + 1, trials - successes): the largest share that so few
    successes do not contradict.

    Source: Clopper & Pearson, Biometrika 26 (1934), 404-413.

    Raises:
        ValueError: successes outside 0 to trials, or a level outside 0 to 1.
    """
    if not 0 <= successes <= trials or not 0 < level < 1:
        raise ValueError(f"no bound for {successes} of {trials} at level {level}")
    if successes == trials:
        return 1.0
    from scipy.special import betaincinv  # 0.7 s: only where it is used

    return float(betaincinv(successes + 1, trials - successes, level))
