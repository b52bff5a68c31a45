"""A world for the production tick: seeded traffic, a mesh, a clock, and faults on demand."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from analysis.counters import Arm, Series
from rollout.decide.split import Split
from rollout.errors import RouteError
from rollout.plan.model import Guardrail, Plan
from rollout.ports import Answer, Ask, Seen

Counts = NDArray[np.int64]
LATENCY_EDGES = tuple(float(f"{10 * 1.25 ** (k / 2):.3g}") for k in range(42))
SCORE_EDGES = tuple(round(0.02 * k, 2) for k in range(1, 51))


@dataclass(frozen=True)
class Behaviour:
    """How one version behaves: shares 0 to 1, milliseconds, scores 0 to 1."""

    errors: float = 0.005
    median_ms: float = 50.0
    sigma: float = 0.4
    tail_share: float = 0.0
    tail_factor: float = 3.0
    score: float = 0.6
    score_sd: float = 0.1

    def latency(self, edges: Sequence[float]) -> NDArray[np.float64]:
        """Probabilities of the buckets between finite edges, and beyond the last."""

        def at_most(edge: float, factor: float) -> float:
            return NormalDist(math.log(self.median_ms * factor), self.sigma).cdf(math.log(edge))

        body = np.array([at_most(edge, 1.0) for edge in edges])
        tail = np.array([at_most(edge, self.tail_factor) for edge in edges])
        return _buckets((1 - self.tail_share) * body + self.tail_share * tail)

    def scores(self, edges: Sequence[float]) -> NDArray[np.float64]:
        """Probabilities of the score buckets; the open one above 1 is empty."""
        normal = NormalDist(self.score, self.score_sd)
        return _buckets(np.array([*(normal.cdf(edge) for edge in edges[:-1]), 1.0]))


def _buckets(at_most: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(np.diff(np.concatenate([[0.0], at_most, [1.0]])), 0.0, 1.0)


@dataclass
class VirtualClock:
    """Time that passes only when somebody sleeps."""

    time: float = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class MemoryRouter:
    """A mesh of one route per plan; `down` and `stuck` are its faults."""

    shown: dict[str, Seen] = field(default_factory=dict)
    writes: list[tuple[str, Split, str]] = field(default_factory=list)
    down: str = ""
    stuck: bool = False

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        if self.down:
            raise RouteError(self.down)
        self.writes.append((plan.id, split, mark))
        if not self.stuck:
            self.shown[plan.id] = Seen(split, mark)

    def read(self, plan: Plan, total: int) -> Seen:
        if self.down:
            raise RouteError(self.down)
        return self.shown.get(plan.id, Seen(Split(0, total), ""))

    def share(self, plan: Plan) -> float:
        """The canary's live share of traffic: it flows on while nobody can ask or write."""
        return self.shown[plan.id].split.share if plan.id in self.shown else 0.0

    def diagnose(self, plan: Plan) -> str:
        del plan
        return "it refuses the update" if self.stuck else ""


