"""What would have been decided then: the production tick on recorded samples, in their own time.

How it works: a virtual clock goes from one time of the past to another, and the controller asks its
Prometheus at each look for the samples as they were. The mesh of then is gone, so the split is read
from the counts: the share of requests that the canary had. It stays until a look contradicts it,
since a share that moved with every look would be a new step each time. Nothing is written: the
authority is `observe`, and each look says what full authority would have done at that weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.counting.cursor import Arm
from rollout.decide.evidence.exposure import exposure_guardrail, segment_of
from rollout.decide.record.facts import Decided, Observed
from rollout.decide.record.reasons import Reason, first_reason, outcome_of
from rollout.decide.record.split import Split, split_at
from rollout.errors import InputError, RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.ramp import Steps
from rollout.ports import (
    Answer,
    Ask,
    Entry,
    HistorySource,
    Observer,
    PodHistory,
    Ports,
    RouteStatus,
)
from rollout.simulate.ports import UnsealedJournal, VirtualClock
from rollout.tick.controller import Controller

_SURE = 5.0  # standard deviations from which on a look's share contradicts the one before
_LIKE = 3.0  # up to which it is that of a step
_LEAST = 20  # requests in a look that say something of a share


@dataclass
class CountedMesh:
    """A mesh that shows the share of requests that was counted. Nothing can be written to it."""

    plan: Plan
    share: float | None = None  # of the canary, 0 to 1; None before anything was counted
    _since: tuple[int, int] = (0, 0)  # the canary's and all requests since that share is shown

    def note(self, canary: int, stable: int) -> None:
        """Note a look's requests: another share is shown where they contradict the one so far.

        So do all looks since it is shown: it may come from a look in which the weight was moved.
        """
        requests = canary + stable
        if requests < _LEAST:
            return
        if self.share is None or _is_apart(canary, requests, self.share, _SURE):
            self.share, self._since = self._find_share(canary, requests), (0, 0)
            return
        self._since = self._since[0] + canary, self._since[1] + requests
        if _is_apart(*self._since, self.share, _SURE):
            self.share, self._since = self._find_share(*self._since), (0, 0)

    def _find_share(self, canary: int, requests: int) -> float:
        """Return the share of a look: a step's, where it is like one, else to two digits.

        The digits are those of the smaller side: a small share is not none, a large one not all.
        """
        ramp, share = self.plan.spec.ramp, canary / requests
        steps = ramp.steps if isinstance(ramp, Steps) else [ramp.most]
        like = [s for s in (0.0, *steps, 1.0) if not _is_apart(canary, requests, s, _LIKE)]
        return min(like, key=lambda step: abs(step - share), default=_round(share))

    def read(self, plan: Plan, total: int, before: tuple[str, ...] | None = None) -> RouteStatus:
        """See rollout.ports.Router."""
        del plan, before
        if self.share is None:
            raise RouteError("no requests are recorded yet that tell the split", unread=True)
        return RouteStatus(split_at(round(self.share, 4), total), "")

    def cached(
        self, plan: Plan, total: int, before: tuple[str, ...] | None = None
    ) -> RouteStatus | None:
        """See rollout.ports.Router."""
        return self.read(plan, total, before)

    def write(
        self,
        plan: Plan,
        split: Split,
        write_id: str,
        before: tuple[str, ...] | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        """Refuse: the past cannot be changed."""
        del plan, split, write_id, before, is_last
        raise RouteError("the past cannot be changed", refused=True)

    def endpoints(self, plan: Plan, arm: Arm) -> bool | None:
        """See rollout.ports.Router: nobody can tell."""
        del plan, arm
        return None

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        del plan
        return ""


def _round(share: float) -> float:
    rare = float(f"{min(share, 1 - share):.2g}")
    return rare if share < 0.5 else 1 - rare


def _is_apart(canary: int, requests: int, share: float, deviations: float) -> bool:
    """Return whether a look's requests contradict a share; one request more or less never does."""
    spread = math.sqrt(requests * share * (1 - share))
    return abs(canary - requests * share) > max(deviations * spread, 1.0)


@dataclass
class CountingObserver:
    """An observer whose counts tell a mesh its split."""

    inner: Observer
    mesh: CountedMesh

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """See rollout.ports.Observer."""
        answers = self.inner.observe(asks, now)
        name = exposure_guardrail(self.mesh.plan)
        for answer in answers.values():
            if name in answer.tallies:
                counts = answer.tallies[name].counts
                self.mesh.note(counts.canary_exposures, counts.stable_exposures)
        return answers


@dataclass
class CountingSource(CountingObserver):
    """The same of an observer that can read the past as well."""

    source: HistorySource

    def history(self, ask: Ask, now: float) -> PodHistory:
        """See rollout.ports.HistorySource."""
        return self.source.history(ask, now)


