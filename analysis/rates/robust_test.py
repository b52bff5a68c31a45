"""The robust test: evidence of harm that holds although pods of one version differ.

How it works: three e-processes are averaged with weights fixed before the first look.

1. The ratio test, each look's log-capital divided by the variance inflation of that look.
2. The same test started at every later look, for harm that begins late (`late_starts`).
3. Share bets: what the canary's share of a block's bad units pays, whatever their clusters.

Differences that last a pod's life are integrated out: they divide all log-capital by
`tempering.total`. A rollout's state is one flat array, so that many rollouts run at once;
`RobustState` is its unpacked form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.dispersion import tempering
from analysis.dispersion.tempering import Noise, floats
from analysis.log_arrays import column, log_mean, log_sum, row
from analysis.rates import late_starts, ratio_test
from analysis.rates.limit import Rise, limit
from analysis.rates.share_bets import FRACTIONS, RELATED, Allowance, bias, log_payoff

Array = NDArray[np.float64]

LATE = 0.2
"""Fraction of the ratio test's capital that is reserved for harm that begins later."""

_HEDGED = 0.5  # largest weight of share bets in the mean, where pods differ much
_LEAST = 1e-3
_POINTS, _BETS = ratio_test.POINTS.size, FRACTIONS.size
_EVEN = np.log(np.full(_BETS, 1 / _BETS))
SIZE = 4 * _POINTS + _BETS + 8
"""Number of values in a rollout's state."""


class ArmCounts(NamedTuple):
    """One look's counts, each (...): exposures e and bad units x of canary (c) and stable (s)."""

    e_c: ArrayLike
    e_s: ArrayLike
    x_c: ArrayLike
    x_s: ArrayLike


class RobustState(NamedTuple):
    """Log-capital and sums so far; each array is (..., its own size) or (...)."""

    ratio: Array  # (..., 6): tempered ratio test since the first look
    late: Array  # (..., 6): log of the weighted sum of all later starts so far
    rise: Array  # (..., 6): each point's rise under way, see `limit`
    rise_looks: Array  # (..., 6): its age in looks
    bets: Array  # (..., 8): share bets, settled blocks only
    waiting: Array  # log of the fraction of the late capital that has not started
    information: Array  # precision of the arms' log ratio
    looks: Array  # counted looks in the open block
    n: Array  # bad units in the open block
    x_c: Array  # the canary's bad units in the open block
    expected_x_c: Array  # those that the canary may have in the open block
    allowed: Array  # what an absolute margin adds to them, see `share_bets.Allowance`
    due: Array  # expected_x_c at the margin, as known before the block


def start(shape: tuple[int, ...] = ()) -> Array:
    """Create the state before any look, (*shape, SIZE), for `update`."""
    state = np.zeros((*shape, SIZE))
    state[..., _POINTS : 2 * _POINTS] = late_starts.NONE
    return state


def update(
    state: ArrayLike,
    noise: Noise,
    counts: ArmCounts,
    *,
    ratio: ArrayLike = 1.0,
    absolute: ArrayLike = 0.0,
) -> Array:
    """Add one look to the state; where either arm has no exposures nothing changes.

    1. The ratio test gains `ratio_test.increment`, divided by `tempering.inflation` phi.
    2. A start at a later look (`late_starts`), LATE of the capital in all, gains the same, but at
       most 1 + 1 / (I-1)^2 per look, I the inflation of the past, so that one look in which pods
       differ more than ever before cannot decide alone. (A bound by the look's own phi would fall
       as the canary's bad units rise: more harm would be less evidence.)
    3. The share bets of a block of `Noise.block` looks are paid at its end, see
       `share_bets.log_payoff`. Of the block's n bad units the canary may have X = n pi*, with pi
       the canary's share of traffic and pi* = ratio pi / (1 - pi + ratio pi), increased by
       `share_bets.bias`, and on average absolute e_c (1 - pi*) on top. (Older journals have added
       that to X. Where most bad units come from it, n is large because they came: harmless canaries
       were rolled back.)

    Bad units beyond what stable's past has shown (`tempering.unlearnt`) divide all gains, and a
    late start then gains at most `late_starts.MOST` per look.

    Args:
        state: (..., SIZE).
        noise: the dispersion, numbers or (...).
        counts: (...).
        ratio: margin, >= 1.
        absolute: margin, >= 0.

    Returns:
        The new state, (..., SIZE).
    """
    before = np.asarray(state, dtype=np.float64)
    e_c, e_s, x_c, x_s = map(floats, counts)
    after = _add_look(_unpack(before), noise, (e_c, e_s, x_c, x_s), floats(ratio), floats(absolute))
    return np.where(column((e_c > 0) & (e_s > 0)), _pack(after), before)


def log_harm(state: ArrayLike, noise: Noise) -> Array:
    """Compute the log of the e-process: (..., SIZE) -> (...); roll back at log(1/alpha).

    It is the weighted mean of `members`. The weights are fixed before the first look, so the mean
    is an e-process; that of share bets rises to a half with the differences between pods. The test
    is exact where requests are independent (the dispersion's fields are then 1 and 0), and
    approximate otherwise.
    """
    bets = np.maximum(_LEAST, _HEDGED * (1 - 1 / noise.inflation))
    weights = row((1 - bets) * (1 - LATE), (1 - bets) * LATE, bets)
    return log_mean(members(state, noise), weights)


