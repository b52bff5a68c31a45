"""One histogram of many rollouts at once: `shape`'s formulas on rollouts x alternatives x buckets.

For rules without dispersion. `shape` defines what is right; a test holds this to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.counting import orientation
from analysis.fleet import ALL, Rows
from analysis.gains import EVEN, check, log_sum
from analysis.histograms import alternatives, bucket_test
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.edges import ENOUGH, QUANTILES, choose
from analysis.log_arrays import Array
from analysis.rates import excess_bound
from analysis.rates.excess_bound import LEVELS

_BLOCK = 128  # histograms whose alternatives and scratch stay in the processor's own cache
_PAIRS = len(QUANTILES)


@dataclass(frozen=True)
class ShapeFleet:
    """Capital of N rollouts' histograms under one rule and layout; arrays change in place.

    Buckets are in the order of badness. `lean` and `log` are H's alternatives (see
    `alternatives.Alternatives`), made from the first `made` units of the past; `pairs` are the
    boundaries (edge, partner) that D compares, -1 where there is none; `chosen`: they are final.
    """

    rule: HistogramTolerance
    cuts: tuple[float, ...]
    past: Array  # (N, K)
    units: Array  # (N,): of the past
    made: Array  # (N,)
    lean: Array  # (N, J, K)
    log: Array  # (N, J, K)
    harm: Array  # (N, J)
    chosen: NDArray[np.bool_]  # (N,)
    pairs: NDArray[np.intp]  # (2, N, 4)
    safe: Array  # (12, N, 4): prior included, as in `fleet.Fleet`


def start(rule: HistogramTolerance, edges: tuple[float, ...], rollouts: int) -> ShapeFleet:
    """Histograms before any look, all with these bucket edges. Raises ValueError as `boundaries`"""
    cuts = bucket_test.boundaries(edges, rule.worse, relative=rule.relative)
    size = len(alternatives.make(rule, cuts, np.ones(len(edges))).log)
    empty = (rollouts, size, len(edges))
    return ShapeFleet(
        rule,
        cuts,
        past=np.zeros((rollouts, len(edges))),
        units=np.zeros(rollouts),
        made=np.zeros(rollouts),
        lean=np.zeros(empty),
        log=np.zeros(empty),
        harm=np.zeros((rollouts, size)),
        chosen=np.zeros(rollouts, dtype=bool),
        pairs=np.full((2, rollouts, _PAIRS), -1),
        safe=np.tile(EVEN, (1, rollouts, _PAIRS)),
    )


def learn(fleet: ShapeFleet, stable: ArrayLike, rows: Rows = ALL) -> None:
    """Take in stable's buckets, (n, K) in the histogram's own order; `rows` are distinct.

    Raises EvidenceError: no counts, as for every look.
    """
    check(stable)
    counts = orientation.oriented(stable, fleet.rule.worse)
    fleet.past[rows] += counts
    fleet.units[rows] += counts.sum(axis=-1)
    places = np.arange(len(fleet.made))[rows]
    units = fleet.units[rows]
    _draw(fleet, places[alternatives.due(units, fleet.made[rows])])
    for place in places[(units >= ENOUGH) & ~fleet.chosen[rows]]:
        _choose(fleet, int(place))


def look(fleet: ShapeFleet, canary: ArrayLike, stable: ArrayLike, rows: Rows = ALL) -> None:
    """A counted look: H and D bet with what was known before it, then stable's past grows.

    Raises EvidenceError: no counts.
    """
    check(canary, stable)
    seen, past = (orientation.oriented(x, fleet.rule.worse) for x in (canary, stable))
    upto_c, upto_s = (x.cumsum(axis=-1) for x in (seen, past))
    both = (upto_c[:, -1] > 0) & (upto_s[:, -1] > 0)
    share = both * upto_c[:, -1] / np.maximum(upto_c[:, -1] + upto_s[:, -1], 1.0)
    _bet(fleet, seen, past, share, rows)
    _compare(fleet, upto_c, upto_s, both, rows)
    learn(fleet, stable, rows)


def log_harm(fleet: ShapeFleet, rows: Rows = ALL) -> Array:
    """Log of each e-process against "within the tolerance": (n,)."""
    logs = fleet.harm[rows].T.copy()
    mean: Array = log_sum(logs) - np.log(len(logs))
    return mean


def log_safe(fleet: ShapeFleet, rows: Rows = ALL) -> Array:
    """Log evidence of safety, every edge's: (n,); -inf while no edge is chosen."""
    proofs = log_sum(fleet.safe[:, rows].copy())
    chosen = fleet.pairs[0][rows] >= 0
    least = np.where(chosen, proofs, np.inf).min(axis=-1)
    return np.where(chosen.any(axis=-1), least, -np.inf)


