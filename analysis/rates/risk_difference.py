"""A running comparison of two bad shares: bets on the excess, and totals for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from analysis.fast_replace import replace
from analysis.log_arrays import log_mean
from analysis.rates import excess_bound

_NOTHING = (0.0,) * excess_bound.LEVELS.size


class Units(NamedTuple):
    """One look's counts: exposures and bad units; `reference` replaces x_s in the bets.

    For a rate, reference = x_s. For an edge of a histogram it counts stable's units beyond the
    edge's partner.
    """

    e_c: int
    e_s: int
    x_c: int
    x_s: int
    reference: int


@dataclass(frozen=True)
class Contrast:
    """Log-capital of the excess bound, and totals over looks with exposures on both arms.

    `gap` is in canary units: how far the margin's ratio (or the tolerance) lifts the acceptable
    share above stable's, standardised to the canary's exposures, sum rho (ratio reference - x_s).
    `excess` is on the same scale: the canary's bad units beyond stable's share, sum x_c - rho x_s.
    Under dispersion each look has a weight (see `compared`): `n_c` is the canary's exposures, each
    times its look's weight, and `log_divisor` divides all log-capital. `over` and `under` are
    numerator and denominator of `stratified`.
    """

    below: tuple[float, ...] = _NOTHING
    above: tuple[float, ...] = _NOTHING
    weights: tuple[float, ...] = tuple(map(float, excess_bound.WEIGHTS))
    e_c: int = 0
    e_s: int = 0
    x_c: int = 0
    x_s: int = 0
    over: float = 0.0
    under: float = 0.0
    gap: float = 0.0
    excess: float = 0.0
    n_c: float = 0.0
    log_divisor: float = 1.0

    @property
    def difference(self) -> float | None:
        """Difference of bad shares, canary minus stable, averaged over the canary's exposures.

        It is sum w (x_c - rho x_s) over sum w e_c, w the look's weight; None without exposures.

        Derived here: x_c - rho x_s has the mean e_c (p_c - p_s). It lies within `interval`, which
        bounds what it estimates: there the log-capital of each bet is a sum of log(1 + y) - y <= 0.
        """
        return self.excess / self.n_c if self.n_c > 0 else None

    @property
    def stratified(self) -> float | None:
        """Mantel-Haenszel risk difference, canary minus stable, one stratum per look.

        It is sum (x_c e_s - x_s e_c) / (e_c + e_s) over sum e_c e_s / (e_c + e_s); None without any
        exposures.

        Source: Greenland & Robins, Biometrics 41 (1985), 55-68.
        """
        return self.over / self.under if self.under > 0 else None


def informed(p_c: float, p_s: float, ratio: float = 1.0, absolute: float = 0.0) -> Contrast:
    """Create a contrast before any bet, with prior weights from shares in stable's past."""
    return Contrast(weights=tuple(map(float, excess_bound.prior(p_c, p_s, ratio, absolute))))


def compared(
    contrast: Contrast,
    units: Units,
    ratio: float = 1.0,
    look_weight: float = 1.0,
    log_divisor: float = 1.0,
) -> Contrast:
    """Add one look to the contrast; a look changes nothing unless both arms have exposures.

    `look_weight`, 0 to 1, multiplies the look's evidence (1 / `tempering.inflation`). It must not
    depend on the canary's bad units, or the bets would not be valid. `log_divisor` >= 1 divides all
    evidence so far (`tempering.total`).
    """
    return compared_each([contrast], [units], ratio, look_weight, log_divisor)[0]


def compared_each(
    contrasts: Sequence[Contrast],
    units: Sequence[Units],
    ratio: float = 1.0,
    look_weight: float = 1.0,
    log_divisor: float = 1.0,
) -> tuple[Contrast, ...]:
    """Run `compared` for several edges of one look at once; all have the same exposures."""
    if not units or units[0].e_c == 0 or units[0].e_s == 0:
        return tuple(contrasts)
    x_c, x_s = np.array([(u.x_c, u.reference) for u in units], dtype=np.float64).T[..., None, None]
    gain = excess_bound.gain(units[0].e_c, units[0].e_s, x_c, x_s, ratio)
    logs = np.array([(c.below, c.above) for c in contrasts]) + look_weight * gain
    return tuple(
        _add_look(
            contrast,
            edge_units,
            ratio,
            look_weight,
            below=tuple(low),
            above=tuple(high),
            log_divisor=log_divisor,
        )
        for contrast, edge_units, (low, high) in zip(contrasts, units, logs.tolist(), strict=True)
    )


