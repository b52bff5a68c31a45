"""Evaluates the rates of many rollouts at once, as arrays of rollouts x metrics x points.

It covers rules without dispersion. `guardrail` and `verdict` are the reference implementation; a
property test holds this one to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.gains import EVEN, START, check, harm_gain, log_sum, safe_gain
from analysis.rates import excess_bound
from analysis.rates.rate import CRASH, ENOUGH
from analysis.verdict.verdict import CRASH_WEIGHT

Array = NDArray[np.float64]
Rows = NDArray[np.intp] | slice

ALL = slice(None)
"""Every rollout of the fleet; a slice of rows has no step."""

KINDS = ("undecided", "safe", "harmful", "blind")
"""Verdicts; a verdict code is an index into them."""

UNDECIDED, SAFE, HARMFUL, BLIND = (np.int8(code) for code in range(len(KINDS)))

_BLOCK = (
    8192  # rollout-metric pairs per block, so that the scratch arrays fit the processor's cache
)
_R, _D = len(START), len(EVEN)


class FleetCounts(NamedTuple):
    """One look's counts of n rollouts, each (n, M); all zero without new samples."""

    e_c: Array
    e_s: Array
    x_c: Array
    x_s: Array


@dataclass(frozen=True)
class FleetCapital:
    """Margins and log-capital of N rollouts x M rates; the arrays change in place.

    The axis of points comes first, so that every pass runs over contiguous memory. Each capital
    includes its prior: log w_k + l_k for the ratio test and the crash watch, log w_l + A_l +
    l absolute N_c for the excess bound. A metric that a rollout lacks has the importance 0.
    """

    ratio: Array  # (N, M)
    absolute: Array  # (N, M)
    log_share: Array  # (N, M): log weight in the mean, next to the crash watches' weight
    log_watched: Array  # (N, M): log weight of each crash watch in the mean
    bar: Array  # (N,): log(1/alpha)
    proof: Array  # (N,): log(1/beta)
    harm: Array  # (6, N, M)
    crash: Array  # (6, N, M)
    safe: Array  # (12, N, M)
    log_harm: Array  # (N, M): log of the weighted e-process
    log_safe: Array  # (N, M)
    log_crash: Array  # (N,): log of the crash watches' contribution to the mean
    e_c: Array  # (N, M): the canary's counted exposures
    past: Array  # (2, N, M): stable's exposures and bad units before the first counted look


class Judged(NamedTuple):
    """The results of `verdict.Judgement` for n rollouts, as arrays."""

    kinds: NDArray[np.int8]  # (n, M): indices into KINDS
    log_joint: Array  # (n,)
    harmful: NDArray[np.bool_]  # (n,)
    safe: NDArray[np.bool_]  # (n,)


def start(
    ratio: ArrayLike, absolute: ArrayLike, importance: ArrayLike, alpha: ArrayLike, beta: ArrayLike
) -> FleetCapital:
    """Create a fleet before any look from (N, M) margins and importances, (N,) error rates."""
    weights = np.asarray(importance, dtype=np.float64)
    (n, m), there = weights.shape, weights > 0
    with np.errstate(
        divide="ignore"
    ):  # log 0 for a missing metric: it adds exp(-inf) = 0 to the mean
        log_share = np.log((1 - CRASH_WEIGHT) * weights / weights.sum(axis=1, keepdims=True))
        log_watched = np.log(CRASH_WEIGHT * there / there.sum(axis=1, keepdims=True))
    return FleetCapital(
        ratio=np.array(ratio, dtype=np.float64),
        absolute=np.array(absolute, dtype=np.float64),
        log_share=log_share,
        log_watched=log_watched,
        bar=-np.log(alpha),
        proof=-np.log(beta),
        harm=np.tile(START, (1, n, m)),
        crash=np.tile(START, (1, n, m)),
        safe=np.tile(EVEN, (1, n, m)),
        log_harm=log_share.copy(),
        log_safe=np.zeros((n, m)),
        log_crash=np.full(n, np.log(CRASH_WEIGHT)),
        e_c=np.zeros((n, m)),
        past=np.zeros((2, n, m)),
    )


def learn(fleet: FleetCapital, counts: FleetCounts, rows: Rows = ALL) -> None:
    """Add stable's past of these rollouts; `rows` are distinct indices into the fleet.

    Raises EvidenceError for values that are not counts, as every look does.
    """
    check(*counts)
    fleet.past[0, rows] += counts.e_s
    fleet.past[1, rows] += counts.x_s


