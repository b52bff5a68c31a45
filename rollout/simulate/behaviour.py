"""Defines how a version behaves: its rates and its latency and score distributions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Shares = NDArray[np.float64]
LATENCY_EDGES = tuple(float(f"{10 * 1.25 ** (k / 2):.3g}") for k in range(42))
SCORE_EDGES = tuple(round(0.02 * k, 2) for k in range(1, 51))


@dataclass(frozen=True)
class Behaviour:
    """The behaviour of one version: shares 0 to 1, milliseconds, scores 0 to 1.

    `errors` is the share of failed requests, `fails` that of summaries that a judge fails. They
    `wins` is the share of decided pairs that this version wins as the canary. Bad units
    come in bursts of geometric size K; `error_burst` and `fail_burst` are E[K^2] / E[K]. Latency is
    log-normal and scores are normal, unless bucket shares are given (one more than finite edges;
    the last is the open bucket's).
    """

    errors: float = 0.005
    median_ms: float = 50.0
    sigma: float = 0.4
    tail_share: float = 0.0
    tail_factor: float = 3.0
    score: float = 0.6
    score_sd: float = 0.1
    fails: float = 0.02
    error_burst: float = 1.0
    fail_burst: float = 1.0
    wins: float = 0.5
    latency_edges: tuple[float, ...] = LATENCY_EDGES
    score_edges: tuple[float, ...] = SCORE_EDGES
    latency_shares: tuple[float, ...] = ()
    score_shares: tuple[float, ...] = ()

    @cached_property
    def latency(self) -> Shares:
        """Return the probabilities of the latency buckets, the open one last."""
        if self.latency_shares:
            return np.array(self.latency_shares)

        def at_most(edge: float, factor: float) -> float:
            if edge <= 0:
                return 0.0
            return NormalDist(math.log(self.median_ms * factor), self.sigma).cdf(math.log(edge))

        body = np.array([at_most(edge, 1.0) for edge in self.latency_edges])
        tail = np.array([at_most(edge, self.tail_factor) for edge in self.latency_edges])
        return _compute_shares((1 - self.tail_share) * body + self.tail_share * tail)

    @cached_property
    def scores(self) -> Shares:
        """Return the probabilities of the score buckets; the open one is empty.

        No score is above the last edge: what the normal law puts there counts in the last bucket.
        """
        if self.score_shares:
            return np.array(self.score_shares)
        normal = NormalDist(self.score, self.score_sd)
        return _compute_shares(
            np.array([*(normal.cdf(edge) for edge in self.score_edges[:-1]), 1.0])
        )


def _compute_shares(at_most: Shares) -> Shares:
    return np.clip(np.diff(np.concatenate([[0.0], at_most, [1.0]])), 0.0, 1.0)
