"""One tick for the whole fleet: observe, decide, journal, route, confirm; in that order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.decide import learn as learning
from rollout.decide.agenda import Agenda
from rollout.decide.calibration import lacks_calibration
from rollout.decide.facts import (
    Calibrated,
    Confirmed,
    Drifted,
    Fact,
    Observed,
    RouteFailed,
    Started,
)
from rollout.decide.fold import fold
from rollout.decide.ramp import total_of
from rollout.decide.state import State
from rollout.decide.step import step
from rollout.errors import InputError, JournalMovedError, RouteError
from rollout.plan.model import Plan
from rollout.ports import (
    Answer,
    Ask,
    Clock,
    Entry,
    Historian,
    Journal,
    Observer,
    Past,
    Router,
    Seen,
)

# People's commands may slip in between reading and appending; each time we read them and redo.
_RETRIES = 8
_READ_AGAIN = 300.0  # seconds until a past without a valid test is read again


@dataclass(frozen=True)
class Ports:
    """The world, as far as a tick may touch it."""

    observer: Observer
    router: Router
    journal: Journal
    clock: Clock


@dataclass
class Controller:
    """Every rollout of one journal. State is derived from the journal and kept only as a cache.

    So are the agendas: a tick costs what is due, not what waits.
    """

    ports: Ports
    version: str
    confirm_within: float = 1.0
    on_entry: Callable[[Entry], None] = lambda _entry: None
    states: dict[str, State] = field(default_factory=dict)
    calibrations: dict[str, Calibrated] = field(default_factory=dict)
    head: int = 0
    _active: set[str] = field(default_factory=set)
    _unlearned: set[str] = field(default_factory=set)
    _looks: Agenda = field(default_factory=Agenda)
    _unconfirmed: Agenda = field(default_factory=Agenda)
    _put_off: dict[str, float] = field(default_factory=dict)
    _places: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _read_again: dict[str, float] = field(default_factory=dict)

    def catch_up(self) -> None:
        """Fold what was appended since we last looked, by us or by others."""
        for entry in self.ports.journal.read(self.head):
            self._fold(entry)

    def start(self, plans: Sequence[Plan], *, uncalibrated: bool = False) -> list[str]:
        """Accept plans; a rollout that the journal knows goes on where it was. Returns their ids.

        Raises InputError for a plan whose stable version is not the recorded one, whose service is
        being rolled out by another plan, or that asks for a calibration and has none that holds,
        unless `uncalibrated`.
        """
        self.catch_up()
        for plan in plans:
            if plan.id not in self.states:
                self._check_fits(plan)
                lacking = lacks_calibration(plan, self.calibrations.get(plan.id))
                if lacking and not uncalibrated:
                    raise InputError(lacking)
                started = _started(plan, self.ports.clock.now(), self.version)
                self._append([started.model_copy(update={"uncalibrated": bool(lacking)})])
        return [plan.id for plan in plans]

    def tick(self) -> None:
        """One look at every due rollout, and one attempt at every change that is not confirmed."""
        self.catch_up()
        self._settle(self.ports.clock.now())
        now = self.ports.clock.now()
        due = self._looks.due(now)
        if due:
            answers = self.ports.observer.observe([self._ask(r) for r in due], now)
            self._look(due, answers, now)
            self._settle(now)
        self._learn(now)

    @property
    def active(self) -> set[str]:
        """Rollouts that are not terminal."""
        return set(self._active)

    def _ask(self, rollout: str) -> Ask:
        state = self.states[rollout]
        newest = {name: gauge.cursor.newest("stable") for name, gauge in state.gauges.items()}
        since = {name: at for name, at in newest.items() if at is not None}
        return Ask(rollout, state.plan, since)

    def _look(self, due: Sequence[str], answers: Mapping[str, Answer], now: float) -> None:
        """Record what was seen and what it leads to, in one transaction for all."""
        drifts = self._drifts(due, now)
        for _ in range(_RETRIES):
            facts: list[Fact] = []
            for rollout in due:
                answer = answers.get(rollout, Answer())
                self._consider(rollout, drifts.get(rollout), answer, now, facts)
            if self._try_append(facts):
                break
        for rollout in due:
            self._put_off[rollout] = now + self.states[rollout].plan.spec.interval
            self._schedule(rollout)

    def _consider(
        self, rollout: str, drift: Fact | None, answer: Answer, now: float, facts: list[Fact]
    ) -> None:
        """Add one rollout's facts of this look; each is folded before the next is thought of."""
        state = self.states[rollout]
        if state.terminal:
            return

        def note(fact: Fact | None) -> State:
            if fact is None:
                return state
            facts.append(fact)
            return fold(state, fact, self.head + len(facts))

        state = note(drift)
        if answer.series or dict(answer.problems) != _problems(state):
            series, problems = dict(answer.series), dict(answer.problems)
            state = note(Observed(rollout=rollout, at=now, series=series, problems=problems))
        note(step(state, now, rollout))

    def _learn(self, now: float) -> None:
        """Read the past for one rollout that waits for it, after everything that is urgent."""
        waiting = (r for r in sorted(self._unlearned) if learning.due(self.states[r], now))
        rollout = next((r for r in waiting if now >= self._read_again.get(r, 0.0)), None)
        if rollout is None:
            return
        state, observer = self.states[rollout], self.ports.observer
        ask = Ask(rollout, state.plan, {})
        past = observer.history(ask, now) if isinstance(observer, Historian) else Past()
        self._read_again[rollout] = now + _READ_AGAIN
        fact = learning.learn(state, past.pods, past.problems, at=now, rollout=rollout)
        if state.learned is None or fact.unknown != state.unknown:
            self._append([fact])

    def _drifts(self, due: Sequence[str], now: float) -> dict[str, Fact]:
        """What the mesh shows that we did not write: somebody's hand, or a mesh that is gone."""
        found: dict[str, Fact] = {}
        for rollout in due:
            state = self.states[rollout]
            if not state.decision or state.awaiting is not None:
                continue
            seen = self._read(state)
            if isinstance(seen, str):
                found[rollout] = _failed(rollout, state, seen, now)
            elif seen.split != state.split:
                found[rollout] = Drifted(rollout=rollout, at=now, seen=seen.split)
        return found

    def _settle(self, now: float) -> None:
        """Bring every unconfirmed decision to the mesh and read it back."""
        written = {rollout: self._write(rollout) for rollout in self._unconfirmed.due(now)}
        until = self.ports.clock.now() + self.confirm_within
        for rollout, problem in written.items():
            self._conclude(rollout, problem or self._await(rollout, until))

    def _write(self, rollout: str) -> str:
        """Write unless the mesh shows it already; an unknown outcome is resolved by reading."""
        state = self.states[rollout]
        if _shows(self._read(state), state, rollout):
            return ""
        try:
            self.ports.router.write(state.plan, state.wanted, mark_of(rollout, state))
        except RouteError as error:
            return str(error)
        return ""

    def _read(self, state: State) -> Seen | str:
        try:
            return self.ports.router.read(state.plan, state.total)
        except RouteError as error:
            return str(error)

    def _await(self, rollout: str, until: float) -> str:
        """Read back until the mesh shows the decision; the problem in words if it does not."""
        state, clock = self.states[rollout], self.ports.clock
        while not _shows(seen := self._read(state), state, rollout):
            if clock.now() >= until:
                return seen if isinstance(seen, str) else self._refusal(state, seen)
            clock.sleep(0.02)
        return ""

    def _refusal(self, state: State, seen: Seen) -> str:
        said = self.ports.router.diagnose(state.plan)
        shown = f"the mesh still shows {seen.split.canary} of {seen.split.total}"
        return f"{shown}; {said}" if said else shown

    def _conclude(self, rollout: str, problem: str) -> None:
        state, now = self.states[rollout], self.ports.clock.now()
        if problem:
            self._append([_failed(rollout, state, problem, now)])
        elif state.awaiting is not None:
            shown = Confirmed(rollout=rollout, at=now, decision=state.awaiting, split=state.wanted)
            self._append([shown])

    def _append(self, facts: Sequence[Fact]) -> None:
        for _ in range(_RETRIES):
            if self._try_append(facts):
                return
        raise JournalMovedError("the journal keeps moving: is another controller writing to it?")

    def _try_append(self, facts: Sequence[Fact]) -> bool:
        """Whether the facts were appended; if not, others' facts were folded instead."""
        if not facts:
            return True
        try:
            entries = self.ports.journal.append(facts, self.head)
        except JournalMovedError:
            self.catch_up()
            return False
        for entry in entries:
            self._fold(entry)
        return True

    def _fold(self, entry: Entry) -> None:
        rollout = entry.fact.rollout
        self.head = entry.seq
        if isinstance(entry.fact, Calibrated):
            self.calibrations[rollout] = entry.fact
            self.on_entry(entry)
            return
        state = fold(self.states.get(rollout), entry.fact, entry.seq)
        self.states[rollout] = state
        self._places.setdefault(_place(state.plan), set()).add(rollout)
        self._schedule(rollout)
        self.on_entry(entry)

    def _schedule(self, rollout: str) -> None:
        """Note what a rollout wants when: by the journal, so that a restart is no extra look."""
        state = self.states[rollout]
        if state.terminal:
            self._active.discard(rollout)
            self._looks.drop(rollout)
        else:
            self._active.add(rollout)
            looked = (state.looked_at or 0.0) + state.plan.spec.interval
            at = max(looked, self._put_off.get(rollout, 0.0)) - 1e-3
            self._looks.put(rollout, at if state.asked is None else -math.inf)
        if state.terminal or state.awaiting is None:
            self._unconfirmed.drop(rollout)
        else:
            self._unconfirmed.put(rollout, state.retry_at)
        if state.terminal or state.decision:
            self._unlearned.discard(rollout)
        else:
            self._unlearned.add(rollout)

    def _check_fits(self, plan: Plan) -> None:
        spec, place = plan.spec, _place(plan)
        there = {rollout: self.states[rollout] for rollout in sorted(self._places.get(place, ()))}
        for rollout, state in there.items():
            if not state.terminal:
                raise InputError(f"{spec.service} is being rolled out by {rollout}: abort it first")
        recorded = recorded_stable(there.values(), place)
        if recorded is not None and recorded != spec.stable.version:
            raise InputError(
                f"stable-mismatch: {plan.name} says {spec.stable.version} is stable, "
                f"the journal says {recorded}"
            )


