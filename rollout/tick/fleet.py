"""Every rollout's state and due times: a cache that is folded from the journal."""

from __future__ import annotations

import math
from array import array
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from rollout.decide.evidence.pod_history import may_learn
from rollout.decide.fold import SLOWEST_RETRY, find_slowest_retry, fold, fold_all
from rollout.decide.record.before import note_moved_by_others
from rollout.decide.record.facts import Calibrated, Fact, HumanSaid, Observed, Started, of_rollout
from rollout.decide.record.write_id import name_chain
from rollout.decide.rules.conclusion import is_watched
from rollout.decide.state.hooks import next_call
from rollout.decide.state.rollout import RolloutState
from rollout.errors import InputError, ReplayError
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Entry, Journal, SkippedObservation
from rollout.tick.times.due_queue import DueQueue
from rollout.tick.times.look_times import LookTimes

ServiceKey = tuple[str, str]


@dataclass
class Fleet:
    """All rollouts of one journal; a query for due ones costs time only for those.

    Evidence is nearly all of a journal, and nobody needs it for a rollout that has ended: decisions
    are facts of their own. So the first read skips it. A rollout whose evidence was skipped is
    "unloaded": its state has no guardrails until `load_evidence` folds all of its entries.
    """

    states: dict[str, RolloutState] = field(default_factory=dict)
    calibrations: dict[str, Calibrated] = field(default_factory=dict)
    watches: bool = False  # ended rollouts are looked at for a while (`conclusion.is_watched`)
    active: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    unlearned: set[str] = field(default_factory=set)
    looks: DueQueue = field(default_factory=DueQueue)
    unconfirmed: DueQueue = field(default_factory=DueQueue)
    calls: DueQueue = field(default_factory=DueQueue)
    head: int = 0
    chain: str = ""  # the journal's name, by its first entry
    _now: float = math.inf  # of the newest tick
    _retry_at: dict[str, tuple[int, float]] = field(default_factory=dict)
    look_times: LookTimes = field(default_factory=LookTimes)
    _by_service: dict[ServiceKey, list[str]] = field(default_factory=dict)
    _attempts: dict[str, str] = field(default_factory=dict)
    _unloaded: dict[str, array[int]] = field(default_factory=dict)  # entry numbers
    _to_load: set[str] = field(default_factory=set)

    def read(self, journal: Journal) -> Iterator[Entry]:
        """Fold the entries appended since the last call, and yield every entry after its fold.

        Skipped evidence is not yielded. Raises JournalError; the next call continues there.
        """
        is_first_read = not self.head
        for entry in journal.scan() if is_first_read else journal.read(self.head):
            if isinstance(entry, SkippedObservation):
                self._skip_observation(entry.rollout, entry.seq)
                continue
            if is_first_read and isinstance(entry.fact, Started):
                self._unloaded[entry.fact.rollout] = array("q")
            self.fold_entry(entry)
            yield entry

    def load_active_evidence(self, journal: Journal) -> None:
        """Load the evidence of every rollout that has not ended. Raises JournalError."""
        for rollout in sorted(self._to_load):
            self.load_evidence(rollout, journal)

    def load_evidence(self, rollout: str, journal: Journal) -> RolloutState:
        """Return a rollout's state with its evidence, loaded if needed. Raises JournalError."""
        numbers = self._unloaded.get(rollout)
        if numbers is not None:
            state = fold_all((entry.seq, entry.fact) for entry in journal.read_at(numbers))
            del self._unloaded[rollout]
            self.states[rollout] = state
            self._schedule(rollout, state)
        return self.states[rollout]

    def fold_entry(self, entry: Entry, folded: RolloutState | None = None) -> None:
        """Fold one more entry; `folded` is the state after it where the caller has it already.

        Raises ReplayError; then nothing has changed, and the entry is not passed over.
        """
        rollout = entry.fact.rollout
        if entry.seq == 1:
            self.chain = name_chain(entry.hash)
        if isinstance(entry.fact, Observed) and rollout in self._unloaded:
            self._skip_observation(rollout, entry.seq)
            return
        state = folded or self._fold_fact(self.states, entry.fact, entry.seq)
        self.head = entry.seq
        if isinstance(entry.fact, Calibrated):
            self.calibrations[rollout] = entry.fact
        if state is None:
            return
        if rollout in self._unloaded:
            self._unloaded[rollout].append(entry.seq)
        self.states[rollout] = state
        if isinstance(entry.fact, Started):
            self._by_service.setdefault(service_key(state.plan), []).append(rollout)
            self._attempts[state.plan.id] = rollout
        self._schedule(rollout, state)

    def fold_ahead(self, facts: Iterable[Fact]) -> list[RolloutState | None]:
        """Return the state after each of these facts, were they the next entries.

        None for one that changes no state, or that is folded once its evidence is loaded. Raises
        ReplayError: what cannot be replayed must not be recorded.
        """
        states: ChainMap[str, RolloutState] = ChainMap({}, self.states)
        ahead: list[RolloutState | None] = []
        for seq, fact in enumerate(facts, self.head + 1):
            is_unread = isinstance(fact, Observed) and fact.rollout in self._unloaded
            state = None if is_unread else self._fold_fact(states, fact, seq)
            if state is not None:
                states[fact.rollout] = state
            ahead.append(state)
        return ahead

    def _fold_fact(
        self, states: Mapping[str, RolloutState], fact: Fact, seq: int
    ) -> RolloutState | None:
        """Return a rollout's state after one more fact; None for one that changes none."""
        if not of_rollout(fact) or self._is_void_undo(fact):
            return None
        return fold(states.get(fact.rollout), fact, seq)

    def reschedule(self, rollout: str, now: float) -> None:
        """Schedule the look after one at `now`, also where there was nothing to record."""
        self.look_times.note(rollout, now)
        self._schedule(rollout, self.states[rollout])

    def put_off(self, rollout: str, answer: Answer, now: float) -> bool:
        """Put a look off whose sample cannot be read yet; False where it must not wait."""
        is_put_off = self.look_times.put_off(rollout, self.states[rollout], answer, now)
        if is_put_off:
            self._schedule(rollout, self.states[rollout])
        return is_put_off

    def postpone(self, rollout: str, at: float) -> None:
        """Try an unconfirmed change again at this time, without an entry that says so."""
        state = self.states[rollout]
        self._retry_at[rollout] = state.delivery.decision, at
        self._schedule(rollout, state)

    def stable(self, namespace: str, service: str) -> str | None:
        """Return the version that the journal recorded last as a service's stable one."""
        rollouts = self._by_service.get((namespace, service), ())
        return recorded_stable(self.states[rollout] for rollout in rollouts)

    def versions_of(self, namespace: str, service: str) -> set[str]:
        """Return every version of a service that the journal's rollouts name."""
        rollouts = self._by_service.get((namespace, service), ())
        return {version for rollout in rollouts for version in self.states[rollout].versions}

    def how_to_end(self, rollout: str) -> str:
        """Say what ends an open rollout; one that was aborted is not aborted once more."""
        state = self.states[rollout]
        is_aborted = state.asked is not None and state.asked.command == "abort"
        if not (is_aborted or state.is_going_back):
            return f"wait for its end, or abort it first (`surefoot abort {state.plan.name}`)"
        return (
            f"it goes back to {state.versions[0]} already; where that cannot end, `surefoot abort "
            f'{state.plan.name} --unreachable --reason "..."` ends it'
        )

    def check_fits(self, plan: Plan) -> None:
        """Check that the plan's service is free and its stable version is the recorded one.

        Raises InputError where it is being rolled out, or its stable version is another.
        """
        service = service_key(plan)
        if (rollout := self.under_way(plan)) is not None:
            raise InputError(
                f"{plan.spec.service} is being rolled out by {rollout}: {self.how_to_end(rollout)}"
            )
        if (other := self.unfollowed(plan)) is not None:
            raise InputError(
                f"traffic of {plan.spec.service} does not follow the end of {other}: it begins "
                f"once that is seen, or `surefoot confirm {self.states[other].plan.name}` says so"
            )
        recorded = self.stable(*service)
        if recorded is not None and recorded != plan.spec.stable.version:
            raise InputError(
                f"stable-mismatch: {plan.name} has spec.stable.version "
                f"{plan.spec.stable.version}, the journal has {recorded}: set it to {recorded}"
            )

    def unfollowed(self, plan: Plan) -> str | None:
        """Return the rollout whose last write the service's traffic does not follow, or None."""
        rollout = self._newest_writer(service_key(plan))
        following = self.states[rollout].following if rollout else None
        return rollout if following is not None and following.blocks_next else None

    def _newest_writer(self, service: ServiceKey) -> str | None:
        """Return the rollout that gave or took a service's traffic last, or None.

        It is an older one than the newest where a promotion was undone past its successor.
        """
        written = [r for r in self._by_service.get(service, ()) if self.states[r].first_write]
        return max(written, key=lambda r: self.states[r].delivery.decision, default=None)

    def set_time(self, now: float) -> None:
        """Take the time of a tick; where the clock was set back, find all due times again.

        Times of the journal may lie in the future then, also right after a start.
        """
        is_set_back = now < self._now
        self._now = self.look_times.now = now
        if is_set_back:
            for rollout, state in self.states.items():
                self._schedule(rollout, state)

    def due_looks(self, now: float, journal: Journal) -> list[str]:
        """Return the rollouts whose look is due, with their evidence. Raises JournalError.

        An ended one whose watch is over leaves the queue: only the time of its look was known when
        it was scheduled.
        """
        due = []
        for rollout in self.looks.due(now):
            if not self._is_looked_at(rollout, now):
                self.looks.cancel(rollout)
                continue
            due.append(rollout)
        due = self.look_times.spread(due, self.states, now)
        for rollout in due:
            self.load_evidence(rollout, journal)
        return due

    def _is_looked_at(self, rollout: str, now: float) -> bool:
        """Return whether a rollout is open, or has ended and its traffic is still watched.

        The next write for the service ends the watch: it is another rollout's traffic then.
        """
        state = self.states[rollout]
        if not state.is_terminal:
            return True
        if not self.watches or not is_watched(state, state.estimate_clock(now)):
            return False
        return self._newest_writer(service_key(state.plan)) == rollout

    def attempt_of(self, plan: str) -> str:
        """Return the rollout id of a plan's newest attempt, by the id of its first."""
        return self._attempts.get(plan, plan)

    def plan_of(self, rollout: str) -> str | None:
        """Return the id of the plan that a rollout is the newest attempt of, or None."""
        plans = (plan for plan, newest in self._attempts.items() if newest == rollout)
        return next(plans, None)

    def newest_of(self, plan: Plan) -> str | None:
        """Return the rollout of a plan's service that began last, or None."""
        rollouts = self._by_service.get(service_key(plan))
        return rollouts[-1] if rollouts else None

    def newest_promotion(self, plan: Plan) -> str | None:
        """Return the rollout whose promotion gave the plan's service its stable version, or None.

        A promotion that was undone no longer counts, and neither does a successor that failed.
        """
        rollouts = self._by_service.get(service_key(plan), ())
        promoted = [r for r in rollouts if self.states[r].phase in {"promoted", "undoing"}]
        return max(promoted, key=lambda r: self.states[r].delivery.decision, default=None)

    def list_moved_beside(self, plan: Plan) -> tuple[str, ...]:
        """Return records of the routes in a plan's object that other services' rollouts moved.

        Those of open rollouts and of promotions: what was taken back gives no canary anything.
        """
        others = [
            state
            for state in self.states.values()
            if _holder_of(state.plan) == _holder_of(plan)
            and service_key(state.plan) != service_key(plan)
            and state.first_write
            and (state.phase == "promoted" or not state.is_terminal)
        ]
        return note_moved_by_others(line for state in others for line in state.led_before)

    def under_way(self, plan: Plan) -> str | None:
        """Return the rollout of a plan's service that has not ended, or None."""
        rollouts = self._by_service.get(service_key(plan), ())
        return next((r for r in rollouts if not self.states[r].is_terminal), None)

    def _is_void_undo(self, fact: Fact) -> bool:
        """Return whether a fact is an undo without effect: the traffic belongs to another rollout.

        A writer that had read the journal would not record it. The newest rollout of a service
        can be undone, and the newest promotion where the fact says so: earlier versions recorded
        an undo of an older rollout as a command without effect, and it must not gain one now.
        """
        if not isinstance(fact, HumanSaid) or fact.command != "undo":
            return False
        if fact.rollout not in self.states:
            return False
        plan = self.states[fact.rollout].plan
        if self.newest_of(plan) == fact.rollout:
            return False
        is_newest = self.newest_promotion(plan) == fact.rollout
        return not (fact.past_successor and is_newest and self.under_way(plan) is None)

    def _skip_observation(self, rollout: str, seq: int) -> None:
        """Note the number of an unread observation, so that `load_evidence` can load it.

        The state loses its guardrails: without this observation they would be incomplete.
        """
        if rollout not in self._unloaded:
            raise ReplayError(f"entry {seq} speaks of {rollout}, which was never started")
        self.head = seq
        self._unloaded[rollout].append(seq)
        if self.states[rollout].guardrails:
            self.states[rollout] = replace(self.states[rollout], guardrails={}, segments={})

    def _schedule(self, rollout: str, state: RolloutState) -> None:
        """Update the due times, from the journal's times: a restart causes no extra look."""
        at = self._bound(self.look_times.due_at(rollout, state), state.plan.spec.interval)
        _set_member(
            self._to_load, rollout, is_member=rollout in self._unloaded and not state.is_terminal
        )
        _set_member(self.active, rollout, is_member=not state.is_terminal)
        _set_member(self.asked, rollout, is_member=state.asked is not None)
        _set_member(self.unlearned, rollout, is_member=may_learn(state))
        _set_due(self.looks, rollout, at if self._is_looked_at(rollout, at) else math.inf)
        is_unconfirmed = not state.is_terminal and state.delivery.is_open
        retry_at = self._bound(self._find_retry(rollout, state), find_slowest_retry(state))
        _set_due(self.unconfirmed, rollout, retry_at if is_unconfirmed else math.inf)
        call = next_call(state)
        again_at = self._bound(call[1].again_at, SLOWEST_RETRY) if call else math.inf
        _set_due(self.calls, rollout, again_at)

    def _find_retry(self, rollout: str, state: RolloutState) -> float:
        """Return when to try to deliver again. A newer decision does not wait for an older one."""
        decision, postponed_to = self._retry_at.get(rollout, (0, 0.0))
        is_same = decision == state.delivery.decision
        return max(state.delivery.retry_at, postponed_to if is_same else 0.0)

    def _bound(self, at: float, longest: float) -> float:
        """Return a due time; now, where it is further away than such a time can be.

        The clock was set back since: a time in the future counts as due.
        """
        return self._now if at > self._now + longest else at


