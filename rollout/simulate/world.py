"""Seeded traffic through a router, seen as Prometheus would show it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from analysis.counting.cursor import Arm, Sample, Series
from rollout.plan.model.plan import Guardrail, Plan
from rollout.ports import Answer, Ask
from rollout.simulate.behaviour import Behaviour
from rollout.simulate.ports import MemoryRouter

Counts = NDArray[np.int64]
COUNTERS = frozenset({"good", "bad", "pass", "fail"})


@dataclass(frozen=True)
class Unlabelled:
    """Requests of one version, begun evenly between two times, whose labels are on their way."""

    version: str
    since: float
    until: float
    count: int


@dataclass
class SimulatedService:
    """Traffic, counters and labels of one service; behaviours by version.

    Every scrape adds to cumulative counters; labels (scores, verdicts) come `lag` seconds after
    their requests and for a share `labelled` of them; both versions had traffic for `past` seconds
    before the first look. `coarse` draws all traffic since the last look at once: the same law in
    fewer draws, as long as the weight does not change between looks. The faults: `dark`
    (Prometheus does not answer), `hidden` guardrails (no series), `broken` guardrails (not a
    number), `missed` (probability of a missed scrape). `copies_count`: copies enter the canary's
    series, as in Istio; a local Envoy keeps them out.
    """

    router: MemoryRouter
    behaviours: Mapping[str, Behaviour]
    seed: int | Sequence[int] = 1
    rate: float = 100.0
    labelled: float = 0.6
    lag: float = 6.0
    past: float = 0.0
    coarse: bool = False
    dark: bool = False
    hidden: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    missed: float = 0.0
    copies_count: bool = False
    time: float | None = None
    served: dict[str, int] = field(default_factory=dict)
    totals: dict[tuple[str, str], Counts] = field(default_factory=dict)
    samples: dict[tuple[str, str], Sample] = field(default_factory=dict)
    _labels: list[Unlabelled] = field(default_factory=list)

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
            self.time = now - scrape - self.past
        scrapes = int((now - self.time + 1e-6) // scrape)
        each = max(scrapes, 1) if self.coarse else 1
        for _ in range(scrapes // each):
            self._traffic(plan, self.time, each * scrape)
            self.time += each * scrape
            self._label(self.time - self.lag)
            if self._dice.random() >= self.missed:
                self._scrape(self.time)

    def _traffic(self, plan: Plan, since: float, seconds: float) -> None:
        share = self.router.share(plan)
        requests = int(self._dice.poisson(self.rate * seconds))
        canary = int(self._dice.binomial(requests, share))
        arms = {plan.spec.canary.version: canary, plan.spec.stable.version: requests - canary}
        for version, count in arms.items():
            self.served[version] = self.served.get(version, 0) + count
            self._answer_all(version, count, since, seconds)
        if self.copies_count and (copies := self.router.copies(plan)):
            copied = int(self._dice.binomial(requests, copies))
            self._answer_all(plan.spec.canary.version, copied, since, seconds)

    def _answer_all(self, version: str, count: int, since: float, seconds: float) -> None:
        """Answer requests or copies, and let a judge begin with those that did not fail."""
        served = self._serve(version, count)
        labels = int(self._dice.binomial(served, self.labelled))
        if labels:
            self._labels.append(Unlabelled(version, since, since + seconds, labels))

    def _serve(self, version: str, count: int) -> int:
        """Answer requests; returns how many did not fail."""
        behaviour, dice = self.behaviours[version], self._dice
        failed = int(dice.binomial(count, behaviour.errors))
        self._add(version, "good", np.array([count - failed]))
        if failed:
            self._add(version, "bad", np.array([failed]))
        self._add(version, "latency", dice.multinomial(count - failed, behaviour.latency))
        return count - failed

    def _label(self, until: float) -> None:
        """Labels come in for the requests begun before `until`."""
        waiting: list[Unlabelled] = []
        for batch in self._labels:
            part = (until - batch.since) / (batch.until - batch.since)
            due = batch.count if part >= 1 - 1e-9 else 0
            if 0 < part < 1 - 1e-9:
                due = int(self._dice.binomial(batch.count, part))
            if due:
                self._judge(batch.version, due)
            if part <= 0:
                waiting.append(batch)
            elif due < batch.count:
                waiting.append(replace(batch, since=until, count=batch.count - due))
        self._labels = waiting

    def _judge(self, version: str, labels: int) -> None:
        behaviour, dice = self.behaviours[version], self._dice
        failed = int(dice.binomial(labels, behaviour.fails))
        self._add(version, "pass", np.array([labels - failed]))
        self._add(version, "fail", np.array([failed]))
        self._add(version, "score", dice.multinomial(labels, behaviour.scores))

    def _add(self, version: str, part: str, counts: Counts) -> None:
        if part in COUNTERS or counts.sum():
            before = self.totals.get((version, part))
            self.totals[version, part] = counts if before is None else before + counts

    def _scrape(self, at: float) -> None:
        for key, counts in self.totals.items():
            shown = counts if key[1] in COUNTERS else np.cumsum(counts)
            self.samples[key] = (at, tuple(map(float, shown)))

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
            self._one(arm, version, part, since)
            for arm, version in arms
            for part in parts(guardrail)
        ]
        return tuple(series for series in found if series is not None)

    def _one(self, arm: Arm, version: str, part: str, since: float) -> Series | None:
        sample = self.samples.get((version, part))
        if sample is None or sample[0] <= since:
            return None
        behaviour = self.behaviours[version]
        edges = {"latency": behaviour.latency_edges, "score": behaviour.score_edges}.get(part, ())
        open_ = (*edges, math.inf) if edges else ()
        return Series(part, arm, (sample,), bad=part in {"bad", "fail"}, edges=open_)


def parts(guardrail: Guardrail) -> tuple[str, ...]:
    """The world's counters behind a guardrail, by its template's kind and direction."""
    source = guardrail.source
    if source.kind == "rate":
        return ("good", "bad") if source.proxy else ("pass", "fail")
    return ("latency",) if source.worse == "high" else ("score",)
