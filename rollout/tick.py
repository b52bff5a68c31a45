"""One tick for the whole fleet: observe, decide, journal, route, confirm; in that order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from rollout import confirm
from rollout.attempt import started
from rollout.calling import Calling
from rollout.decide import learn as learning
from rollout.decide.before import began
from rollout.decide.calibration import lacks_calibration
from rollout.decide.facts import Calibrated, Fact, Observed
from rollout.decide.fold import fold
from rollout.decide.state import State
from rollout.decide.step import step
from rollout.errors import InputError, JournalMovedError
from rollout.fleet import Fleet
from rollout.plan.model import Plan
from rollout.ports import (
    Answer,
    Ask,
    Clock,
    Entry,
    Historian,
    Hooks,
    Journal,
    NoHooks,
    Observer,
    Past,
    Router,
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
    hooks: Hooks = field(default_factory=NoHooks)


@dataclass
class Controller:
    """Looks, decides and acts for every rollout of one journal; `on_entry` hears each entry."""

    ports: Ports
    version: str
    confirm_within: float = 1.0
    on_entry: Callable[[Entry], None] = lambda _entry: None
    fleet: Fleet = field(default_factory=Fleet)
    _read_again: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._calling = Calling(self.ports.hooks)

    @property
    def states(self) -> Mapping[str, State]:
        """Every rollout's state, by id."""
        return self.fleet.states

    @property
    def calibrations(self) -> Mapping[str, Calibrated]:
        """The newest calibration of each plan, by rollout id."""
        return self.fleet.calibrations

    @property
    def active(self) -> set[str]:
        """Rollouts that are not terminal."""
        return set(self.fleet.active)

    @property
    def head(self) -> int:
        """Sequence number of the last entry that was folded."""
        return self.fleet.head

    def catch_up(self) -> None:
        """Fold what was appended since we last looked, by us or by others."""
        for entry in self.ports.journal.read(self.head):
            self._take(entry)

    def start(self, plans: Sequence[Plan], *, uncalibrated: bool = False) -> list[str]:
        """Accept plans; a rollout that the journal knows goes on where it was. Returns their ids.

        Raises InputError for a plan whose stable version is not the recorded one, whose service is
        being rolled out by another plan, or that asks for a calibration and has none that holds,
        unless `uncalibrated`.
        """
        self.catch_up()
        for plan in plans:
            if plan.id not in self.states:  # a later attempt of it is a person's word
                self.fleet.check_fits(plan)
                lacking = lacks_calibration(plan, self.calibrations.get(plan.id))
                if lacking and not uncalibrated:
                    raise InputError(lacking)
                at, waived = self.ports.clock.now(), bool(lacking)
                fact = started(plan, at=at, controller=self.version, uncalibrated=waived)
                self._append([fact])
        return [self.fleet.attempt_of(plan.id) for plan in plans]

    def note(self, fact: Fact) -> None:
        """Record a fact that no look leads to."""
        self.catch_up()
        self._append([fact])

    def tick(self) -> None:
        """One look at every due rollout, and one attempt at every change that is not confirmed.

        A person's word is done before anything is asked of Prometheus, which may be slow.
        """
        self.catch_up()
        now = self.ports.clock.now()
        self._decide(sorted(self.fleet.asked & self.fleet.active), {}, now)
        self._settle(now)
        now = self.ports.clock.now()
        due = self.fleet.looks.due(now)
        if due:
            answers = self.ports.observer.observe([self._ask(r) for r in due], now)
            self._decide(due, answers, now)
            for rollout in due:
                self.fleet.looked(rollout, now)
            self._settle(now)
        self._call(now)
        self._learn(now)

    def _ask(self, rollout: str) -> Ask:
        state = self.states[rollout]
        newest = {name: began(state, gauge) for name, gauge in state.gauges.items()}
        since = {name: at for name, at in newest.items() if at is not None}
        return Ask(rollout, state.plan, since)

    def _decide(self, rollouts: Sequence[str], answers: Mapping[str, Answer], now: float) -> None:
        """Record what was seen and what it leads to, in one transaction for all."""
        router = self.ports.router
        drifts = {r: confirm.drift(router, r, self.states[r], now) for r in rollouts}
        for _ in range(_RETRIES):
            ahead: list[tuple[Fact, State]] = []
            for rollout in rollouts:
                self._consider(rollout, drifts[rollout], answers.get(rollout), now, ahead)
            if self._try_append([fact for fact, _ in ahead], [state for _, state in ahead]):
                return

    def _consider(
        self,
        rollout: str,
        drift: Fact | None,
        answer: Answer | None,
        now: float,
        ahead: list[tuple[Fact, State]],
    ) -> None:
        """Add one rollout's facts of this look; each is folded before the next is thought of."""
        state = self.states[rollout]
        if state.terminal:
            return

        def note(fact: Fact | None) -> State:
            if fact is None:
                return state
            after = fold(state, fact, self.head + len(ahead) + 1)
            ahead.append((fact, after))
            return after

        state = note(drift)
        if answer is not None and (answer.series or dict(answer.problems) != _problems(state)):
            series, problems = dict(answer.series), dict(answer.problems)
            state = note(Observed(rollout=rollout, at=now, series=series, problems=problems))
        note(step(state, now, rollout))

    def _learn(self, now: float) -> None:
        """Read the past for one rollout that waits for it, after everything that is urgent."""
        waiting = (r for r in sorted(self.fleet.unlearned) if learning.due(self.states[r], now))
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

    def _call(self, now: float) -> None:
        """Record what hooks answered and begin the calls that are due; traffic comes first."""
        self._append(self._calling.answers(self.states, now))
        for rollout in self.fleet.calls.due(now):
            intent = self._calling.intent(rollout, self.states[rollout], now)
            if intent is not None:
                self._append([intent])
            self._calling.begin(rollout, self.states[rollout])

    def _settle(self, now: float) -> None:
        """Bring every unconfirmed decision to the mesh, all of them, and then read each back."""
        router, clock = self.ports.router, self.ports.clock
        pending = self.fleet.unconfirmed.due(now)
        problems = {r: confirm.bring(router, r, self.states[r]) for r in pending}
        until = clock.now() + self.confirm_within
        for rollout, problem in problems.items():
            state = self.states[rollout]
            self._append(
                [confirm.outcome(router, clock, rollout, state, problem=problem, until=until)]
            )

    def _append(self, facts: Sequence[Fact]) -> None:
        for _ in range(_RETRIES):
            if self._try_append(facts):
                return
        raise JournalMovedError("the journal keeps moving: is another controller writing to it?")

    def _try_append(self, facts: Sequence[Fact], after: Sequence[State] = ()) -> bool:
        """Whether the facts were appended; if not, others' facts were folded instead.

        `after` holds the states after each fact, where they were thought of. They are kept if the
        journal took the facts as they are, so that every fact is folded once.
        """
        if not facts:
            return True
        try:
            entries = self.ports.journal.append(facts, self.head)
        except JournalMovedError:
            self.catch_up()
            return False
        as_thought = [entry.fact for entry in entries] == list(facts)
        for entry, state in zip_longest(entries, after if as_thought else ()):
            self._take(entry, state)
        return True

    def _take(self, entry: Entry, known: State | None = None) -> None:
        self.fleet.take(entry, known)
        self.on_entry(entry)


def _problems(state: State) -> dict[str, str]:
    return {name: gauge.problem for name, gauge in state.gauges.items() if gauge.problem}
