"""Evaluates one histogram of many rollouts at once, as rollouts x alternatives x buckets.

It covers rules without dispersion. `histogram` is the reference implementation; a test holds this
one to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.counting import beyond
from analysis.fleet import ALL, Rows
from analysis.gains import EVEN, check, log_sum
from analysis.histograms import alternatives, bucket_test
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.edges import ENOUGH, QUANTILES, choose
from analysis.log_arrays import Array
from analysis.rates import excess_bound
from analysis.rates.excess_bound import LEVELS

_BLOCK = 128  # histograms per block, so that alternatives and scratch fit the processor's cache
_PAIRS = len(QUANTILES)


@dataclass(frozen=True)
class ShapeFleet:
    """Capital of N rollouts' histograms under one rule and layout; the arrays change in place.

    Buckets are in the order of badness. `lean` and `log` are the bucket test's alternatives (see
    `alternatives.Alternatives`), built from the first `built_from_units` units of the
    past. `pairs` are the boundaries (edge, partner) that the excess bound compares, -1 where there
    is none; they are final once `chosen`.
    """

    rule: HistogramTolerance
    cuts: tuple[float, ...]
    past: Array  # (N, K)
    units: Array  # (N,): number of units in the past
    built_from_units: Array  # (N,)
    lean: Array  # (N, J, K)
    log: Array  # (N, J, K)
    harm: Array  # (N, J)
    chosen: NDArray[np.bool_]  # (N,)
    pairs: NDArray[np.intp]  # (2, N, 4)
    safe: Array  # (12, N, 4): prior included, as in `fleet.Fleet`


def start(rule: HistogramTolerance, edges: tuple[float, ...], rollouts: int) -> ShapeFleet:
    """Create histograms before any look, with common edges. Raises ValueError as `boundaries`."""
    cuts = bucket_test.boundaries(edges, rule.worse, relative=rule.relative)
    size = len(alternatives.make(rule, cuts, np.ones(len(edges))).log)
    empty = (rollouts, size, len(edges))
    return ShapeFleet(
        rule,
        cuts,
        past=np.zeros((rollouts, len(edges))),
        units=np.zeros(rollouts),
        built_from_units=np.zeros(rollouts),
        lean=np.zeros(empty),
        log=np.zeros(empty),
        harm=np.zeros((rollouts, size)),
        chosen=np.zeros(rollouts, dtype=bool),
        pairs=np.full((2, rollouts, _PAIRS), -1),
        safe=np.tile(EVEN, (1, rollouts, _PAIRS)),
    )


def learn(fleet: ShapeFleet, stable: ArrayLike, rows: Rows = ALL) -> None:
    """Add stable's buckets to the past: (n, K) in the histogram's own order; `rows` are distinct.

    Raises EvidenceError for values that are not counts, as every look does.
    """
    check(stable)
    counts = beyond.oriented(stable, fleet.rule.worse)
    fleet.past[rows] += counts
    fleet.units[rows] += counts.sum(axis=-1)
    indices = np.arange(len(fleet.built_from_units))[rows]
    units = fleet.units[rows]
    _make_alternatives(fleet, indices[alternatives.due(units, fleet.built_from_units[rows])])
    for index in indices[(units >= ENOUGH) & ~fleet.chosen[rows]]:
        _choose_edges(fleet, int(index))


def look(fleet: ShapeFleet, canary: ArrayLike, stable: ArrayLike, rows: Rows = ALL) -> None:
    """Run a counted look: both tests bet on what precedes it, then stable's past grows.

    The order matters: bets that already knew the look's own counts would not be valid. Raises
    EvidenceError for values that are not counts.
    """
    check(canary, stable)
    current, reference = (beyond.oriented(x, fleet.rule.worse) for x in (canary, stable))
    upto_c, upto_s = (x.cumsum(axis=-1) for x in (current, reference))
    both = (upto_c[:, -1] > 0) & (upto_s[:, -1] > 0)
    share = both * upto_c[:, -1] / np.maximum(upto_c[:, -1] + upto_s[:, -1], 1.0)
    _bet(fleet, current, reference, share, rows)
    _bet_on_edges(fleet, upto_c, upto_s, both, rows)
    learn(fleet, stable, rows)


def log_harm(fleet: ShapeFleet, rows: Rows = ALL) -> Array:
    """Return the log of each e-process against "within the tolerance": (n,)."""
    logs = fleet.harm[rows].T.copy()
    mean: Array = log_sum(logs) - np.log(len(logs))
    return mean


def log_safe(fleet: ShapeFleet, rows: Rows = ALL) -> Array:
    """Return the log evidence of safety at every edge: (n,); -inf while no edge is chosen.

    Safety must hold at all edges, so the smallest counts.
    """
    proofs = log_sum(fleet.safe[:, rows].copy())
    chosen = fleet.pairs[0][rows] >= 0
    least = np.where(chosen, proofs, np.inf).min(axis=-1)
    return np.where(chosen.any(axis=-1), least, -np.inf)


def _make_alternatives(fleet: ShapeFleet, indices: NDArray[np.intp]) -> None:
    if not indices.size:
        return
    past = fleet.past[indices]
    bets = alternatives.make(fleet.rule, fleet.cuts, beyond.oriented(past, fleet.rule.worse))
    fleet.lean[indices], fleet.log[indices] = bets.lean, bets.log
    fleet.built_from_units[indices] = fleet.units[indices]


def _choose_edges(fleet: ShapeFleet, index: int) -> None:
    fleet.chosen[index] = True
    past = fleet.past[index]
    total = past.sum() + 1.0
    for i, pair in enumerate(choose(past, fleet.cuts, fleet.rule.step)):
        fleet.pairs[:, index, i] = pair.edge, pair.partner
        shares = ((past[j + 1 :].sum() + 0.5) / total for j in (pair.edge, pair.partner))
        fleet.safe[:, index, i] = np.log(excess_bound.prior(*shares))


def _bet(fleet: ShapeFleet, canary: Array, stable: Array, share: Array, rows: Rows) -> None:
    """Add the bucket test's gains, as `bucket_test.gain`; none where `share` is 0."""
    both = stable @ bucket_test.shift_matrix(fleet.cuts, fleet.rule.step)
    both += canary
    scratch = np.empty((min(_BLOCK, len(canary)), *fleet.lean.shape[1:]))
    for batch, members in _iterate_blocks(len(canary), rows):
        blend = scratch[: len(share[batch])]
        np.multiply(fleet.lean[members], share[batch, None, None], out=blend)
        blend += 1.0
        np.log(blend, out=blend)
        gain = np.einsum("njk,nk->nj", fleet.log[members], canary[batch])
        gain -= np.einsum("njk,nk->nj", blend, both[batch])
        fleet.harm[members] += gain * (share[batch, None] > 0)


