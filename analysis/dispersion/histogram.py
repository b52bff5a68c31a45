"""The dispersion of a histogram: of the shares beyond edges of stable's past, in probits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.counting.beyond import Worse, oriented
from analysis.counting.counts import EvidenceError
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import ExposureHistory, checked, estimate
from analysis.dispersion.totals import estimate_each
from analysis.log_arrays import Array

QUANTILES = (0.5, 0.9, 0.95, 0.99)
"""Badness quantiles of stable's past at which a histogram's dispersion is measured."""


def estimate_shape(buckets: ArrayLike, worse: Worse, pods_canary: int) -> Dispersion:
    """Estimate a histogram's dispersion among stable's pods: the largest at any guarded quantile.

    Counts are per bucket, not cumulative, of shape (ticks, pods, K), K >= 2. A unit beyond the edge
    nearest to a quantile counts as bad. With p the share beyond and f the normal density there,
    variances of p's relative rate times (p / f)^2 are variances of the probit, in which an
    independent unit has at most the information 1.

    Derived here: the delta method, d probit = dp / f, applied to `estimate.estimate` at each edge.

    Raises:
        EvidenceError, ValueError: as `estimate`, or there are fewer than two buckets.
    """
    e, at_edges = _count_at_edges(buckets, worse)
    return _take_largest([
        _convert_to_probits(estimate(ExposureHistory(e, x), pods_canary), share)
        for x, share in at_edges
    ])  # fmt: skip


def estimate_shape_totals(buckets: ArrayLike, worse: Worse) -> Dispersion:
    """Estimate a histogram's dispersion from stable's totals per look, (looks, K), oldest first.

    It is to `totals.estimate_totals` as `estimate_shape` is to `estimate.estimate`. A look is in
    trouble where it is so at any guarded quantile. Nothing is allowed for differences that last:
    what a rate has for them would be half of a usual tolerance, and most proofs would never end.

    Derived here: as `estimate_shape`.

    Raises:
        EvidenceError: as `estimate_totals`, or there are fewer than two buckets.
    """
    e, at_edges = _count_at_edges(np.asarray(buckets)[:, None], worse)
    learnt = estimate_each(e[:, 0], [x[:, 0] for x, _ in at_edges])
    largest = _take_largest([
        _convert_to_probits(own, share) for own, (_, share) in zip(learnt, at_edges, strict=True)
    ])  # fmt: skip
    return replace(largest, lasting=0.0)


def _count_at_edges(buckets: ArrayLike, worse: Worse) -> tuple[Array, list[tuple[Array, float]]]:
    """Count units, (ticks, pods), and at each guarded edge those beyond it and their share."""
    counts = np.asarray(buckets, dtype=np.float64)
    if counts.ndim != 3 or counts.shape[2] < 2:
        raise EvidenceError("a histogram's history needs the shape (ticks, pods, buckets)")
    checked(counts, counts)
    units = oriented(counts, worse)
    total = units.sum(axis=(0, 1))
    beyond = 1 - total.cumsum()[:-1] / max(total.sum(), 1.0)
    edges = {int(np.abs(beyond - (1 - quantile)).argmin()) for quantile in QUANTILES}
    at_edges = [(units[..., k + 1 :].sum(axis=2), float(beyond[k])) for k in sorted(edges)]
    return units.sum(axis=2), at_edges


def _convert_to_probits(at_edge: Dispersion, beyond: float) -> Dispersion:
    from scipy.special import ndtri  # importing it takes 0.7 s, so only on use

    p = min(max(float(beyond), 1e-6), 1 - 1e-6)
    density = np.exp(-0.5 * float(ndtri(p)) ** 2) / np.sqrt(2 * np.pi)
    scale = float((p / density) ** 2)
    return Dispersion(
        **{
            **vars(at_edge),
            "brief": at_edge.brief * scale,
            "passing": at_edge.passing * scale,
            "lasting": at_edge.lasting * scale,
        }
    )


def _take_largest(at_edges: list[Dispersion]) -> Dispersion:
    names = ("cluster", "brief", "passing", "lasting", "inflation", "trouble")
    worst = {name: max(getattr(d, name) for d in at_edges) for name in names}
    problem = next((d.problem for d in at_edges if d.problem), "")
    # A tolerance has no absolute margin to be sized.
    sized = {"rate": None, "unexcluded": None}
    return Dispersion(**{**vars(at_edges[0]), **worst, **sized, "problem": problem})
