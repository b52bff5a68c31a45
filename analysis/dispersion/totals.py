"""The dispersion of a version without known pods, estimated from its totals over the past.

How it works: windows of consecutive looks take the place that pods have in `estimate`. Neighbouring
windows are compared given their totals, so that a slow change of the base rate costs little. What
windows differ by may have hit all pods alike, and would then cancel between canary and stable, or
single pods, and would not. Totals cannot tell, so all of it counts as the pods' own, except for
rare troubles: they are left out, and `Dispersion.trouble` limits what may be won in as short a
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.counting.counts import EvidenceError
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import LEAST_TICKS, MOST_RESTLESS, checked, find_error
from analysis.dispersion.moments import LUCK, Moments, conditional_moments
from analysis.dispersion.trouble import Trouble, find_trouble, unite

Array = NDArray[np.float64]

PODS_CANARY, PODS_STABLE = 1, 4
"""Pods that are assumed where none are known: one of the canary for four of stable's.

With more pods on the canary's side its rate varies less, so evidence counts for less than it might.
"""

LASTING = 0.04
"""Standard deviation of the arms' log ratio for good that is allowed for; totals show none."""

SHORT = "stable has a history of {ticks} looks, {least} are needed to know how errors come"

_ARMS = 1 / PODS_CANARY + 1 / PODS_STABLE
_PRIOR, _CLUSTERED = 2.0, 9.0  # two bad units' worth of belief in clusters of nine
_WINDOWS = {1: 4, 4: 4, 16: 6, 48: 5}  # looks in a window: windows in a group
_ENOUGH = 2 * LEAST_TICKS  # looks with requests, of which silences between them can be left out
_SILENCE = 10  # looks from one with requests to the next, beyond which those between are no past
_DETRENDED = 16  # looks in a window from which on a group's straight line costs nothing


class _Windows(NamedTuple):
    """Moments of windows of one length; `error` is their relative error by chance."""

    moments: Moments
    error: float

    def beyond(self, cluster: float) -> float:
        """Return the variance of relative rates beyond clusters; luck counts nothing.

        The excess is shrunk by 1 - (1.5 errors / excess)^2, which leaves a clear one nearly whole.
        Source: the nonnegative garrote, Breiman, Technometrics 37 (1995), 373-384.
        """
        excess = self.moments.squares - cluster * self.moments.independent
        luck = LUCK * self.error * cluster * self.moments.independent
        if excess <= luck or self.moments.per_variance <= 0:
            return 0.0
        return excess * (1 - (luck / excess) ** 2) / self.moments.per_variance

    def most(self, cluster: float) -> float:
        """Return the most that luck does not exclude, see `Moments.most`."""
        return self.moments.most(cluster, self.error)


def estimate_totals(exposures: ArrayLike, bad: ArrayLike) -> Dispersion:
    """Estimate a rate's dispersion from stable's totals per look, each (looks,), oldest first.

    With psi_m the variance of the relative rates of windows of m looks, as in `estimate.estimate`,
    of the looks without trouble: `cluster` is the Pearson dispersion of single looks, `brief`
    psi_1, and `passing` the largest m psi_m beyond clusters, for 48 looks with what it gained over
    16 on top: a memory that they do not exhaust. More than three times as much is none, since means
    of longer windows vary less whatever the memory: the base rate drifts then. A total of K pods
    varies by a K-th of a pod's variance. K is `PODS_STABLE`, so both are times that.

    What is hardly more than independent requests (`Dispersion.is_calm`) is taken for them. But few
    bad units show little: `unexcluded` is the most that m psi_m may be by `LUCK` standard errors,
    `MOST_RESTLESS` if that is less and the past does not show more.

    The past begins with the first look that has exposures: a version that is stable since an hour
    has an hour of it, not a calm day, and one without requests has none. Long silences within it,
    as of nights, are left out where twice `LEAST_TICKS` looks remain. The estimates rest on a past
    that is like the present. Derived here; measured in docs/decisions/0035 and 0078.

    Raises:
        EvidenceError: the past is too short, counts are negative or not whole, shapes differ, or
            there are more bad units than exposures.
    """
    return estimate_each(exposures, [bad])[0]


