"""The rates of a whole fleet at once: the guard's formulas on rollouts x metrics x points.

For rules without dispersion. `guard` and `verdict` define what is right; a law holds this to them.
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
"""What the verdict codes mean."""

UNDECIDED, SAFE, HARMFUL, BLIND = (np.int8(code) for code in range(len(KINDS)))

_BLOCK = 8192  # pairs whose scratch stays in the processor's own cache
_R, _D = len(START), len(EVEN)


class Counts(NamedTuple):
    """One look's evidence of n rollouts, each (n, M); without new samples all zero."""

    e_c: Array
    e_s: Array
    x_c: Array
    x_s: Array


@dataclass(frozen=True)
class Fleet:
    """Margins and log-capital of N rollouts x M rates; the arrays change in place.

    Points come first, so that every pass runs over contiguous memory. Each capital carries its
    prior: log w_k + l_k for R and the crash watch, log w_l + A_l + l absolute N_c for D. A metric
    that a rollout does not have has the importance 0.
    """

    ratio: Array  # (N, M)
    absolute: Array  # (N, M)
    log_share: Array  # (N, M): of the mean, the crash watches' part taken off
    log_watched: Array  # (N, M): each crash watch's part of the mean
    bar: Array  # (N,): log(1/alpha)
    proof: Array  # (N,): log(1/beta)
    harm: Array  # (6, N, M)
    crash: Array  # (6, N, M)
    safe: Array  # (12, N, M)
    log_harm: Array  # (N, M): of the weighted e-process
    log_safe: Array  # (N, M)
    log_crash: Array  # (N,): of what the crash watches add to the mean
    e_c: Array  # (N, M): the canary's counted exposures
    past: Array  # (2, N, M): stable's exposures and bad units before the first counted look


class Judged(NamedTuple):
    """What `verdict.Judgement` says of n rollouts, as arrays."""

    kinds: NDArray[np.int8]  # (n, M): places in KINDS
    log_joint: Array  # (n,)
    harmful: NDArray[np.bool_]  # (n,)
    safe: NDArray[np.bool_]  # (n,)