def watch(fleet: FleetCapital, counts: FleetCounts, rows: Rows = ALL) -> None:
    """Run a warm-up look: only the crash watch bets, see `rate.watch`. Raises EvidenceError."""
    learn(fleet, counts, rows)
    for members, batch, (gain, spare) in _iterate_blocks(fleet, rows):
        odds, usable = _select_usable(fleet, members, counts, batch)
        allowed = np.maximum(fleet.absolute[members], CRASH) * usable.e_c
        harm_gain(odds, usable.x_c, usable.x_s, allowed, out=gain[:_R], spare=spare[:_R])
        logs = _add_gain(fleet.crash, members, gain[:_R])
        fleet.log_crash[members] = log_sum((log_sum(logs) + fleet.log_watched[members]).T)


def look(fleet: FleetCapital, counts: FleetCounts, rows: Rows = ALL) -> None:
    """Run a counted look: ratio test and excess bound bet, see `rate.look`.

    Raises EvidenceError for values that are not counts.
    """
    check(*counts)
    for members, batch, (gain, spare) in _iterate_blocks(fleet, rows):
        odds, usable = _select_usable(fleet, members, counts, batch)
        allowed = fleet.absolute[members] * usable.e_c
        harm_gain(odds, usable.x_c, usable.x_s, allowed, out=gain[:_R], spare=spare[:_R])
        logs = _add_gain(fleet.harm, members, gain[:_R])
        fleet.log_harm[members] = log_sum(logs) + fleet.log_share[members]
        _set_prior(fleet, members, usable.e_c)
        safe_gain(odds, usable.x_c, usable.x_s, allowed, out=gain, spare=spare)
        fleet.log_safe[members] = log_sum(_add_gain(fleet.safe, members, gain))
        fleet.e_c[members] += usable.e_c


def judge(fleet: FleetCapital, rows: Rows = ALL, blind: ArrayLike = False) -> Judged:
    """Judge these rollouts, see `verdict.judge`; `blind`, (n, M), marks what cannot be judged."""
    harm, bar = fleet.log_harm[rows], fleet.bar[rows]
    joint = np.logaddexp(log_sum(harm.T.copy()), fleet.log_crash[rows])
    proven = fleet.log_safe[rows] >= fleet.proof[rows][:, None]
    kinds = np.where(blind, BLIND, np.where(proven, SAFE, UNDECIDED))
    kinds[harm >= bar[:, None]] = HARMFUL
    safe = ((kinds == SAFE) | np.isneginf(fleet.log_share[rows])).all(axis=1)
    return Judged(kinds, joint, joint >= bar, safe)


def _iterate_blocks(fleet: FleetCapital, rows: Rows) -> Iterator[tuple[Rows, slice, Array]]:
    """Split the rows into blocks: indices into the fleet, slice of the batch, scratch arrays.

    A batch has one row per entry of `rows`, so a block has a position in the fleet and one in the
    batch. The scratch holds two gains.
    """
    n, m = fleet.e_c.shape
    first, last = rows.indices(n)[:2] if isinstance(rows, slice) else (0, len(rows))
    size = min(last - first, max(1, _BLOCK // m))
    scratch = np.empty((2, _D, size, m))
    for i in range(first, last, max(size, 1)):
        end = min(i + size, last)
        members = slice(i, end) if isinstance(rows, slice) else rows[i:end]
        yield members, slice(i - first, end - first), scratch[:, :, : end - i]


def _select_usable(
    fleet: FleetCapital, members: Rows, counts: FleetCounts, batch: slice
) -> tuple[Array, FleetCounts]:
    """Return the odds u = ratio e_c / e_s and the usable counts.

    Counts are set to zero where either arm has no exposures: such a look then bets nothing.
    """
    e_c, e_s, x_c, x_s = (field[batch] for field in counts)
    both = (e_c > 0) & (e_s > 0)
    odds = fleet.ratio[members] * (e_c / np.where(both, e_s, 1.0))
    if both.all():
        return odds, FleetCounts(e_c, e_s, x_c, x_s)
    return odds, FleetCounts(e_c * both, e_s * both, x_c * both, x_s * both)


def _add_gain(capital: Array, members: Rows, gain: Array) -> Array:
    """Add the gain to the capital and return the sum, in the memory of the gain."""
    gain += capital[:, members]
    capital[:, members] = gain
    return gain


def _set_prior(fleet: FleetCapital, members: Rows, e_c: Array) -> None:
    """Set prior weights from stable's past before a pair's first bet, see `rate.look`.

    Weights may depend only on what precedes the first bet, so they never change afterwards.
    """
    fresh = (fleet.e_c[members] == 0) & (e_c > 0)
    if not fresh.any():
        return
    exposures, bad = fleet.past[:, members]
    fresh &= exposures >= ENOUGH
    share = (bad[fresh] + 1) / (exposures[fresh] + 1)
    ratio, absolute = (margin[members][fresh] for margin in (fleet.ratio, fleet.absolute))
    capital = fleet.safe[:, members]
    capital[:, fresh] = np.log(excess_bound.prior(share, share, ratio, absolute)).T
    fleet.safe[:, members] = capital