def estimate_each(exposures: ArrayLike, bads: Sequence[ArrayLike]) -> list[Dispersion]:
    """Estimate several kinds of bad units of the same units, as `estimate_totals` does one.

    A look is in trouble where it is so for any kind: what slows the slowest tenth threefold slows
    all others as well, though not by enough to be a trouble of theirs. Raises as that does.
    """
    checked_pairs = [checked(*(np.asarray(v)[:, None] for v in (exposures, bad))) for bad in bads]
    units = checked_pairs[0][0][:, 0]
    looks = _list_looks(units)
    if len(looks) < LEAST_TICKS:
        raise EvidenceError(SHORT.format(ticks=len(looks), least=LEAST_TICKS))
    e, each_x = units[looks], [x[looks, 0] for _, x in checked_pairs]
    trouble = unite([find_trouble(e, x) for x in each_x])
    calm_e = np.where(trouble.looks, 0.0, e)
    return [_estimate(calm_e, np.where(trouble.looks, 0.0, x), trouble) for x in each_x]


def _list_looks(units: Array) -> NDArray[np.intp]:
    """Return the looks from the first with requests on, without silences if enough are left."""
    at, has_units = np.arange(len(units)), units > 0
    before = np.maximum.accumulate(np.where(has_units, at, -1))
    after = np.minimum.accumulate(np.where(has_units, at, len(at))[::-1])[::-1]
    begun = before >= 0
    active = at[begun & (after - before <= _SILENCE)]
    return active if len(active) >= _ENOUGH else at[begun]


def _estimate(e: Array, x: Array, trouble: Trouble) -> Dispersion:
    """Estimate a dispersion where looks in trouble are left out, see `estimate_totals`."""
    n = float(x.sum() / max(1, (e > 0).sum()))
    windows = {m: _compare_windows(e, x, m, n) for m in _WINDOWS}
    single = windows[1].moments
    pearson = max(1.0, single.squares / single.independent) if single.independent > 0 else 1.0
    cluster = (pearson * single.independent + _PRIOR * _CLUSTERED) / (single.independent + _PRIOR)
    brief = PODS_STABLE * windows[1].beyond(1.0)
    sums = {m: PODS_STABLE * m * window.beyond(pearson) for m, window in windows.items()}
    unexhausted = min(2 * sums[16], max(0.0, sums[48] - sums[16]))
    passing = max(sums[4], sums[16], sums[48] + unexhausted)
    most = max(PODS_STABLE * m * window.most(pearson) for m, window in windows.items())
    split = n * _ARMS / 4  # of arms with equal traffic
    learned = Dispersion(
        cluster=cluster,
        brief=brief,
        passing=passing,
        lasting=LASTING**2 / _ARMS,
        inflation=max(1.0, min(n, cluster), 1 + split * brief) + split * passing,
        pods_canary=PODS_CANARY,
        pods_stable=PODS_STABLE,
        ticks=len(trouble.looks),
        by="totals",
        trouble=trouble.longest,
        rate=float(x.sum() / max(1.0, e.sum())),
        unexcluded=max(brief + passing, min(most, MOST_RESTLESS)),
    )
    if not learned.is_calm:
        return learned
    return replace(learned, cluster=1.0, brief=0.0, passing=0.0, inflation=1.0)


def _compare_windows(e: Array, x: Array, m: int, n: float) -> _Windows:
    """Compare windows of m looks, of n bad units a look, in groups of neighbours."""
    size = _WINDOWS[m]
    groups = len(e) // (m * size)
    parts = (v[len(e) - groups * m * size :].reshape(groups, size, m).sum(axis=2) for v in (e, x))
    is_detrended = m >= _DETRENDED
    freedom = groups * (size - 1 - is_detrended)
    return _Windows(conditional_moments(*parts, detrended=is_detrended), find_error(n * m, freedom))
