"""Which end of a histogram is the bad one, and how many units lie beyond an edge or the scale.

Counts at an edge are cumulative, so what lies beyond an edge is exact wherever a bucket ends there,
and unknown elsewhere: nothing is interpolated.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.per_pod import PodCounts
from analysis.log_arrays import Array

Worse = Literal["high", "low"]

SAME = 1e-6
"""Relative difference up to which two edges are one: spelt or rounded in two ways, 0.3 is 0.3."""

Spell = Callable[[float], str]
"""Formats an edge with its unit."""

NUMBERS = sys.float_info.max
"""The end of all numbers: beyond it are NaN and infinity."""

SCALES = frozenset({1.0, 5.0, 10.0, 100.0, NUMBERS})
"""Ends of scales: no score lies beyond a last edge that is one of these."""


def oriented(counts: ArrayLike, worse: Worse) -> Array:
    """Order bucket counts by badness, best bucket first: (..., K) -> (..., K)."""
    values = np.asarray(counts, dtype=np.float64)
    return values if worse == "high" else values[..., ::-1]


def is_same(edge: float, other: float) -> bool:
    """Return whether two edges are equal as numbers."""
    return math.isclose(edge, other, rel_tol=SAME)


def find_edge(edges: Sequence[float], edge: float, spell: Spell = str) -> int:
    """Return the index of an edge. Raises EvidenceError, naming the nearest, where it is none."""
    for index, other in enumerate(edges):
        if is_same(edge, other):
            return index
    raise EvidenceError(describe_missing(edges, edge, spell))


def describe_missing(edges: Sequence[float], edge: float, spell: Spell = str) -> str:
    """Say that no bucket ends at an edge, and where the nearest ones do."""
    lower = [other for other in edges if other < edge]
    higher = [other for other in edges if edge < other < math.inf]
    near = [spell(other) for other in (*lower[-1:], *higher[:1])]
    if not near:
        nearest = "there is none but +Inf"
    elif len(near) == 1:
        nearest = f"the nearest edge is {near[0]}"
    else:
        nearest = f"the nearest edges are {near[0]} and {near[1]}"
    return f"no bucket ends at {spell(edge)}: {nearest}"


def choose_kept(edges: Sequence[float], edge: float, worse: Worse) -> dict[float, int]:
    """Return the edges that matter, with their indices; the declared one as it is declared.

    Where low is bad the last finite edge stays: it tells values beyond the scale from good ones.
    Raises EvidenceError.
    """
    index = find_edge(edges, edge)
    kept_edges = {edge: index}
    if worse == "low" and index < len(edges) - 2:
        kept_edges[edges[-2]] = len(edges) - 2
    return {**kept_edges, math.inf: len(edges) - 1}


def count_beyond(counts: Counts, edge: float, worse: Worse, spell: Spell = str) -> Counts:
    """Return a histogram's counts as exposures and bad units. Raises EvidenceError."""
    if not counts.edges:
        return counts
    index = find_edge(counts.edges, edge, spell)
    canary, stable = (_split(units, index, worse) for units in (counts.canary, counts.stable))
    return Counts(canary, stable)


def _split(units: Sequence[int], index: int, worse: Worse) -> tuple[int, int]:
    at_most, total = sum(units[: index + 1]), sum(units)
    return total, at_most if worse == "low" else total - at_most


def past_beyond(past: PodCounts, edge: float, worse: Worse, spell: Spell = str) -> PodCounts:
    """Return a histogram's past as exposures and bad units. Raises EvidenceError."""
    if not past.edges:
        return past
    index = find_edge(past.edges, edge, spell)
    total, at_most = past.counts.sum(axis=-1), past.counts[..., : index + 1].sum(axis=-1)
    bad = at_most if worse == "low" else total - at_most
    return replace(past, counts=np.stack([total, bad], axis=-1), edges=())


def ends_scale(edges: Sequence[float], edge: float | None = None) -> bool:
    """Return whether a layout ends where a scale does: what lies beyond is no score.

    No scale ends at the `edge` above which units are good.
    """
    return edges[-2] in SCALES and edges[-2] != edge


def split_off_scale(counts: Counts, edge: float | None = None) -> tuple[Counts, tuple[int, int]]:
    """Return the counts without the units beyond the scale, and these: (canary, stable).

    Client libraries count NaN in the bucket up to infinity, where it looks like the best score. A
    layout whose last finite edge ends no scale may hold true scores there, so it is left as it is.
    """
    if len(counts.edges) < 2 or not ends_scale(counts.edges, edge):
        return counts, (0, 0)
    canary, stable = (*counts.canary[:-1], 0), (*counts.stable[:-1], 0)
    rest = replace(counts, canary=canary, stable=stable)
    return rest, (counts.canary[-1], counts.stable[-1])
