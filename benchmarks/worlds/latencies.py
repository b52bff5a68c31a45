"""Synthetic latencies: seeded streams of bucket counts per look and arm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from benchmarks.worlds.draws import Array, DrawnCounts, spells
from benchmarks.worlds.rates import INCIDENT

EDGES = (*(round(0.01 * 1.1**i, 6) for i in range(60)), math.inf)
"""Bucket edges in seconds, a tenth apart, to 2.8 s."""

MEDIAN, SD, KNEE = 0.1, 0.6, 0.9
SLOWER = 1.5


class Shapes(NamedTuple):
    """Units per bucket: arms (rollouts, looks, buckets), stable's past (rollouts, buckets)."""

    canary: DrawnCounts
    stable: DrawnCounts
    past: DrawnCounts


@dataclass(frozen=True)
class BucketsModel:
    """Lognormal latencies with median 100 ms and sd .6 (p99 is 404 ms), in buckets a tenth wide.

    Requests arrive as in `rates.CountsModel`; each is independent. In scenario "incidents"
    everything is 1.5 times as slow during spells of 240 s, 5 % of the time. The canary multiplies
    every latency by `factor`, and latencies beyond stable's .9 quantile by `tail`.

    Args:
        scenario: "iid" or "incidents".
        rate: requests per second of both arms.
        tick: seconds from look to look.
        looks: looks of a rollout.
        weight: the canary's share of traffic.
        factor: how much slower every request of the canary is.
        tail: how much slower its slowest tenth is, on top.
        past: looks of stable alone before the rollout.
    """

    scenario: Literal["iid", "incidents"] = "iid"
    rate: float = 20.0
    tick: float = 30.0
    looks: int = 240
    weight: float = 0.5
    factor: float = 1.0
    tail: float = 1.0
    past: int = 20

    def streams(self, rng: np.random.Generator, rollouts: int) -> Shapes:
        """Independent rollouts of this world."""
        slow = np.zeros((rollouts, self.looks, 1), dtype=bool)
        if self.scenario == "incidents":
            slow = spells(rng, slow.shape, INCIDENT / self.tick)
        worse = shares(self.factor * SLOWER, self.tail)
        q_c = np.where(slow, worse, shares(self.factor, self.tail))
        q_s = np.where(slow, shares(SLOWER, 1.0), shares(1.0, 1.0))
        expected = self.rate * self.tick
        canary = self._draw_buckets(rng, expected * self.weight, q_c)
        stable = self._draw_buckets(rng, expected * (1 - self.weight), q_s)
        usual = np.broadcast_to(shares(1.0, 1.0), (rollouts, len(EDGES)))
        return Shapes(canary, stable, self._draw_buckets(rng, expected * self.past, usual))

    def _draw_buckets(self, rng: np.random.Generator, expected: float, q: Array) -> DrawnCounts:
        """Draw Poisson units, spread over buckets with shares q."""
        return rng.multinomial(rng.poisson(expected, q.shape[:-1]), q)


def shares(factor: float, tail: float) -> Array:
    """Return bucket shares with latencies slowed by `factor`, the slowest tenth also by `tail`."""
    from scipy.special import ndtr, ndtri  # 0.7 s: only where it is used

    at = np.log(np.array(EDGES[:-1]) / (MEDIAN * factor)) / SD
    knee, stretch = ndtri(KNEE), math.log(tail) / SD
    below = np.where(at < knee, ndtr(at), np.maximum(KNEE, ndtr(at - stretch)))
    q = np.diff(below, prepend=0.0, append=1.0)
    return np.asarray(q / q.sum())