def _iterate_blocks(size: int, rows: Rows) -> Iterator[tuple[slice, Rows]]:
    """Split a batch into blocks: slice of the batch, indices into the fleet."""
    begin = (rows.start or 0) if isinstance(rows, slice) else 0
    for i in range(0, size, _BLOCK):
        batch = slice(i, min(i + _BLOCK, size))
        members = slice(begin + batch.start, begin + batch.stop)
        yield batch, members if isinstance(rows, slice) else rows[batch]


def _bet_on_edges(
    fleet: ShapeFleet, upto_c: Array, upto_s: Array, both: NDArray[np.bool_], rows: Rows
) -> None:
    """Add the excess bound's gains: the canary beyond an edge, stable beyond its partner.

    It is `gains.safe_gain` with one logarithm per level for all edges of a histogram. Where no edge
    is chosen, the index -1 selects the units beyond the worst bucket, of which there are none.
    """
    x_c, x_s = (
        (upto[:, -1:] - np.take_along_axis(upto, edge, axis=-1)) * both[:, None]
        for upto, edge in zip((upto_c, upto_s), fleet.pairs[:, rows], strict=True)
    )
    lift = np.log(1 + LEVELS[:, None] * (upto_c[:, -1] / np.maximum(upto_s[:, -1], 1.0)))
    gain = lift[..., None] * x_s
    gain += np.log1p(-LEVELS)[:, None, None] * x_c
    fleet.safe[:, rows] += gain
