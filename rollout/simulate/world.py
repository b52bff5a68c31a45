"""Simulates seeded traffic through a router and answers queries as Prometheus would."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from analysis.counting.cursor import Arm, Sample, Series
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.model.plan import Guardrail, Plan
from rollout.ports import Answer, Ask
from rollout.simulate.behaviour import Behaviour
from rollout.simulate.ports import MemoryRouter

Counts = NDArray[np.int64]
COUNTERS = frozenset({"good", "bad", "pass", "fail", "amount"})
Cell = tuple[str, ...]
"""The segments that a request is of, one of each label: `[department=cardiology]`."""
AMOUNT = 100  # what each answered request adds to a sum


@dataclass(frozen=True)
class Unlabelled:
    """Requests of one version, started evenly between two times, whose labels are due later."""

    version: str
    since: float
    until: float
    count: int
    cell: Cell = ()


@dataclass
class SimulatedService:
    """Traffic, counters and labels of one service; behaviours by version.

    Counters are cumulative and advance with every scrape. Labels (scores, verdicts) come `lag`
    seconds after their requests, for a share `labelled` of them. Traffic begins `past` seconds
    before the first look. `coarse` draws all traffic since the last look at once: the same law in
    fewer draws, as long as the weight does not change between looks.

    Faults: `dark` (Prometheus does not answer), `hidden` guardrails (no series), `broken`
    guardrails (not a number), `missed` (probability of a missed scrape). `copies_count`: mirrored
    requests enter the canary's series, as in Istio; a local Envoy leaves them out.

    People label a share `people` of what a judge does, where a guardrail counts that, and say the
    same as it in a share `agreement`. Pairs: one for each request of a share `labelled`, where a
    guardrail counts them. The canary is read first in a share `canary_first`; the first place wins
    `first_wins` between equal versions.

    Of a plan with segments every request is of one value of each label, all as often, or as
    `often` has it relative to the others; `apart` has behaviours of single segments, by version and
    segment.
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
    people: float = 0.2
    agreement: float = 0.9
    first_wins: float = 0.5
    canary_first: float = 0.5
    ties: float = 0.1
    apart: Mapping[tuple[str, str], Behaviour] = field(default_factory=dict)
    often: Mapping[str, float] = field(default_factory=dict)
    time: float | None = None
    served: dict[str, int] = field(default_factory=dict)
    totals: dict[tuple[str, str], Counts] = field(default_factory=dict)
    samples: dict[tuple[str, str], tuple[float, Counts]] = field(default_factory=dict)
    _labels: list[Unlabelled] = field(default_factory=list)
    _has_people: bool = False

    def __post_init__(self) -> None:
        self._dice = np.random.default_rng(self.seed)

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """Answer as the Observer port does."""
        for ask in asks:
            self.advance(ask.plan, now)
        return {ask.rollout: self._answer(ask) for ask in asks}

    def advance(self, plan: Plan, now: float) -> None:
        """Let traffic flow and scrapes happen until `now`."""
        scrape = plan.spec.prometheus.scrape
        self._has_people = any(own.metric.human for own in plan.spec.guardrails)
        if self.time is None:
            self.time = now - scrape - self.past
        scrapes = int((now - self.time + 1e-6) // scrape)
        scrapes_at_once = max(scrapes, 1) if self.coarse else 1
        for _ in range(scrapes // scrapes_at_once):
            self._send_traffic(plan, self.time, scrapes_at_once * scrape)
            self.time += scrapes_at_once * scrape
            self._deliver_labels(self.time - self.lag)
            if self._dice.random() >= self.missed:
                self._scrape(self.time)

    def _send_traffic(self, plan: Plan, since: float, seconds: float) -> None:
        share = self.router.share(plan)
        requests = int(self._dice.poisson(self.rate * seconds))
        canary = int(self._dice.binomial(requests, share))
        arms = {plan.spec.canary.version: canary, plan.spec.stable.version: requests - canary}
        if any(guardrail.metric.pairs for guardrail in plan.spec.guardrails):
            self._pair(plan.spec.canary.version, requests)
        for version, count in arms.items():
            self.served[version] = self.served.get(version, 0) + count
            for cell, own in self._deal(plan, count):
                self._answer_requests(version, own, since, seconds, cell)
        if self.copies_count and (copies := self.router.copies(plan)):
            copied = int(self._dice.binomial(requests, copies))
            self._answer_requests(plan.spec.canary.version, copied, since, seconds)

    def _pair(self, canary: str, requests: int) -> None:
        """Let a judge compare both versions' answers to some requests, in both orders."""
        dice, wins = self._dice, self.behaviours[canary].wins
        pairs = int(dice.binomial(requests, self.labelled))
        decided = pairs - int(dice.binomial(pairs, self.ties))
        first = int(dice.binomial(decided, self.canary_first))
        preference = self.first_wins - 0.5
        for order, count, share in (
            ("canary", first, wins + preference),
            ("stable", decided - first, wins - preference),
        ):
            won = int(dice.binomial(count, min(max(share, 0.0), 1.0)))
            self._add("canary", f"{order} canary", np.array([won]), ())
            self._add("canary", f"{order} stable", np.array([count - won]), ())
        self._add("canary", "stable tie", np.array([pairs - decided]), ())

    def _deal(self, plan: Plan, count: int) -> list[tuple[Cell, int]]:
        """Deal requests to the segments that they are of; all are of one where a plan has none."""
        labels = plan.spec.segments or ()
        names = [[f"[{own.label}={value}]" for value in own.values] for own in labels]
        cells = list(product(*names))
        if len(cells) == 1:
            return [(cells[0], count)]
        often = np.array([math.prod(self.often.get(name, 1.0) for name in own) for own in cells])
        dealt = self._dice.multinomial(count, often / often.sum())
        return list(zip(cells, map(int, dealt), strict=True))

    def _find_behaviour(self, version: str, cell: Cell) -> Behaviour:
        own = (self.apart[version, name] for name in cell if (version, name) in self.apart)
        return next(own, self.behaviours[version])

    def _answer_requests(
        self, version: str, count: int, since: float, seconds: float, cell: Cell = ()
    ) -> None:
        """Answer requests or mirrored copies, and queue labels for those that did not fail."""
        served = self._serve(version, count, cell)
        labels = int(self._dice.binomial(served, self.labelled))
        if labels:
            self._labels.append(Unlabelled(version, since, since + seconds, labels, cell))

    def _serve(self, version: str, count: int, cell: Cell) -> int:
        """Answer requests; returns how many did not fail."""
        behaviour, dice = self._find_behaviour(version, cell), self._dice
        failed = self._draw_bad(count, behaviour.errors, behaviour.error_burst)
        self._add(version, "good", np.array([count - failed]), cell)
        self._add(version, "amount", np.array([AMOUNT * (count - failed)]), cell)
        if failed:
            self._add(version, "bad", np.array([failed]), cell)
        self._add(version, "latency", dice.multinomial(count - failed, behaviour.latency), cell)
        return count - failed

    def _draw_bad(self, units: int, share: float, burst: float) -> int:
        """Draw how many of so many units are bad; they come in bursts, see `Behaviour`."""
        mean = (burst + 1) / 2 if share < 1 else 1.0  # whoever fails always fails at each
        begun = int(self._dice.binomial(units, share / mean))
        more = int(self._dice.negative_binomial(begun, 1 / mean)) if begun and mean > 1 else 0
        return min(units, begun + more)

    def _deliver_labels(self, until: float) -> None:
        """Deliver the labels of the requests started before `until`.

        1e-9 absorbs rounding: a batch that is all but complete must not leave a sliver behind.
        """
        waiting: list[Unlabelled] = []
        for batch in self._labels:
            elapsed = (until - batch.since) / (batch.until - batch.since)
            due = batch.count if elapsed >= 1 - 1e-9 else 0
            if 0 < elapsed < 1 - 1e-9:
                due = int(self._dice.binomial(batch.count, elapsed))
            if due:
                self._judge(batch.version, due, batch.cell)
            if elapsed <= 0:
                waiting.append(batch)
            elif due < batch.count:
                waiting.append(replace(batch, since=until, count=batch.count - due))
        self._labels = waiting

    def _judge(self, version: str, labels: int, cell: Cell) -> None:
        behaviour, dice = self._find_behaviour(version, cell), self._dice
        failed = self._draw_bad(labels, behaviour.fails, behaviour.fail_burst)
        if self._has_people:
            self._ask_people(version, labels, failed)
        self._add(version, "pass", np.array([labels - failed]), cell)
        self._add(version, "fail", np.array([failed]), cell)
        self._add(version, "score", dice.multinomial(labels, behaviour.scores), cell)

    def _ask_people(self, version: str, labels: int, failed: int) -> None:
        """Let people label some of the answers that the judge has scored."""
        dice = self._dice
        read = int(dice.binomial(labels, self.people))
        bad = int(dice.hypergeometric(failed, labels - failed, read)) if read else 0
        for judge, count in (("fail", bad), ("pass", read - bad)):
            same = int(dice.binomial(count, self.agreement))
            other = "pass" if judge == "fail" else "fail"
            self._add(version, f"{judge} {judge}", np.array([same]), ())
            self._add(version, f"{judge} {other}", np.array([count - same]), ())

    def _add(self, version: str, counter: str, counts: Counts, cell: Cell) -> None:
        """Add to a counter, and to that of each segment."""
        if counter in COUNTERS or counts.sum():
            for segment in ("", *cell):
                key = (version, f"{counter}{segment}")
                before = self.totals.get(key)
                self.totals[key] = counts if before is None else before + counts

    def _scrape(self, at: float) -> None:
        for key, counts in self.totals.items():
            self.samples[key] = (at, counts)

    def _answer(self, ask: Ask) -> Answer:
        guardrails = ask.plan.spec.guardrails
        if self.dark:
            return Answer(problems={g.name: "Prometheus does not answer" for g in guardrails})
        problems = {g.name: "a sample is not a number" for g in guardrails if g.name in self.broken}
        by_guardrail = {
            g.name: self._build_series(ask, g)
            for g in guardrails
            if g.name not in self.hidden and g.name not in problems
        }
        for own in ask.plan.spec.segment_guardrails:
            if own.of in by_guardrail:
                segment = f"[{own.label}={own.value}]"
                by_guardrail[own.name] = self._build_series(ask, own.guardrail, segment)
        return Answer(series={n: s for n, s in by_guardrail.items() if s}, problems=problems)

    def _build_series(
        self, ask: Ask, guardrail: Guardrail, segment: str = ""
    ) -> tuple[Series, ...]:
        since = ask.since.get(guardrail.name, -math.inf)
        if guardrail.metric.pairs is not None:
            return tuple(self._iterate_pairs(since))
        spec = ask.plan.spec
        arms: tuple[tuple[Arm, str], ...] = (
            ("canary", spec.canary.version),
            ("stable", spec.stable.version),
        )
        candidates = [
            self._one(arm, (version, counter, segment), since, guardrail.metric)
            for arm, version in arms
            if self._is_counted(guardrail, version)
            for counter in parts(guardrail)
        ]
        return tuple(series for series in candidates if series is not None)

    def _iterate_pairs(self, since: float) -> Iterator[Series]:
        arms: tuple[Arm, ...] = ("canary", "stable")
        for arm, winner in product(arms, ("canary", "stable", "tie")):
            key = f"{arm} {winner}"
            at, counts = self.samples.get(("canary", key), (-math.inf, None))
            if counts is not None and at > since:
                lost, apart = winner not in {arm, "tie"}, 0 if winner == "tie" else None
                yield Series(key, arm, ((at, (float(counts[0]),)),), bad=lost, apart=apart)

    def _is_counted(self, guardrail: Guardrail, version: str) -> bool:
        """Whether anybody counts for a version: a dead server counts nothing, its proxy does."""
        is_dead = self.behaviours[version].errors >= 1.0
        return guardrail.metric.reporter != "server" or not is_dead

    def _one(
        self, arm: Arm, counted: tuple[str, str, str], since: float, metric: DeclaredMetric
    ) -> Series | None:
        version, counter, segment = counted
        at, counts = self.samples.get((version, f"{counter}{segment}"), (-math.inf, None))
        if counts is None or at <= since:
            return None
        sample: Sample = (at, tuple(map(float, np.cumsum(counts))))
        behaviour = self.behaviours[version]
        edges = {"latency": behaviour.latency_edges, "score": behaviour.score_edges}.get(
            counter, ()
        )
        if counter == "latency":
            edges = tuple(edge / scale_of(metric) for edge in edges)
        open_ = (*edges, math.inf) if edges else ()
        if metric.human is not None:
            judge, human = counter.split()
            own = {metric.human.human: human, metric.human.judge: judge}
            apart = metric.human.find_cell(own)
            return Series(counter, arm, (sample,), bad=human == "fail", apart=apart)
        if counter == "amount":
            return Series(counter, arm, (sample,), bad=True, total=False, amount=True)
        return Series(counter, arm, (sample,), bad=counter in {"bad", "fail"}, edges=open_)


def scale_of(metric: DeclaredMetric) -> float:
    """Return what one of a metric's units is in that of a behaviour's latency, milliseconds."""
    return 1000.0 if metric.unit == "s" else 1.0


def parts(guardrail: Guardrail) -> tuple[str, ...]:
    """Return the names of the counters that a guardrail reads; what must not happen does not."""
    source = guardrail.metric
    if source.human is not None:
        return ("fail fail", "fail pass", "pass fail", "pass pass")
    if source.kind == "ratio":
        return ("good", "amount")
    if source.kind == "exposure":
        return ("good", "bad")
    if source.kind == "rate":
        names = ("pass", "fail") if source.is_judged else ("good", "bad")
        return names if guardrail.never is None else names[:1]
    return ("latency",) if source.worse == "high" else ("score",)