def _add_look(
    contrast: Contrast, units: Units, ratio: float, look_weight: float, **capital: Any
) -> Contrast:
    """Add the look's counts to the contrast and set its new capital."""
    e_c, e_s, x_c, x_s, reference = units
    both = e_c + e_s
    return replace(
        contrast,
        e_c=contrast.e_c + e_c,
        e_s=contrast.e_s + e_s,
        x_c=contrast.x_c + x_c,
        x_s=contrast.x_s + x_s,
        over=contrast.over + (x_c * e_s - x_s * e_c) / both,
        under=contrast.under + e_c * e_s / both,
        excess=contrast.excess + look_weight * (x_c - x_s * e_c / e_s),
        gap=contrast.gap + look_weight * (ratio * reference - x_s) * e_c / e_s,
        n_c=contrast.n_c + look_weight * e_c,
        **capital,
    )


def log_safe(contrast: Contrast, absolute: float = 0.0) -> float:
    """Compute log evidence that the excess rate is below `absolute`; 0 without data.

    It is `excess_bound.log_safe`.
    """
    below, n_c = (
        np.array(contrast.below) / contrast.log_divisor,
        contrast.n_c / contrast.log_divisor,
    )
    return float(excess_bound.log_safe(below, n_c, absolute, contrast.weights))


def each_safe(contrasts: Sequence[Contrast]) -> list[float]:
    """Compute `log_safe` of several contrasts at once, with an absolute margin of 0."""
    logs = np.array([(c.below, c.weights) for c in contrasts])
    below = logs[:, 0] / np.array([c.log_divisor for c in contrasts])[:, None]
    logs_safe: list[float] = log_mean(below, logs[:, 1]).tolist()
    return logs_safe


def excess_rate(contrast: Contrast, alpha: float) -> float:
    """Compute the worst credible excess of bad units per canary request, 0 to 1; 1 without data.

    It is `excess_bound.excess_bound` at `alpha`, over the canary's requests.
    """
    if contrast.e_c == 0:
        return 1.0
    return min(1.0, max(0.0, _bound_excess(contrast, alpha) / contrast.n_c))


def interval(contrast: Contrast, alpha: float, beta: float) -> tuple[float, float]:
    """Compute anytime bounds of the difference of bad shares, averaged over canary exposures.

    The lower bound holds with 1 - alpha, the upper with 1 - beta. The upper is below the allowed
    difference exactly when the contrast is proven safe at beta. Both are bounds of the excess,
    `excess_bound.excess_floor` and `excess_bound.excess_bound`, moved by `gap`. Differences of
    shares, -1 to 1; -1 and 1 without data.
    """
    if contrast.e_c == 0:
        return -1.0, 1.0
    above = np.asarray(contrast.above) / contrast.log_divisor
    low = float(excess_bound.excess_floor(above, alpha)) * contrast.log_divisor + contrast.gap
    high = _bound_excess(contrast, beta) + contrast.gap
    return _clip_share(low / contrast.n_c), _clip_share(high / contrast.n_c)


def _clip_share(difference: float) -> float:
    """Clip a bound to -1 and 1; with little data or a wide ratio it may lie outside."""
    return max(-1.0, min(1.0, difference))


def allowed(contrast: Contrast, absolute: float = 0.0) -> float | None:
    """Return the acceptable difference, a share, on the scale of `interval`; None without data."""
    return absolute + contrast.gap / contrast.n_c if contrast.e_c else None


def _bound_excess(contrast: Contrast, level: float) -> float:
    """Compute an anytime upper bound of the canary's excess, on the scale of `n_c`."""
    below = np.asarray(contrast.below) / contrast.log_divisor
    return float(excess_bound.excess_bound(below, level, contrast.weights)) * contrast.log_divisor
