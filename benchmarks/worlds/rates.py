"""Synthetic counts: seeded streams per look, arm and pod, for one metric.

A world is a generative model of exposures and bad units. Its draws depend only on the given random
generator. With `theta` 1 and `excess` 0 the canary is as good as stable in every scenario: the arms
then differ only by chance, pods and time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from benchmarks.worlds.draws import (
    OFTEN,
    Array,
    DrawnCounts,
    autoregressive,
    clustered,
    delayed,
    drawn,
    retried,
    spells,
)

Scenario = Literal[
    "iid", "incidents", "ramp", "retries", "pod-gamma", "pod-ar1", "pod-bursts",
    "pods-.1", "pods-.3", "skew",
]  # fmt: skip
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)

Hard = Literal[
    "clusters-3", "clusters-10", "gamma-.3", "gamma-1", "ar1-.4", "ar1-.8", "swing", "drift",
    "scaled", "rougher", "calmer", "pauses",
]  # fmt: skip
HARD: tuple[Hard, ...] = get_args(Hard)
"""Further scenarios, which the default test of a plan without pods is held to as well."""

RAMP = (0.01, 0.05, 0.1, 0.25, 0.5)
"""The weight of scenario "ramp", in equal parts of the looks."""

INCIDENT, SPELL, WORSE = 240.0, 90.0, 10.0  # seconds, seconds, factor
GAMMA, SD, MEMORY, PERSISTENT = 0.25, 0.3, 0.9, {"pods-.1": 0.1, "pods-.3": 0.3}


_LARGEST = {"clusters-3": 3, "clusters-10": 10}
_GAMMA = {"pod-gamma": GAMMA, "gamma-.3": 0.3**2, "gamma-1": 1.0, "scaled": 0.3**2}
_AR1 = {"ar1-.4": (0.4, 300.0), "ar1-.8": (0.8, 600.0)}  # standard deviation, memory in seconds
_DAY, _SWING, _DRIFT, _DRIFT_SD = 86400.0, 0.7, 7200.0, 0.6
_SCALED, _SCALING = 4, 43200.0  # pods more or less than usual, seconds from peak to peak
_PERIOD, _ACTIVE = 7200.0, 2400.0  # seconds of a period of "pauses", and of its requests
_PAST: dict[str, Scenario | Hard] = {"rougher": "gamma-1", "calmer": "iid"}
_PRESENT: dict[str, Scenario | Hard] = {"rougher": "iid", "calmer": "ar1-.4"}


class Streams(NamedTuple):
    """Exposures e and bad units x of canary (c) and stable (s), each (rollouts, looks, pods)."""

    e_c: DrawnCounts
    x_c: DrawnCounts
    e_s: DrawnCounts
    x_s: DrawnCounts

    def arms(self) -> Streams:
        """Sum over each arm's pods: (rollouts, looks)."""
        return Streams(*(counts.sum(axis=-1) for counts in self))


class History(NamedTuple):
    """Stable alone, before the rollout: exposures and bad units, each (rollouts, ticks, pods)."""

    e: DrawnCounts
    x: DrawnCounts


