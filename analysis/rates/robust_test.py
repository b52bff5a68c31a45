"""The harm test that holds under dispersion: a mean of tempered R, its late starts, share bets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.dispersion import tempering
from analysis.dispersion.estimate import Dispersion
from analysis.dispersion.tempering import Noise, floats
from analysis.log_arrays import column, log_mean, log_sum, row
from analysis.rates import ratio_test
from analysis.rates.share_bets import FRACTIONS, RELATED, bias, paid

Array = NDArray[np.float64]

LATE = 0.2
"""Part of R's capital that waits for harm that begins later."""

HAZARD = 1 / 200
"""Part of the waiting capital that starts at each look: half of it within 140 looks."""

_HEDGED = 0.5  # of the mean is held by share bets where pods differ much
_LEAST = 1e-3
_NIL = -1e9  # log of nothing
_POINTS, _BETS = ratio_test.POINTS.size, FRACTIONS.size
_EVEN = np.log(np.full(_BETS, 1 / _BETS))
SIZE = 2 * _POINTS + _BETS + 6
"""Numbers that a rollout's state has."""


class ArmCounts(NamedTuple):
    """One look's counts, each (...): exposures e and bad units x of canary (c) and stable (s)."""

    e_c: ArrayLike
    e_s: ArrayLike
    x_c: ArrayLike
    x_s: ArrayLike


class RobustState(NamedTuple):
    """Log-capital and sums so far; each array is (..., its own size) or (...)."""

    ratio: Array  # (..., 6): tempered R since the first look
    late: Array  # (..., 6): of the starts so far, log of their weighted sum
    bets: Array  # (..., 8): share bets, settled blocks only
    waiting: Array  # log of the part of the late capital that has not started
    information: Array
    looks: Array  # counted looks in the open block
    n: Array  # bad units in the open block
    x_c: Array
    fair: Array  # expected share of them


def start(shape: tuple[int, ...] = ()) -> Array:
    """State before any look: (*shape, SIZE); `look` goes on from it."""
    state = np.zeros((*shape, SIZE))
    state[..., _POINTS : 2 * _POINTS] = _NIL
    return state


def look(
    state: ArrayLike,
    found: Noise,
    counts: ArmCounts,
    *,
    ratio: ArrayLike = 1.0,
    absolute: ArrayLike = 0.0,
) -> Array:
    """State after one more look; where either arm has no exposures nothing changes.

    R (`ratio_test.increment`) divided by `tempering.inflation` phi; the same from every later look
    on, weighted LATE HAZARD (1-HAZARD)^k, with gains of at most 1 + 1 / (I-1)^2 per look, I the
    inflation of the past, so that one look in which pods differ more than ever before cannot decide
    alone (a bound by the look's own phi would fall as the canary's bad units rise: more harm, less
    evidence); and share bets, one per block of `Noise.block` looks: see `share_bets.paid`. The
    canary may expect X = n pi* + absolute e_c (1 - pi*) of a block's n bad units, with
    pi* = ratio pi / (1 - pi + ratio pi), raised by what unequal numbers of pods bias the expected
    share, brief (1-q) ((1-q) / k_s - q / k_c), to second order.

    Args:
        state: (..., SIZE).
        found: the dispersion, numbers or (...).
        counts: (...).
        ratio: margin, >= 1.
        absolute: margin, >= 0.

    Returns:
        The state, (..., SIZE).
    """
    before = np.asarray(state, dtype=np.float64)
    e_c, e_s, x_c, x_s = map(floats, counts)
    after = _looked(_parted(before), found, (e_c, e_s, x_c, x_s), floats(ratio), floats(absolute))
    return np.where(column((e_c > 0) & (e_s > 0)), _fused(after), before)


def log_harm(state: ArrayLike, found: Noise) -> Array:
    """Log of the e-process of a `State`: (..., SIZE) -> (...); roll back at log(1/alpha).

    The weighted mean of `members`. Share bets weigh up to a half, the more the more pods differ;
    the weights are known before the first look. Exact where requests are independent (the parts of
    the dispersion are then 1 and 0), approximate otherwise.
    """
    bets = np.maximum(_LEAST, _HEDGED * (1 - 1 / found.inflation))
    weights = row((1 - bets) * (1 - LATE), (1 - bets) * LATE, bets)
    return log_mean(members(state, found), weights)


