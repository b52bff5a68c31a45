"""Log-capital of many rollouts at once, by the production functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.dispersion.estimate import Dispersion
from analysis.dispersion.tempering import Noise
from analysis.rates import excess_bound, robust_test
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
    """Compute the robust test's log e-process after each look: (rollouts, looks)."""
    noise = noises(dispersions)
    states = walk(noise, counts, ratio=ratio, absolute=absolute)
    return np.array([robust_test.log_harm(state, noise) for state in states]).T


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