@dataclass(frozen=True)
class CountsModel:
    """One metric of one service in a scenario; an expected bad share p per pod and look.

    p = base * (what happens to all) * (what happens to the pod), for the canary times `theta` plus
    `excess` from look `onset` on; at most 1. Traffic is Poisson: `rate` requests a second over both
    arms, the canary's `weight` of them to the canary, evenly over an arm's pods. Bad units are
    binomial. Then, by scenario:

    iid: nothing else.
    incidents: p is 10 times as high for all pods during incidents of 240 s, 5 % of the time (they
        may overlap), .5 at most.
    ramp: the weight goes 1, 5, 10, 25, 50 % in equal parts of the looks, with incidents.
    retries: a failed request is tried again on its pod until it gives up; tries fail together. The
        length of such a series is geometric with mean 5, retries are exposures too, and p is the
        share of failed tries, so that phi = E[K^2]/E[K] = 9 for rare errors.
    pod-gamma: p is multiplied by a gamma variable per pod and look, mean 1, variance .25.
    pod-ar1: by exp(u - sd^2/2), u an AR(1) per pod, .9 from look to look, stationary sd .3.
    pod-bursts: a pod is 10 times as bad for spells of 90 s, 5 % of the time, mean over time 1.
    pods-.1, pods-.3: by exp(u - sd^2/2) per pod for the whole rollout, sd .1 or .3; the history is
        of other pods (every release starts new pods).
    clusters-3, clusters-10: bad units come in clusters of 1 to 3, or 10, of one pod and look.
    gamma-.3, gamma-1: as pod-gamma, with the coefficient of variation .3 or 1.
    ar1-.4, ar1-.8: as pod-ar1, sd .4 with a memory of 5 minutes, or .8 with 10.
    swing: the base rate swings over a day by a factor of e^.7 either way.
    drift: the base rate of both arms wanders: the logarithm is an AR(1), sd .6, memory 2 hours.
    scaled: as gamma-.3, and stable's pods come and go: four more or less within 12 hours.
    rougher: the past is of gamma-1, the present iid.
    calmer: the past is iid, the present of ar1-.4.
    pauses: as incidents, and in the past requests come in 40 minutes of every two hours.
    skew: each pod is scraped once a look at its own moment, so that a share of each look's counts,
        fixed for the pod, uniform in 0 to 1, is seen one look later; with incidents, because
        without a changing rate a delay has no effect.

    Args:
        scenario: one of SCENARIOS.
        rate: requests per second of both arms.
        base: the bad share of a normal pod at a normal time.
        tick: seconds from look to look.
        looks: looks of a rollout.
        pods_canary: the canary's pods.
        pods_stable: stable's pods.
        weight: the canary's share of traffic, one for all looks or one for each; "ramp" has its
            own unless one for each is given.
        theta: factor on the canary's share of bad units.
        excess: added to it.
        onset: the first look (from 0) with this effect.
    """

    scenario: Scenario | Hard = "iid"
    rate: float = 20.0
    base: float = 0.01
    tick: float = 30.0
    looks: int = 240
    pods_canary: int = 2
    pods_stable: int = 8
    weight: float | tuple[float, ...] = 0.5
    theta: float = 1.0
    excess: float = 0.0
    onset: int = 0

    def weights(self) -> Array:
        """Return the canary's share of traffic at each look: (looks,)."""
        if self.scenario == "ramp" and isinstance(self.weight, float):
            return np.asarray(RAMP)[np.arange(self.looks) * len(RAMP) // self.looks]
        return np.broadcast_to(np.asarray(self.weight), self.looks)

    def streams(self, rng: np.random.Generator, rollouts: int) -> Streams:
        """Draw independent rollouts of this world."""
        if self.scenario in _PRESENT:
            return replace(self, scenario=_PRESENT[self.scenario]).streams(rng, rollouts)
        shape, weights = (rollouts, self.looks), self.weights()[:, None]
        shared = self._draw_shared(rng, shape)
        late = np.arange(self.looks)[:, None] >= self.onset
        theta, excess = np.where(late, self.theta, 1.0), np.where(late, self.excess, 0.0)
        p_c = shared * self._draw_pod_factors(rng, (*shape, self.pods_canary)) * theta + excess
        p_s = shared * self._draw_pod_factors(rng, (*shape, self.pods_stable))
        e_c, x_c = self._draw_counts(rng, weights / self.pods_canary, p_c)
        e_s, x_s = self._draw_counts(rng, (1 - weights) / self.pods_stable, p_s)
        return Streams(e_c, x_c, e_s, x_s)

    def history(self, rng: np.random.Generator, rollouts: int, ticks: int = 1440) -> History:
        """Draw stable with all traffic before each rollout; 1440 ticks of 30 s are 12 h."""
        if self.scenario in _PAST:
            return replace(self, scenario=_PAST[self.scenario]).history(rng, rollouts, ticks)
        shape, traffic = (rollouts, ticks), self._share_traffic(ticks)
        shared = self._draw_shared(rng, shape, before=ticks)
        p = shared * self._draw_pod_factors(rng, (*shape, traffic.shape[1]))
        return History(*self._draw_counts(rng, traffic, p))

    def _share_traffic(self, ticks: int) -> Array:
        """Return the share of stable's traffic of each of its pods in the past: (ticks, pods)."""
        at = np.arange(ticks)[:, None] * self.tick
        if self.scenario == "pauses":
            is_asked = at % _PERIOD >= _PERIOD - _ACTIVE
            return np.where(is_asked, np.full(self.pods_stable, 1 / self.pods_stable), 0.0)
        if self.scenario != "scaled":
            return np.full((ticks, self.pods_stable), 1 / self.pods_stable)
        alive = np.rint(self.pods_stable + _SCALED * np.sin(2 * np.pi * at / _SCALING))
        is_alive = np.arange(self.pods_stable + _SCALED) < alive
        return np.where(is_alive, 1 / alive, 0.0)

    def _draw_shared(
        self, rng: np.random.Generator, shape: tuple[int, int], before: int = 0
    ) -> Array:
        """Draw the bad share that all pods have in common: (rollouts, looks, 1).

        The first look is `before` looks before the rollout.
        """
        if self.scenario == "swing":
            at = (np.arange(shape[1]) - before) * self.tick
            swing = np.exp(_SWING * np.sin(2 * np.pi * at / _DAY))
            return np.broadcast_to(self.base * swing[:, None], (*shape, 1))
        if self.scenario == "drift":
            memory = float(np.exp(-self.tick / _DRIFT))
            drift = autoregressive(rng, (*shape, 1), _DRIFT_SD, memory)
            return np.asarray(self.base * np.exp(drift - _DRIFT_SD**2 / 2))
        if self.scenario not in ("incidents", "ramp", "skew", "pauses"):
            return np.full((*shape, 1), self.base)
        incident = spells(rng, (*shape, 1), INCIDENT / self.tick)
        worse = max(self.base, min(WORSE * self.base, 0.5))
        return np.where(incident, worse, self.base)

    def _draw_pod_factors(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
        """Draw each pod's own factor, mean 1: (rollouts, looks, pods)."""
        if self.scenario in _GAMMA:
            variance = _GAMMA[self.scenario]
            return rng.gamma(1 / variance, variance, shape)
        if self.scenario in _AR1:
            sd, memory = _AR1[self.scenario]
            series = autoregressive(rng, shape, sd, float(np.exp(-self.tick / memory)))
            return np.asarray(np.exp(series - sd**2 / 2))
        if self.scenario == "pod-ar1":
            return np.asarray(np.exp(autoregressive(rng, shape, SD, MEMORY) - SD**2 / 2))
        if self.scenario == "pod-bursts":
            bad = spells(rng, shape, SPELL / self.tick)
            return np.where(bad, WORSE, 1.0) / (1 + OFTEN * (WORSE - 1))
        if self.scenario in PERSISTENT:
            sd = PERSISTENT[self.scenario]
            once = np.exp(rng.normal(-(sd**2) / 2, sd, (shape[0], 1, shape[2])))
            return np.broadcast_to(once, shape)
        return np.ones((1, 1, shape[2]))

    def _draw_counts(
        self, rng: np.random.Generator, traffic: Array, p: Array
    ) -> tuple[DrawnCounts, DrawnCounts]:
        """Draw exposures and bad units at shares p.

        `traffic` is each pod's share of all traffic, shape (looks, 1).
        """
        expected, p = self.rate * self.tick * traffic, np.minimum(p, 1.0)
        if self.scenario in _LARGEST:
            return clustered(rng, expected, p, _LARGEST[self.scenario])
        e, x = retried(rng, expected, p) if self.scenario == "retries" else drawn(rng, expected, p)
        if self.scenario != "skew":
            return e, x
        lag = rng.uniform(0, 1, (e.shape[0], 1, e.shape[2]))
        bad = delayed(rng, x, lag)
        return bad + delayed(rng, e - x, lag), bad