def _draw(fleet: ShapeFleet, places: NDArray[np.intp]) -> None:
    if not places.size:
        return
    past = fleet.past[places]
    made = alternatives.make(fleet.rule, fleet.cuts, orientation.oriented(past, fleet.rule.worse))
    fleet.lean[places], fleet.log[places] = made.lean, made.log
    fleet.made[places] = fleet.units[places]


def _choose(fleet: ShapeFleet, place: int) -> None:
    fleet.chosen[place] = True
    past = fleet.past[place]
    total = past.sum() + 1.0
    for i, pair in enumerate(choose(past, fleet.cuts, fleet.rule.step)):
        fleet.pairs[:, place, i] = pair.edge, pair.partner
        shares = ((past[j + 1 :].sum() + 0.5) / total for j in (pair.edge, pair.partner))
        fleet.safe[:, place, i] = np.log(excess_bound.prior(*shares))


def _bet(fleet: ShapeFleet, canary: Array, stable: Array, share: Array, rows: Rows) -> None:
    """H's gains by `bucket_test.won`; none where the canary's share of the units is 0."""
    both = stable @ bucket_test.shift_matrix(fleet.cuts, fleet.rule.step)
    both += canary
    scratch = np.empty((min(_BLOCK, len(canary)), *fleet.lean.shape[1:]))
    for part, place in _blocks(len(canary), rows):
        blend = scratch[: len(share[part])]
        np.multiply(fleet.lean[place], share[part, None, None], out=blend)
        blend += 1.0
        np.log(blend, out=blend)
        gain = np.einsum("njk,nk->nj", fleet.log[place], canary[part])
        gain -= np.einsum("njk,nk->nj", blend, both[part])
        fleet.harm[place] += gain * (share[part, None] > 0)


def _blocks(size: int, rows: Rows) -> Iterator[tuple[slice, Rows]]:
    """Portions of a batch, and their places in the fleet."""
    begin = (rows.start or 0) if isinstance(rows, slice) else 0
    for i in range(0, size, _BLOCK):
        part = slice(i, min(i + _BLOCK, size))
        place = slice(begin + part.start, begin + part.stop)
        yield part, place if isinstance(rows, slice) else rows[part]


def _compare(
    fleet: ShapeFleet, upto_c: Array, upto_s: Array, both: NDArray[np.bool_], rows: Rows
) -> None:
    """D's gains, `gains.safe_gain`: the canary beyond an edge, stable beyond its partner.

    All edges of a histogram share one logarithm per level. Where none is chosen, -1 finds what lies
    beyond the worst bucket: nothing.
    """
    x_c, x_s = (
        (upto[:, -1:] - np.take_along_axis(upto, edge, axis=-1)) * both[:, None]
        for upto, edge in zip((upto_c, upto_s), fleet.pairs[:, rows], strict=True)
    )
    lift = np.log(1 + LEVELS[:, None] * (upto_c[:, -1] / np.maximum(upto_s[:, -1], 1.0)))
    gain = lift[..., None] * x_s
    gain += np.log1p(-LEVELS)[:, None, None] * x_c
    fleet.safe[:, rows] += gain
