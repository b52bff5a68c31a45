"""The loop's body: what is due is looked at, decided on, recorded, and only then routed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.decide.record.facts import Calibrated, Fact
from rollout.decide.rules.calibration import lacks_calibration
from rollout.decide.state.rollout import RolloutState
from rollout.errors import InputError
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Entry, Ports
from rollout.tick import deliver
from rollout.tick.attempts import started
from rollout.tick.fleet import Fleet
from rollout.tick.hooks import HookRunner
from rollout.tick.journal_sync import RETRIES, JournalSync
from rollout.tick.pod_history import PodHistoryReader
from rollout.tick.propose import Step, ask, propose

_CONFIRM_WITHIN = 1.0  # seconds of one tick in which the mesh may show what was written


@dataclass
class Controller:
    """Looks, decides and acts for every rollout of one journal; `on_entry` hears each entry."""

    ports: Ports
    version: str
    on_entry: Callable[[Entry], None] = lambda _entry: None
    fleet: Fleet = field(default_factory=Fleet)

    def __post_init__(self) -> None:
        self._log = JournalSync(self.ports.journal, self.fleet, self._heard)
        self._calling = HookRunner(self.ports.hooks)
        self._learning = PodHistoryReader(self.ports.observer)

    @property
    def states(self) -> Mapping[str, RolloutState]:
        """Every rollout's state, by id; of an ended one perhaps without evidence (see `whole`)."""
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
        self._log.catch_up()

    def whole(self, rollout: str) -> RolloutState:
        """A rollout's state with its evidence, which is read if it had ended before we began.

        Raises JournalError.
        """
        return self.fleet.wake(rollout, self.ports.journal)

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
                self._log.append([fact])
        return [self.fleet.attempt_of(plan.id) for plan in plans]

    def note(self, fact: Fact) -> None:
        """Record a fact that no look leads to."""
        self.catch_up()
        self._log.append([fact])

    def offer(self, facts: Sequence[Fact]) -> bool:
        """Record facts that hold only for what is known now; False where somebody came first."""
        return self._log.try_append(facts)

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
            asks = [ask(rollout, self.states[rollout]) for rollout in due]
            self._decide(due, self.ports.observer.observe(asks, now), now)
            for rollout in due:
                self.fleet.looked(rollout, now)
            self._settle(now)
        self._call(now)
        self._learn(now)

    def _decide(self, rollouts: Sequence[str], answers: Mapping[str, Answer], now: float) -> None:
        """Record what was seen and what it leads to, in one transaction for all."""
        router = self.ports.router
        drifts = {r: deliver.find_drift(router, r, self.states[r], now) for r in rollouts}
        for _ in range(RETRIES):
            ahead: list[Step] = []
            for r in rollouts:
                state, head, answer = self.states[r], self.head + len(ahead), answers.get(r)
                ahead += propose(r, state, head, drift=drifts[r], answer=answer, now=now)
            if self._log.try_append([fact for fact, _ in ahead], [state for _, state in ahead]):
                return

    def _settle(self, now: float) -> None:
        """Bring every unconfirmed decision to the mesh, all of them, and then read each back."""
        router, clock = self.ports.router, self.ports.clock
        pending = self.fleet.unconfirmed.due(now)
        problems = {r: deliver.apply(router, r, self.states[r]) for r in pending}
        until = clock.now() + _CONFIRM_WITHIN
        for rollout, problem in problems.items():
            state = self.states[rollout]
            self._log.append(
                [deliver.confirm(router, clock, rollout, state, problem=problem, until=until)]
            )

    def _call(self, now: float) -> None:
        """Record what hooks answered and begin the calls that are due; traffic comes first."""
        self._log.append(self._calling.answers(self.states, now))
        for rollout in self.fleet.calls.due(now):
            intent = self._calling.intent(rollout, self.states[rollout], now)
            if intent is not None:
                self._log.append([intent])
            self._calling.begin(rollout, self.states[rollout])

    def _learn(self, now: float) -> None:
        fact = self._learning.fact(self.fleet.unlearned, self.states, now)
        if fact is not None:
            self._log.append([fact])

    def _heard(self, entry: Entry) -> None:
        self.on_entry(entry)  # which may be another by now