def members(state: ArrayLike, noise: Noise) -> Array:
    """Return the logs of the three averaged e-processes, (..., SIZE) -> (..., 3).

    They are the tempered ratio test, its later starts, and share bets, each divided by
    `tempering.total`; share bets of blocks of several looks are also divided by RELATED.
    """
    now = _unpack(np.asarray(state, dtype=np.float64))
    log_divisor = tempering.total(noise, now.information)
    settled = np.where(noise.trouble > 0, 1.0, log_divisor)
    late = np.logaddexp(ratio_test.log_harm(now.late), now.waiting)
    ratio = ratio_test.log_harm(now.ratio / column(settled))
    related = np.where(noise.block > 1, RELATED, 1.0)
    bets = log_sum(now.bets / column(log_divisor * related) + _EVEN)
    return row(ratio, late / settled, bets)


def information(state: ArrayLike) -> Array:
    """Return the precision of the arms' log ratio, see `tempering.total`: (..., SIZE) -> (...)."""
    return _unpack(np.asarray(state, dtype=np.float64)).information


def find_rise(state: ArrayLike) -> Array:
    """Return each point's rise under way, as gained: (..., SIZE) -> (..., P).

    Derived here: it is the sum that `limit.limit` bounds.
    """
    return _unpack(np.asarray(state, dtype=np.float64)).rise


def _add_look(
    now: RobustState, noise: Noise, counts: Sequence[Array], *margin: Array
) -> RobustState:
    """Add one look to the unpacked state, see `update`."""
    (e_c, e_s, x_c, x_s), (ratio, absolute) = counts, margin
    n = x_c + x_s
    # Information uses the predicted n, not n itself: the canary's bad units must not affect it.
    expected_n, q = tempering.expected(e_c, e_s, x_s, ratio, absolute)
    unlearnt = tempering.unlearnt(noise, e_c, absolute)
    gain = ratio_test.increment(e_c, e_s, x_c, x_s, ratio=ratio, absolute=absolute)
    gain = gain / column(tempering.inflation(noise, n, q, unlearnt))
    precision = now.information + expected_n * q * (1 - q) / tempering.inflation(
        noise, expected_n, q, unlearnt
    )
    is_limited = column(noise.trouble > 0)
    gain = gain / np.where(is_limited, column(tempering.total(noise, precision)), 1.0)
    gain, rise = limit(gain, Rise(now.rise, now.rise_looks), column(noise.trouble))
    # The bound uses the inflation of the past: see `update` for why not the look's own.
    most = 1 + 1 / np.maximum(noise.inflation - 1, _LEAST) ** 2
    most = np.where(unlearnt > 0, np.minimum(most, late_starts.MOST), most)
    # Capital that starts now bets in this look already, on the same gain as all earlier starts.
    begun = late_starts.begin(now.late, column(now.waiting))
    share = np.minimum(1.0, q * (1 + bias(noise, q)))
    allowed = absolute * e_c * (1 - q)
    # An older journal's test goes on as it began.
    is_older = np.isnan(noise.rate)
    opened = now._replace(
        ratio=now.ratio + gain,
        late=begun + np.minimum(gain, column(most)),
        waiting=now.waiting + late_starts.LOG_REMAINING,
        rise=rise.gain,
        rise_looks=rise.looks,
        information=precision,
        looks=now.looks + 1,
        n=now.n + n,
        x_c=now.x_c + x_c,
        expected_x_c=now.expected_x_c + n * share + np.where(is_older, allowed, 0.0),
        allowed=now.allowed + np.where(is_older, 0.0, allowed),
        due=now.due
        + np.where(
            is_older,
            0.0,
            share * tempering.expected(e_c, e_s, noise.rate * e_s, ratio, absolute)[0],
        ),
    )
    return _settle_block(opened, noise, share)


def _settle_block(now: RobustState, noise: Noise, share: Array) -> RobustState:
    """Pay out the share bets and open a new block where the block is complete."""
    over = now.looks >= noise.block
    open_ = np.where(over, 0.0, 1.0)
    allowance = Allowance(now.allowed, now.due, share)
    payoff = log_payoff(noise, now.n, now.x_c, now.expected_x_c, allowance)
    bets = now.bets + np.where(column(over), payoff, 0.0)
    return now._replace(
        bets=bets,
        looks=now.looks * open_,
        n=now.n * open_,
        x_c=now.x_c * open_,
        expected_x_c=now.expected_x_c * open_,
        allowed=now.allowed * open_,
        due=now.due * open_,
    )


def _unpack(state: Array) -> RobustState:
    """Split the flat state, (..., SIZE), into named arrays; `_pack` is the inverse."""
    rest = 4 * _POINTS + _BETS
    ratio, late, rise, looks = (state[..., i * _POINTS : (i + 1) * _POINTS] for i in range(4))
    scalars = (state[..., i][()] for i in range(rest, SIZE))
    return RobustState(ratio, late, rise, looks, state[..., 4 * _POINTS : rest], *scalars)


def _pack(now: RobustState) -> Array:
    return np.concatenate([*now[:5], row(*now[5:])], axis=-1)