def fleet_of(journal: Journal) -> Fleet:
    """Return the rollouts of a journal without their evidence. Raises JournalError."""
    fleet = Fleet()
    for _ in fleet.read(journal):
        pass
    return fleet


def service_key(plan: Plan) -> ServiceKey:
    """Return the plan's namespace and service; only one rollout at a time may change them."""
    return plan.metadata.namespace, plan.spec.service


def _holder_of(plan: Plan) -> tuple[str, dict[str, str]]:
    """Return the file or object that holds a plan's weights; files are of no namespace."""
    route = plan.spec.route
    return "" if route.envoy is not None else plan.metadata.namespace, route.holder


def recorded_stable(states: Iterable[RolloutState]) -> str | None:
    """Return the stable version after the last ended rollout (or undo) of one service.

    The last is the one whose end was decided last in the journal. Times do not tell: two may be
    equal, or come from two machines. Rollouts of one service never overlap, so their last
    decisions are in the order of their ends.
    """
    ended = [state for state in states if state.stable_after is not None]
    last = max(ended, key=lambda state: state.delivery.decision, default=None)
    return last.stable_after if last else None


def _set_member(rollouts: set[str], rollout: str, *, is_member: bool) -> None:
    (rollouts.add if is_member else rollouts.discard)(rollout)


def _set_due(queue: DueQueue, rollout: str, at: float) -> None:
    """Schedule a rollout; an infinite time removes it from the queue."""
    if math.isinf(at):
        queue.cancel(rollout)
    else:
        queue.schedule(rollout, at)
