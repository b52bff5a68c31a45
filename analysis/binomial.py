"""Bounds and tails of independent yes-or-no trials."""

from __future__ import annotations


def upper_bound(successes: int, trials: int, level: float = 0.95) -> float:
    """Compute the one-sided Clopper-Pearson upper bound of a share; 1 without trials.

    The bound is the `level` quantile of Beta(successes + 1, trials - successes): the largest share
    that is still compatible with this few successes.

    Source: Clopper & Pearson, Biometrika 26 (1934), 404-413.

    Raises:
        ValueError: successes outside 0 to trials, or a level outside 0 to 1.
    """
    if not 0 <= successes <= trials or not 0 < level < 1:
        raise ValueError(f"no bound for {successes} of {trials} at level {level}")
    if successes == trials:
        return 1.0
    from scipy.special import betaincinv  # importing it takes 0.7 s, so only on use

    return float(betaincinv(successes + 1, trials - successes, level))


def lower_tail(successes: int, trials: int, share: float) -> float:
    """Compute the chance of at most this many successes in `trials`, each with chance `share`.

    It is the chance of at least as many failures as there are; see `upper_tail`.

    Raises:
        ValueError: successes outside 0 to trials, or a share outside 0 to 1.
    """
    return upper_tail(trials - successes, trials, 1 - share)


def upper_tail(successes: int, trials: int, share: float) -> float:
    """Compute the chance of at least this many successes in `trials`, each with chance `share`.

    It is the regularized incomplete beta function I_share(successes, trials - successes + 1).

    Source: NIST Digital Library of Mathematical Functions, 8.17.5 (release 1.2.4).

    Raises:
        ValueError: successes outside 0 to trials, or a share outside 0 to 1.
    """
    if not 0 <= successes <= trials or not 0 <= share <= 1:
        raise ValueError(f"no tail of {successes} of {trials} at share {share}")
    if successes == 0:
        return 1.0
    if share in {0.0, 1.0}:
        return share
    from scipy.special import betainc  # importing it takes 0.7 s, so only on use

    return float(betainc(successes, trials - successes + 1, share))
