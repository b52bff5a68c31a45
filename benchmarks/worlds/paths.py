"""Log-capital of many rollouts at once, by the production functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.dispersion import tempering
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.tempering import Noise
from analysis.rates import collapse, excess_bound, late_starts, ratio_test, robust_test
from analysis.rates.late_starts import LATE_SHARE
from analysis.rates.robust_test import ArmCounts

Array = NDArray[np.float64]


def noises(dispersions: Sequence[Dispersion]) -> Noise:
    """Convert many dispersions, one per rollout, to arrays of shape (rollouts,)."""
    return Noise(*(np.array([getattr(d, f) for d in dispersions], float) for f in Noise._fields))


def walk(
    noise: Noise, counts: ArmCounts, *, ratio: ArrayLike = 1.0, absolute: ArrayLike = 0.0
) -> Iterator[Array]:
    """Yield the robust test's states after each look: (rollouts, looks) -> (rollouts, SIZE)."""
    columns = [np.asarray(v, dtype=np.float64).T for v in counts]
    state = robust_test.start(columns[0].shape[1:])
    for arms in zip(*columns, strict=True):
        state = robust_test.update(state, noise, ArmCounts(*arms), ratio=ratio, absolute=absolute)
        yield state


def robust_logs(
    dispersions: Sequence[Dispersion],
    counts: ArmCounts,
    *,
    ratio: float = 1.0,
    absolute: float = 0.0,
) -> Array:
    """Compute each rollout's log e-process of harm after each look: (rollouts, looks).

    As in `analysis.rates.rate`, a calm past has the ratio test with late starts, any other the
    robust test.
    """
    calm = np.array([dispersion.is_calm for dispersion in dispersions])
    if calm.all():
        return _calm_logs(dispersions, counts, ratio=ratio, absolute=absolute)
    if calm.any():
        logs = np.empty(np.shape(counts.e_c))
        for members in (calm, ~calm):
            some = [d for d, is_member in zip(dispersions, members, strict=True) if is_member]
            logs[members] = robust_logs(
                some,
                ArmCounts(*(np.asarray(v)[members] for v in counts)),
                ratio=ratio,
                absolute=absolute,
            )
        return logs
    noise = noises(dispersions)
    states = walk(noise, counts, ratio=ratio, absolute=absolute)
    return np.array([robust_test.log_harm(state, noise) for state in states]).T


def rises(dispersions: Sequence[Dispersion], counts: ArmCounts) -> Array:
    """Compute the log of the evidence of the rise under way after each look: (rollouts, looks).

    It is `limit.log_rise`, 0 where the past has no trouble, at a margin of 1.
    """
    noise = noises(dispersions)
    logs = [
        np.where(noise.trouble > 0, ratio_test.log_harm(robust_test.find_rise(state)), 0.0)
        for state in walk(noise, counts)
    ]
    return np.array(logs).T


def _calm_logs(
    dispersions: Sequence[Dispersion], counts: ArmCounts, *, ratio: float, absolute: float
) -> Array:
    """Compute the ratio test with late starts after each look: (rollouts, looks)."""
    noise = noises(dispersions)
    lasting = noise.lasting_of_arms
    sums = np.zeros((2, lasting.size, ratio_test.POINTS.size))
    sums[1] = late_starts.NONE
    waiting, information, logs = np.zeros(lasting.size), np.zeros(lasting.size), []
    columns = [np.asarray(v, dtype=np.float64).T for v in counts]
    for e_c, e_s, x_c, x_s in zip(*columns, strict=True):
        both = (e_c > 0) & (e_s > 0)
        begun = np.stack([sums[0], late_starts.begin(sums[1], waiting[:, None])])
        unlearnt = tempering.unlearnt(noise, e_c, absolute)[:, None]
        gain = ratio_test.increment(e_c, e_s, x_c, x_s, ratio=ratio, absolute=absolute)
        gain = gain / (1 + unlearnt)
        late = np.where(unlearnt > 0, np.minimum(gain, late_starts.MOST), gain)
        sums = np.where(both[:, None], begun + np.stack([gain, late]), sums)
        waiting = waiting + both * late_starts.LOG_REMAINING
        due, share = tempering.expected(e_c, e_s, x_s, ratio, absolute)
        information = information + both * due * share * (1 - share) / (1 + unlearnt[:, 0])
        first, later = ratio_test.log_harm(sums)
        later = np.logaddexp(later, waiting) + np.log(LATE_SHARE)
        mean = np.logaddexp(first + np.log1p(-LATE_SHARE), later)
        logs.append(mean / (1 + information * lasting))
    return np.array(logs).T


def collapse_logs(harm: Array, counts: ArmCounts, *, ratio: float = 1.0) -> Array:
    """Add the collapse watch to logs of harm, as `collapse.log_harm` does: (rollouts, looks)."""
    gains = ratio_test.increment(*counts, ratio=ratio, absolute=collapse.MARGIN)
    e_c, e_s = np.asarray(counts.e_c), np.asarray(counts.e_s)
    sums, waiting = np.full(gains[:, 0].shape, late_starts.NONE), np.zeros(len(gains))
    logs = []
    for look in range(gains.shape[1]):
        both = (e_c[:, look] > 0) & (e_s[:, look] > 0)
        begun = late_starts.begin(sums, waiting[:, None]) + gains[:, look]
        sums = np.where(both[:, None], begun, sums)
        waiting = waiting + both * late_starts.LOG_REMAINING
        logs.append(np.logaddexp(ratio_test.log_harm(sums), waiting))
    watched = np.array(logs).T + np.log(collapse.SHARE)
    return np.asarray(np.logaddexp(harm + np.log1p(-collapse.SHARE), watched))


def below(
    e_c: ArrayLike, e_s: ArrayLike, x_c: ArrayLike, x_s: ArrayLike, ratio: ArrayLike = 1.0
) -> Array:
    """Compute each look's log-capital of bets on few bad canary units: (...) -> (..., 12)."""
    return _bet_on_excess(e_c, e_s, x_c, x_s, ratio)[..., 0, :]


def above(
    e_c: ArrayLike, e_s: ArrayLike, x_c: ArrayLike, x_s: ArrayLike, ratio: ArrayLike = 1.0
) -> Array:
    """Compute each look's log-capital of bets on many bad canary units: (...) -> (..., 12)."""
    return _bet_on_excess(e_c, e_s, x_c, x_s, ratio)[..., 1, :]


def _bet_on_excess(*counts_and_ratio: ArrayLike) -> Array:
    """Compute `excess_bound.gain` of many looks; zero where either arm has no exposures."""
    e_c, e_s, x_c, x_s, ratio = (
        np.asarray(values, dtype=np.float64)[..., None, None] for values in counts_and_ratio
    )
    both = (e_c > 0) & (e_s > 0)
    gain = excess_bound.gain(e_c, np.where(both, e_s, 1.0), x_c, x_s, ratio)
    return np.where(both, gain, 0.0)