def recorded_stable(states: Iterable[State], place: tuple[str, str]) -> str | None:
    """The version of (namespace, service) that the last ended rollout left in service."""
    ended = [state for state in states if state.terminal and _place(state.plan) == place]
    if not ended:
        return None
    last = max(ended, key=lambda state: state.confirmed_at or 0.0)
    stable, canary = last.versions
    return canary if last.phase == "promoted" else stable


def _place(plan: Plan) -> tuple[str, str]:
    return plan.metadata.namespace, plan.spec.service


def mark_of(rollout: str, state: State) -> str:
    """What is written beside the weights, so that every write maps to exactly one record."""
    return f"{rollout}/{state.awaiting}"


def _shows(seen: Seen | str, state: State, rollout: str) -> bool:
    if isinstance(seen, str):
        return False
    return seen.split == state.wanted and seen.mark == mark_of(rollout, state)


def _problems(state: State) -> dict[str, str]:
    return {name: gauge.problem for name, gauge in state.gauges.items() if gauge.problem}


def _started(plan: Plan, at: float, version: str) -> Started:
    return Started(
        rollout=plan.id,
        at=at,
        plan=plan.document(),
        digest=plan.digest,
        total=total_of(plan),
        controller=version,
    )


def _failed(rollout: str, state: State, problem: str, at: float) -> RouteFailed:
    return RouteFailed(
        rollout=rollout,
        at=at,
        decision=state.decision,
        problem=problem,
        attempt=state.attempts + 1,
    )
