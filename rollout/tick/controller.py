"""The body of the control loop.

How it works: a tick reads the journal's new entries, asks Prometheus for every rollout whose look
is due, decides, and appends the facts. Only then it writes to the mesh, and reads it back to
confirm. The journal comes before the mesh, so that a crash between the two loses nothing: the next
tick finds a decision without a confirmation and delivers it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.decide.record.facts import Calibrated, Fact
from rollout.decide.rules.calibration import lacks_calibration
from rollout.decide.state.rollout import RolloutState
from rollout.errors import InputError, JournalMovedError
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Entry, Ports
from rollout.tick import deliver
from rollout.tick.attempts import started
from rollout.tick.failures import Failures
from rollout.tick.fleet import Fleet
from rollout.tick.hooks import HookRunner
from rollout.tick.journal_sync import RETRIES, JournalSync
from rollout.tick.pod_history import PodHistoryReader
from rollout.tick.propose import Step, ask, propose
from rollout.tick.route_look import look_at_route

_CONFIRM_WITHIN = 1.0  # seconds per tick to wait until the mesh shows the new splits


@dataclass
class Controller:
    """Observes, decides and acts for every rollout of one journal; calls `on_entry` per entry."""

    ports: Ports
    version: str
    on_entry: Callable[[Entry], None] = lambda _entry: None
    fleet: Fleet = field(default_factory=Fleet)

    def __post_init__(self) -> None:
        self._sync = JournalSync(self.ports.journal, self.fleet, self._notify)
        self._failures = Failures()
        self._hook_runner = HookRunner(self.ports.hooks)
        self._pod_history = PodHistoryReader(self.ports.observer)

    @property
    def states(self) -> Mapping[str, RolloutState]:
        """Every rollout's state, by id; an ended one may lack its evidence (see `whole`)."""
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
        """Fold every entry that was appended since the last call, by us or by others."""
        self._sync.catch_up()

    def full_state(self, rollout: str) -> RolloutState:
        """Return a rollout's state with its evidence, read from the journal if it is not loaded.

        Raises JournalError.
        """
        return self.fleet.load_evidence(rollout, self.ports.journal)

    def start(self, plans: Sequence[Plan], *, uncalibrated: bool = False) -> list[str]:
        """Accept plans and return their rollout ids; a rollout already in the journal continues.

        Raises InputError for a plan whose stable version is not the recorded one, whose service is
        being rolled out by another plan, or that asks for a calibration and has none that holds,
        unless `uncalibrated`.
        """
        self.catch_up()
        for plan in plans:
            if plan.id not in self.states:  # a later attempt begins only by the command `retry`
                self.fleet.check_fits(plan)
                lacking = lacks_calibration(plan, self.calibrations.get(plan.id))
                if lacking and not uncalibrated:
                    raise InputError(lacking)
                at, waived = self.ports.clock.now(), bool(lacking)
                fact = started(plan, at=at, controller=self.version, uncalibrated=waived)
                self._sync.append([fact])
        return [self.fleet.attempt_of(plan.id) for plan in plans]

    def note(self, fact: Fact) -> None:
        """Record a fact that does not come from a look."""
        self.catch_up()
        self._sync.append([fact])

    def offer(self, facts: Sequence[Fact]) -> bool:
        """Record facts that depend on the current state; False where another entry came first."""
        return self._sync.try_append(facts)

    def tick(self) -> None:
        """Evaluate every due rollout, and attempt every change that is not confirmed once.

        Commands of people are decided and delivered first, since Prometheus may be slow. Raises
        JournalMovedError, after all else, where other writers won every attempt to decide.
        """
        self.catch_up()
        now = self.ports.clock.now()
        is_decided = self._decide(sorted(self.fleet.asked & self.fleet.active), {}, now)
        self._deliver(now)
        now = self.ports.clock.now()
        is_decided = self._look(now) and is_decided
        self._call_hooks(now)
        self._learn_pods(now)
        if not is_decided:  # after all else: what is recorded already must reach the mesh
            raise JournalMovedError(
                f"other writers came first {RETRIES} times: nothing was decided, and the next "
                "tick looks again"
            )

    def _look(self, now: float) -> bool:
        """Look at every due rollout whose new sample can be read; False where others came first."""
        due = self.fleet.due_looks(now, self.ports.journal)
        if not due:
            return True
        asks = [ask(rollout, self.states[rollout]) for rollout in due]
        answers = self.ports.observer.observe(asks, now)
        ready = [r for r in due if not self.fleet.put_off(r, answers[r], now)]
        if not ready:
            return True
        is_decided = self._decide(ready, answers, now)
        if is_decided:
            for rollout in ready:
                self.fleet.reschedule(rollout, now)
        self._deliver(now)
        return is_decided

    def _decide(self, rollouts: Sequence[str], answers: Mapping[str, Answer], now: float) -> bool:
        """Record the observations and the decisions on them, in one transaction for all rollouts.

        Where another entry came first, everything is computed again from the new state. False
        where others won every time.
        """
        router = self.ports.router
        reads = {r: look_at_route(router, r, self.states[r], now) for r in rollouts}
        for _ in range(RETRIES):
            ahead: list[Step] = []
            for r in rollouts:
                state, head, answer = self.states[r], self.head + len(ahead), answers.get(r)
                ahead += propose(r, state, head, reads=reads[r], answer=answer, now=now)
            if self._sync.try_append([fact for fact, _ in ahead], [state for _, state in ahead]):
                return True
        return False

    def _deliver(self, now: float) -> None:
        """Write every unconfirmed decision to the mesh, and then read them all back.

        All writes come first, so that the mesh applies them while we wait: one waiting time serves
        all rollouts.
        """
        router, clock = self.ports.router, self.ports.clock
        pending = self.fleet.unconfirmed.due(now)
        problems = {r: deliver.apply(router, r, self.states[r]) for r in pending}
        until = clock.now() + _CONFIRM_WITHIN
        for rollout, problem in problems.items():
            state = self._failures.counted(rollout, self.states[rollout])
            fact = deliver.confirm(router, clock, rollout, state, problem=problem, until=until)
            retry_at = self._failures.retry_at(rollout, state, fact)
            if retry_at is None:
                self._sync.append([fact])
            else:
                self.fleet.postpone(rollout, retry_at)

    def _call_hooks(self, now: float) -> None:
        """Record the hooks' answers and begin due calls; a tick does this after all traffic."""
        self._sync.append(self._hook_runner.answers(self.states, now))
        for rollout in self.fleet.calls.due(now):
            intent = self._hook_runner.intent(rollout, self.states[rollout], now)
            if intent is not None:
                self._sync.append([intent])
            self._hook_runner.begin(rollout, self.states[rollout])

    def _learn_pods(self, now: float) -> None:
        """Record what the past says of one rollout's pods, if a rollout waits for it."""
        fact = self._pod_history.fact(self.fleet.unlearned, self.states, now)
        if fact is not None:
            self._sync.append([fact])

    def _notify(self, entry: Entry) -> None:
        self.on_entry(entry)  # looked up at each call: the attribute may be replaced meanwhile