def members(state: ArrayLike, found: Noise) -> Array:
    """Logs of the three e-processes that are averaged, (..., SIZE) -> (..., 3).

    Tempered R, tempered R from later looks on, and share bets; each divided by `tempering.total`,
    share bets of several looks by RELATED too.
    """
    now = _parted(np.asarray(state, dtype=np.float64))
    calm = tempering.total(found, now.information)
    late = np.logaddexp(ratio_test.log_harm(now.late), now.waiting)
    ratio = ratio_test.log_harm(now.ratio / column(calm))
    related = np.where(found.block > 1, RELATED, 1.0)
    bets = log_sum(now.bets / column(calm * related) + _EVEN)
    return row(ratio, late / calm, bets)


def information(state: ArrayLike) -> Array:
    """Precision of the arms' log ratio so far: (..., SIZE) -> (...); see `tempering.total`."""
    return _parted(np.asarray(state, dtype=np.float64)).information


def walk(
    found: Noise, counts: ArmCounts, *, ratio: ArrayLike = 1.0, absolute: ArrayLike = 0.0
) -> Iterator[Array]:
    """States of many rollouts after each `look`: counts (rollouts, looks) -> (rollouts, SIZE)."""
    columns = [np.asarray(v, dtype=np.float64).T for v in counts]
    state = start(columns[0].shape[1:])
    for seen in zip(*columns, strict=True):
        state = look(state, found, ArmCounts(*seen), ratio=ratio, absolute=absolute)
        yield state


def path(
    dispersions: Sequence[Dispersion],
    counts: ArmCounts,
    *,
    ratio: float = 1.0,
    absolute: float = 0.0,
) -> Array:
    """Log of the e-process after each `look` of many rollouts: (rollouts, looks) as the counts."""
    found = tempering.noises(dispersions)
    states = walk(found, counts, ratio=ratio, absolute=absolute)
    return np.array([log_harm(state, found) for state in states]).T


def _looked(now: RobustState, found: Noise, seen: Sequence[Array], *margin: Array) -> RobustState:
    (e_c, e_s, x_c, x_s), (ratio, absolute) = seen, margin
    n = x_c + x_s
    usual, q = tempering.expected(e_c, e_s, x_s, ratio, absolute)
    gain = ratio_test.increment(e_c, e_s, x_c, x_s, ratio=ratio, absolute=absolute)
    gain = gain / column(tempering.inflation(found, n, q))
    most = 1 + 1 / np.maximum(found.inflation - 1, _LEAST) ** 2
    begun = np.logaddexp(now.late, column(now.waiting + np.log(HAZARD)))
    fair = n * np.minimum(1.0, q * (1 + bias(found, q))) + absolute * e_c * (1 - q)
    opened = now._replace(
        ratio=now.ratio + gain,
        late=begun + np.minimum(gain, column(most)),
        waiting=now.waiting + np.log1p(-HAZARD),
        information=now.information + usual * q * (1 - q) / tempering.inflation(found, usual, q),
        looks=now.looks + 1,
        n=now.n + n,
        x_c=now.x_c + x_c,
        fair=now.fair + fair,
    )
    return _settled(opened, found)


def _settled(now: RobustState, found: Noise) -> RobustState:
    """The share bets paid out, and a new block begun, where the block is over."""
    over = now.looks >= found.block
    open_ = np.where(over, 0.0, 1.0)
    bets = now.bets + np.where(column(over), paid(found, now.n, now.x_c, now.fair), 0.0)
    return now._replace(
        bets=bets,
        looks=now.looks * open_,
        n=now.n * open_,
        x_c=now.x_c * open_,
        fair=now.fair * open_,
    )


def _parted(state: Array) -> RobustState:
    points, bets = 2 * _POINTS, 2 * _POINTS + _BETS
    return RobustState(
        state[..., :_POINTS],
        state[..., _POINTS:points],
        state[..., points:bets],
        *(state[..., i][()] for i in range(bets, SIZE)),
    )


def _fused(now: RobustState) -> Array:
    return np.concatenate([*now[:3], row(*now[3:])], axis=-1)