def start(
    ratio: ArrayLike, absolute: ArrayLike, importance: ArrayLike, alpha: ArrayLike, beta: ArrayLike
) -> Fleet:
    """A fleet before any look: (N, M) margins and importances, (N,) error rates."""
    weights = np.asarray(importance, dtype=np.float64)
    (n, m), there = weights.shape, weights > 0
    with np.errstate(divide="ignore"):  # a metric that is not there adds exp(-inf)
        log_share = np.log((1 - CRASH_WEIGHT) * weights / weights.sum(axis=1, keepdims=True))
        log_watched = np.log(CRASH_WEIGHT * there / there.sum(axis=1, keepdims=True))
    return Fleet(
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


def learn(fleet: Fleet, counts: Counts, rows: Rows = ALL) -> None:
    """Take in stable's past of these rollouts; `rows` are distinct places in the fleet.

    Raises EvidenceError: no counts, as for every look.
    """
    check(*counts)
    fleet.past[0, rows] += counts.e_s
    fleet.past[1, rows] += counts.x_s


def watch(fleet: Fleet, counts: Counts, rows: Rows = ALL) -> None:
    """A warm-up look: only the crash watch bets; see `rate.watch`. Raises EvidenceError."""
    learn(fleet, counts, rows)
    for place, part, (gain, spare) in _blocks(fleet, rows):
        odds, seen = _live(fleet, place, counts, part)
        allowed = np.maximum(fleet.absolute[place], CRASH) * seen.e_c
        harm_gain(odds, seen.x_c, seen.x_s, allowed, out=gain[:_R], spare=spare[:_R])
        logs = _grown(fleet.crash, place, gain[:_R])
        fleet.log_crash[place] = log_sum((log_sum(logs) + fleet.log_watched[place]).T)


def look(fleet: Fleet, counts: Counts, rows: Rows = ALL) -> None:
    """A counted look: R and D bet; see `rate.look`. Raises EvidenceError: no counts."""
    check(*counts)
    for place, part, (gain, spare) in _blocks(fleet, rows):
        odds, seen = _live(fleet, place, counts, part)
        allowed = fleet.absolute[place] * seen.e_c
        harm_gain(odds, seen.x_c, seen.x_s, allowed, out=gain[:_R], spare=spare[:_R])
        logs = _grown(fleet.harm, place, gain[:_R])
        fleet.log_harm[place] = log_sum(logs) + fleet.log_share[place]
        _inform(fleet, place, seen.e_c)
        safe_gain(odds, seen.x_c, seen.x_s, allowed, out=gain, spare=spare)
        fleet.log_safe[place] = log_sum(_grown(fleet.safe, place, gain))
        fleet.e_c[place] += seen.e_c


def judge(fleet: Fleet, rows: Rows = ALL, blind: ArrayLike = False) -> Judged:
    """Verdicts of these rollouts; see `verdict.judge`. `blind`: (n, M), what cannot be judged."""
    harm, bar = fleet.log_harm[rows], fleet.bar[rows]
    joint = np.logaddexp(log_sum(harm.T.copy()), fleet.log_crash[rows])
    proven = fleet.log_safe[rows] >= fleet.proof[rows][:, None]
    kinds = np.where(blind, BLIND, np.where(proven, SAFE, UNDECIDED))
    kinds[harm >= bar[:, None]] = HARMFUL
    safe = ((kinds == SAFE) | np.isneginf(fleet.log_share[rows])).all(axis=1)
    return Judged(kinds, joint, joint >= bar, safe)


def _blocks(fleet: Fleet, rows: Rows) -> Iterator[tuple[Rows, slice, Array]]:
    """Portions of the rows: their places in the fleet and in the batch, and scratch for two
    arrays of gains.
    """
    n, m = fleet.e_c.shape
    first, last = rows.indices(n)[:2] if isinstance(rows, slice) else (0, len(rows))
    size = min(last - first, max(1, _BLOCK // m))
    scratch = np.empty((2, _D, size, m))
    for i in range(first, last, max(size, 1)):
        end = min(i + size, last)
        place = slice(i, end) if isinstance(rows, slice) else rows[i:end]
        yield place, slice(i - first, end - first), scratch[:, :, : end - i]


def _live(fleet: Fleet, place: Rows, counts: Counts, part: slice) -> tuple[Array, Counts]:
    """Odds u = ratio e_c / e_s and the counts, all zero where either arm has no exposures."""
    e_c, e_s, x_c, x_s = (each[part] for each in counts)
    both = (e_c > 0) & (e_s > 0)
    odds = fleet.ratio[place] * (e_c / np.where(both, e_s, 1.0))
    if both.all():
        return odds, Counts(e_c, e_s, x_c, x_s)
    return odds, Counts(e_c * both, e_s * both, x_c * both, x_s * both)


def _grown(capital: Array, place: Rows, gain: Array) -> Array:
    """Add the gain to the capital and return the sum, in the gain's own memory."""
    gain += capital[:, place]
    capital[:, place] = gain
    return gain


def _inform(fleet: Fleet, place: Rows, e_c: Array) -> None:
    """Before a pair's first bet: prior weights that fit what stable showed; see `rate.look`."""
    fresh = (fleet.e_c[place] == 0) & (e_c > 0)
    if not fresh.any():
        return
    exposures, bad = fleet.past[:, place]
    fresh &= exposures >= ENOUGH
    share = (bad[fresh] + 1) / (exposures[fresh] + 1)
    ratio, absolute = (margin[place][fresh] for margin in (fleet.ratio, fleet.absolute))
    capital = fleet.safe[:, place]
    capital[:, fresh] = np.log(excess_bound.prior(share, share, ratio, absolute)).T
    fleet.safe[:, place] = capital