def _count(observer: Observer, mesh: CountedMesh) -> CountingObserver:
    if isinstance(observer, HistorySource):
        return CountingSource(observer, mesh, observer)
    return CountingObserver(observer, mesh)


@dataclass(frozen=True)
class Backtest:
    """What would have been decided: the entries of every look, and what they come to.

    `units` are the requests of the canary and of stable that were counted; `problems` are those of
    the guardrails at the newest look that had any.
    """

    plan: Plan
    entries: Sequence[Entry]
    units: tuple[int, int] = (0, 0)
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def news(self) -> list[Entry]:
        """The decisions that say something else than the one before."""
        chosen: list[Entry] = []
        before: object = None
        for entry in self.entries:
            if isinstance(entry.fact, Decided):
                now = entry.fact.action, entry.fact.would, entry.fact.reasons
                chosen += [entry] if now != before else []
                before = now
        return chosen

    @property
    def decisive(self) -> Entry | None:
        """The first decision that would have ended the rollout, or have called a person."""
        for entry in self.entries:
            would = entry.fact.would if isinstance(entry.fact, Decided) else None
            if would is not None and would.action in {"promote", "hold back", "roll back", "pause"}:
                return entry
        return None

    @property
    def outcome(self) -> str:
        """What it comes to: promotion, harm, blind, deadline, other, or none."""
        fact = self.decisive.fact if self.decisive else None
        if not isinstance(fact, Decided) or fact.would is None:
            return "none"
        if fact.would.action in {"promote", "hold back"}:
            return "promotion"
        if first_reason(fact.reasons) in {Reason.INCONCLUSIVE, Reason.USED_UP}:
            return "deadline"
        return {"harmful": "harm", "blind": "blind"}.get(outcome_of(fact.reasons), "other")


def run_backtest(
    plan: Plan,
    observer: Observer,
    start: float,
    end: float,
    on_tick: Callable[[int], None] = lambda _count: None,
) -> Backtest:
    """Let the controller look from `start` to `end`, in unix seconds of the past.

    Raises InputError, in words, where there is nothing to decide on.
    """
    if segment_of(plan) is not None:
        raise InputError(
            f"{plan.name} gives the canary a segment's requests, whose weight no count tells: "
            "there is no backtest of it"
        )
    mesh, clock, journal = CountedMesh(plan), VirtualClock(start), UnsealedJournal()
    ports = Ports(_count(observer, mesh), mesh, journal, clock)
    controller = Controller(ports, "backtest", authority="observe")
    (rollout,) = controller.start([plan], uncalibrated=True)
    for _ in range(count_ticks(plan, start, end)):
        if controller.states[rollout].is_terminal:
            break
        controller.tick()
        clock.sleep(_find_pause(plan))
        on_tick(1)
    result = _sum_up(plan, journal.entries)
    _check_counted(result, clock.now() - start, has_ended=controller.states[rollout].is_terminal)
    return result


def count_ticks(plan: Plan, start: float, end: float) -> int:
    """Return how many ticks a backtest of that time has."""
    return math.ceil((end - start) / _find_pause(plan))


def _find_pause(plan: Plan) -> float:
    """Return the seconds between two ticks: looks come right after a scrape."""
    return min(plan.spec.prometheus.scrape, plan.spec.interval) / 2


def _sum_up(plan: Plan, entries: Sequence[Entry]) -> Backtest:
    name, canary, stable = exposure_guardrail(plan), 0, 0
    problems: Mapping[str, str] = {}
    for entry in entries:
        if not isinstance(entry.fact, Observed):
            continue
        problems = entry.fact.problems or problems
        if name in entry.fact.tallies:
            counts = entry.fact.tallies[name].counts
            canary, stable = canary + counts.canary_exposures, stable + counts.stable_exposures
    return Backtest(plan, entries, (canary, stable), problems)


def _check_counted(result: Backtest, looked: float, *, has_ended: bool) -> None:
    """Raise InputError where a version had no requests in the time that was looked at."""
    spec = result.plan.spec
    pairs = zip(result.units, (spec.canary.version, spec.stable.version), strict=True)
    silent = [version for count, version in pairs if not count]
    if not silent:
        return
    until = " until the plan's deadline, which counts from the start" if has_ended else ""
    none = f"no requests of {' and '.join(silent)} are recorded in these {round(looked):,} s{until}"
    if cause := result.problems.get(exposure_guardrail(result.plan)):
        raise InputError(f"{cause}; so {none}")
    why = "".join(f"; {name}: {problem}" for name, problem in sorted(result.problems.items()))
    raise InputError(
        f"{none}, so there is nothing to decide on: name a time in which both versions served{why}"
    )
