"""The body of the control loop.

How it works: a tick reads the journal's new entries, asks Prometheus for every rollout whose look
is due, decides, and appends the facts. Only then it writes to the mesh, and reads it back to
confirm. The journal comes before the mesh, so that a crash between the two loses nothing: the next
tick finds a decision without a confirmation and delivers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rollout.decide.record.facts import Calibrated, Fact, of_rollout
from rollout.decide.rules.calibration import lacks_calibration
from rollout.decide.state.rollout import RolloutState
from rollout.errors import FactError, InputError, JournalMovedError, RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer
from rollout.plan.model.terms import FULL, Authority
from rollout.ports import Answer, Entry, HistorySource, Ports, RouteStatus
from rollout.tick import bulkheads, deliver
from rollout.tick.attempts import started
from rollout.tick.failures import Failures
from rollout.tick.fleet import Fleet, ServiceKey, service_key
from rollout.tick.hooks import HookRunner
from rollout.tick.journal_sync import RETRIES, JournalSync
from rollout.tick.pod_history import PodHistoryReader
from rollout.tick.propose import Step, ask, propose
from rollout.tick.route_look import build_lacking, look_at_route
from rollout.tick.times.lived_time import LivedTime
from rollout.tick.turns import HangingTurns

_Result = TypeVar("_Result")

_OVERTAKEN = 3  # times that a write is judged anew because somebody else was quicker
_CONFIRM_WITHIN = 1.0  # seconds per tick to wait until the mesh shows the new splits


@dataclass
class Controller:
    """Observes, decides and acts for every rollout of one journal; calls `on_entry` per entry.

    `permit` raises InputError for a plan that names what this installation does not allow.
    `on_problem` is told of what went wrong in one rollout while the others went on. `prometheus` is
    the server of plans that name none; it is recorded at their start. `has_gaps`: see `LivedTime`.
    `authority` is the installation's: it bounds every plan's, and what is written to the mesh.
    """

    ports: Ports
    version: str
    on_entry: Callable[[Entry], None] = lambda _entry: None
    fleet: Fleet = field(default_factory=Fleet)
    permit: Callable[[Plan], None] = lambda _plan: None
    on_problem: Callable[[str], None] = lambda _problem: None
    prometheus: PrometheusServer | None = None
    has_gaps: bool = False
    authority: Authority = FULL

    def __post_init__(self) -> None:
        self._sync = JournalSync(self.ports.journal, self.fleet, self._notify)
        self._failures = Failures()
        self._lived = LivedTime(self.ports.clock.monotonic, self.has_gaps)
        self._bulkheads = bulkheads.Bulkheads(self._tell)
        self._router = bulkheads.GuardedRouter(
            self.ports.router, self.ports.clock.monotonic, self.authority, lambda: self.fleet.chain
        )
        turns = HangingTurns(self.ports.clock.monotonic)
        self._observer = bulkheads.GuardedObserver(self.ports.observer, turns)
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

        All of them are started, or none. Raises InputError for a plan whose stable version is not
        the recorded one, whose service is being rolled out by another plan or is another one's of
        these too, that is not permitted, or that asks for a calibration and has none that holds,
        unless `uncalibrated`.
        """
        self.catch_up()
        # A later attempt begins only by the command `retry`.
        self.check_apart(plans)
        new = {plan.id: plan for plan in plans if plan.id not in self.states}
        facts = [self._accept(plan, uncalibrated=uncalibrated) for plan in new.values()]
        self._sync.append(facts)
        return [self.fleet.attempt_of(plan.id) for plan in plans]

    def check_apart(self, plans: Sequence[Plan]) -> None:
        """Raise InputError where two plans that have yet to begin are of one service."""
        _check_services_differ(plan for plan in plans if plan.id not in self.states)

    def _accept(self, plan: Plan, *, uncalibrated: bool) -> Fact:
        """Return the fact that starts a plan. Raises InputError."""
        read_plan = plan.reading_by_default(self.prometheus)
        self.permit(read_plan)
        self.fleet.check_fits(plan)
        lacking = lacks_calibration(plan, self.calibrations.get(plan.id))
        if lacking and not uncalibrated:
            raise InputError(lacking)
        at, waived = self.ports.clock.now(), bool(lacking)
        return started(
            read_plan,
            at=at,
            controller=self.version,
            uncalibrated=waived,
            can_read_past=isinstance(self.ports.observer, HistorySource),
            authority=self.authority,
        )

    def note(self, fact: Fact) -> None:
        """Record a fact that does not come from a look."""
        self.catch_up()
        self._append([fact])

    def offer(self, facts: Sequence[Fact]) -> bool:
        """Record facts that depend on the current state; False where another entry came first."""
        return self._sync.try_append([self._stamp(fact) for fact in facts])

    def tick(self) -> None:
        """Evaluate every due rollout, and attempt every change that is not confirmed once.

        Commands of people are decided and delivered first, since Prometheus may be slow. What goes
        wrong in one rollout is told, and all others go on. Raises JournalMovedError, after all
        else, where other writers won every attempt to decide.
        """
        self._router.begin_tick(self._list_plans())
        self.catch_up()
        now = self._read_clock()
        is_decided = self._decide(sorted(self.fleet.asked & self.fleet.active), {}, now)
        self._deliver(now)
        now = self._read_clock()
        is_decided = self._look(now) and is_decided
        self._call_hooks(now)
        self._bulkheads.run("the pods' past", lambda: self._learn_pods(now))
        if not is_decided:  # after all else: what is recorded already must reach the mesh
            raise JournalMovedError(
                f"other writers came first {RETRIES} times: nothing was decided, and the next "
                "tick looks again"
            )

    def _read_clock(self) -> float:
        now = self.ports.clock.now()
        self.fleet.set_time(now)
        self._lived.begin_tick(now)
        return now

    def _look(self, now: float) -> bool:
        """Look at every due rollout whose new sample can be read; False where others came first."""
        due = self.fleet.due_looks(now, self.ports.journal)
        asks = {r: question for r in due if (question := self._run(r, ask, r, self.states[r]))}
        if not asks:
            return True
        waiting = self._observer.find_waiting([*asks.values()], self._list_plans())
        answers = self._observer.observe([asks[r] for r in asks if r not in waiting], now)
        late = [r for r in answers if self._router.is_hung(self.states[r].plan)]
        is_decided = self._take([r for r in answers if r not in late], answers, now)
        is_decided = self._take(late, answers, now) and is_decided
        if waiting:  # only once the others are where they should be
            asked = [asks[r] for r in waiting]
            answers = self._observer.observe_in_turn(asked, waiting, now)
            is_decided = self._take([*waiting], answers, now) and is_decided
        return is_decided

    def _list_plans(self) -> Iterator[Plan]:
        """Yield the plans of all rollouts that go on."""
        return (self.states[rollout].plan for rollout in self.fleet.active)

    def _take(self, rollouts: Sequence[str], answers: Mapping[str, Answer], now: float) -> bool:
        """Decide on answers and deliver what is decided; False where others came first."""
        ready = [r for r in rollouts if not self._run(r, self.fleet.put_off, r, answers[r], now)]
        if not ready:
            return True
        is_decided = self._decide(ready, answers, now)
        if is_decided:
            for rollout in ready:
                self._run(rollout, self.fleet.reschedule, rollout, now)
        self._deliver(now)
        return is_decided

    def _run(self, rollout: str, turn: Callable[..., _Result], *arguments: Any) -> _Result | None:
        return self._bulkheads.run(rollout, lambda: turn(*arguments))

    def _decide(self, rollouts: Sequence[str], answers: Mapping[str, Answer], now: float) -> bool:
        """Record the observations and the decisions on them, in one transaction for all rollouts.

        Where another entry came first, everything is computed again from the new state. False
        where others won every time. Where a fact cannot be written, each rollout's are written by
        themselves, and of that rollout's answer only the problem.
        """
        router, reads = self._router, {}
        for r in rollouts:
            reads[r] = self._run(r, look_at_route, router, r, self.states[r], now) or []
        for _ in range(RETRIES):
            ahead: list[Step] = []
            for r in rollouts:
                head, answer = self.head + len(ahead), answers.get(r)
                ahead += self._run(r, self._propose, r, head, reads[r], answer, now) or []
            try:
                if self._sync.try_append([fact for fact, _ in ahead], [s for _, s in ahead]):
                    recorded = {fact.rollout for fact, _ in ahead}
                    for r in rollouts:
                        self._lived.note_look(r, is_recorded=r in recorded)
                    return True
            except FactError as error:
                return self._decide_apart(rollouts, answers, now, error)
        return False

    def _propose(
        self, rollout: str, head: int, reads: Sequence[Fact], answer: Answer | None, now: float
    ) -> list[Step]:
        state = self.states[rollout]
        return propose(
            rollout,
            state,
            head,
            reads=reads,
            answer=answer,
            now=now,
            lived=self._lived.read(rollout, state, now, answer.skew if answer else None),
            is_quiet=self._lived.is_quiet(rollout),
            controller=self.version,
        )

    def _decide_apart(
        self, rollouts: Sequence[str], answers: Mapping[str, Answer], now: float, error: FactError
    ) -> bool:
        """Decide on each rollout by itself, and on one alone without what cannot be written."""
        if len(rollouts) > 1:
            decided = [self._decide([rollout], answers, now) for rollout in rollouts]
            return all(decided)
        (rollout,) = rollouts
        self._bulkheads.tell(rollout, error)
        if rollout not in answers:
            return True
        problem = f"the answer cannot be recorded ({error})"
        unread = {rollout: bulkheads.blind(self.states[rollout].plan, problem)}
        return answers[rollout] == unread[rollout] or self._decide(rollouts, unread, now)

    def _deliver(self, now: float) -> None:
        """Write every unconfirmed decision to the mesh, and then read them all back.

        All writes come first, so that the mesh applies them while we wait: one waiting time serves
        all rollouts. Those that go back to stable come before all others.
        """
        pending = self.fleet.unconfirmed.due(now)
        pending.sort(key=self._find_turn)
        problems = {r: self._run(r, self._write, r) for r in pending}
        until = self.ports.clock.monotonic() + _CONFIRM_WITHIN
        for rollout, problem in problems.items():
            self._run(rollout, self._confirm, rollout, problem, until)

    def _find_turn(self, rollout: str) -> tuple[bool, bool, float]:
        state = self.states[rollout]
        is_hung = self._router.is_hung(state.plan)
        return not state.is_going_back, is_hung, self._router.find_last_try(state.plan)

    def _write(self, rollout: str) -> deliver.Problem | None:
        """Write one rollout's change, after what its route shows that is not ours is recorded."""

        def note(status: RouteStatus) -> RolloutState:
            state, now = self.states[rollout], self.ports.clock.now()
            self._append([build_lacking(rollout, state, status, now)])
            return self.states[rollout]

        problem: deliver.Problem | None = None
        for _ in range(_OVERTAKEN):
            problem = deliver.apply(self._router, rollout, self.states[rollout], note)
            if not (isinstance(problem, RouteError) and problem.overtaken):
                break
        return problem

    def _confirm(self, rollout: str, problem: deliver.Problem | None, until: float) -> None:
        """Read one rollout's change back, and record what the mesh shows."""
        state = self._failures.counted(rollout, self.states[rollout])
        clock = self.ports.clock
        fact = deliver.confirm(self._router, clock, rollout, state, problem=problem, until=until)
        retry_at = self._failures.retry_at(rollout, state, fact)
        if retry_at is None:
            self._append([fact])
        else:
            self.fleet.postpone(rollout, retry_at)

    def count_attempts(self, rollout: str) -> int:
        """Return how often in a row the mesh did not take a rollout's decided weight."""
        return self._failures.counted(rollout, self.states[rollout]).delivery.attempts

    def _call_hooks(self, now: float) -> None:
        """Record the hooks' answers and begin due calls; a tick does this after all traffic."""
        self._append(self._hook_runner.answers(self.states, now))
        for rollout in self.fleet.calls.due(now):
            self._run(rollout, self._call_hook, rollout, now)

    def _call_hook(self, rollout: str, now: float) -> None:
        intent = self._hook_runner.intent(rollout, self.states[rollout], now)
        if intent is not None:
            self._append([intent])
        self._hook_runner.begin(rollout, self.states[rollout])

    def _learn_pods(self, now: float) -> None:
        """Record what the past says of one rollout's pods, if a rollout waits for it."""
        fact = self._pod_history.fact(self.fleet.unlearned, self.states, now)
        if fact is not None:
            self._append([fact])

    def _append(self, facts: Sequence[Fact]) -> None:
        """Append facts that stay true whatever else is appended, with their lived time."""
        self._sync.append([self._stamp(fact) for fact in facts])

    def _stamp(self, fact: Fact) -> Fact:
        """Return a fact of a rollout with the time that it has lived through."""
        state = self.states.get(fact.rollout)
        if state is None or fact.lived is not None or not of_rollout(fact):
            return fact
        return fact.model_copy(update={"lived": self._lived.read(fact.rollout, state, fact.at)})

    def _notify(self, entry: Entry) -> None:
        self.on_entry(entry)  # looked up at each call: the attribute may be replaced meanwhile

    def _tell(self, problem: str) -> None:
        self.on_problem(problem)


def _check_services_differ(plans: Iterable[Plan]) -> None:
    """Raise InputError where two plans are of one service: only one may change its traffic."""
    first: dict[ServiceKey, Plan] = {}
    for plan in plans:
        other = first.setdefault(service_key(plan), plan)
        if other.id != plan.id:
            raise InputError(
                f"{other.name} and {plan.name} are both of {plan.spec.service}: nothing was "
                "started, run one after the other"
            )