@dataclass
class World:
    """Seeded traffic through a router, seen as Prometheus would show it.

    Every scrape adds to cumulative counters; labels for scores arrive `lag` seconds late and for a
    share `labelled` of the requests. The faults: `dark` (Prometheus does not answer), `hidden`
    guardrails (no series), `nan` guardrails, `missed` (probability of a missed scrape).
    """

    router: MemoryRouter
    behaviours: Mapping[str, Behaviour]
    seed: int = 1
    rate: float = 100.0
    labelled: float = 0.6
    lag: float = 6.0
    dark: bool = False
    hidden: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    missed: float = 0.0
    time: float | None = None
    totals: dict[tuple[str, str], Counts] = field(default_factory=dict)
    samples: dict[tuple[str, str], deque[tuple[float, tuple[float, ...]]]] = field(
        default_factory=dict
    )
    _labels: deque[tuple[float, str, Counts]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._dice = np.random.default_rng(self.seed)

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """The Observer port."""
        for ask in asks:
            self.advance(ask.plan, now)
        return {ask.rollout: self._answer(ask) for ask in asks}

    def advance(self, plan: Plan, now: float) -> None:
        """Let traffic flow and scrapes happen until `now`."""
        scrape = plan.spec.prometheus.scrape
        if self.time is None:
            self.time = now - scrape
        while self.time + scrape <= now + 1e-6:
            self.time += scrape
            self._traffic(plan, scrape)
            if self._dice.random() >= self.missed:
                self._scrape(self.time)

    def _traffic(self, plan: Plan, seconds: float) -> None:
        share = self.router.share(plan)
        requests = self._dice.poisson(self.rate * seconds)
        canary = self._dice.binomial(requests, share)
        arms = {plan.spec.canary.version: canary, plan.spec.stable.version: requests - canary}
        for version, count in arms.items():
            self._serve(version, int(count))
        while self._labels and self._labels[0][0] <= (self.time or 0.0):
            _, version, scores = self._labels.popleft()
            self._add(version, "score", scores)

    def _serve(self, version: str, count: int) -> None:
        behaviour, dice = self.behaviours[version], self._dice
        failed = int(dice.binomial(count, behaviour.errors))
        served = count - failed
        labels = int(dice.binomial(served, self.labelled))
        self._add(version, "good", np.array([served]))
        if failed:
            self._add(version, "bad", np.array([failed]))
        latency = dice.multinomial(served, behaviour.latency(LATENCY_EDGES))
        self._add(version, "latency", latency)
        scores = dice.multinomial(labels, behaviour.scores(SCORE_EDGES))
        self._labels.append(((self.time or 0.0) + self.lag, version, scores))

    def _add(self, version: str, part: str, counts: Counts) -> None:
        if part in {"good", "bad"} or counts.sum():
            before = self.totals.get((version, part))
            self.totals[version, part] = counts if before is None else before + counts

    def _scrape(self, at: float) -> None:
        for key, counts in self.totals.items():
            shown = counts if key[1] in {"good", "bad"} else np.cumsum(counts)
            series = self.samples.setdefault(key, deque(maxlen=400))
            series.append((at, tuple(map(float, shown))))

    def _answer(self, ask: Ask) -> Answer:
        guardrails = ask.plan.spec.guardrails
        if self.dark:
            return Answer(problems={g.name: "Prometheus does not answer" for g in guardrails})
        problems = {g.name: "a sample is not a number" for g in guardrails if g.name in self.broken}
        shown = {
            g.name: self._series(ask, g)
            for g in guardrails
            if g.name not in self.hidden and g.name not in problems
        }
        return Answer(series={n: s for n, s in shown.items() if s}, problems=problems)

    def _series(self, ask: Ask, guardrail: Guardrail) -> tuple[Series, ...]:
        since = ask.since.get(guardrail.name, -math.inf)
        spec = ask.plan.spec
        arms: tuple[tuple[Arm, str], ...] = (
            ("canary", spec.canary.version),
            ("stable", spec.stable.version),
        )
        found = [
            self._one(arm, version, part, edges, since)
            for arm, version in arms
            for part, edges in _parts(guardrail)
        ]
        return tuple(series for series in found if series is not None)

    def _one(
        self, arm: Arm, version: str, part: str, edges: tuple[float, ...], since: float
    ) -> Series | None:
        samples = tuple(s for s in self.samples.get((version, part), ()) if s[0] > since)
        if not samples:
            return None
        return Series(part, arm, samples[-1:], bad=part == "bad", edges=edges)


def _parts(guardrail: Guardrail) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """The world's counters behind a guardrail: (part, edges)."""
    if guardrail.source.kind == "rate":
        return (("good", ()), ("bad", ()))
    edges = LATENCY_EDGES if guardrail.source.worse == "high" else SCORE_EDGES
    part = "latency" if guardrail.source.worse == "high" else "score"
    return ((part, (*edges, math.inf)),)
