"""Every rollout's state, folded from the journal, and who is due when; a cache, never the truth."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from rollout.decide.fold import fold, fold_all
from rollout.decide.record.facts import Calibrated, Fact, HumanSaid, Observed, Started, of_rollout
from rollout.decide.state.hooks import next_call
from rollout.decide.state.rollout import RolloutState
from rollout.errors import InputError
from rollout.plan.model.plan import Plan
from rollout.ports import Entry, Journal, SkippedObservation
from rollout.tick.due_queue import DueQueue

Place = tuple[str, str]


@dataclass
class Fleet:
    """All rollouts of one journal. Asking who is due costs what is due, not what waits.

    Evidence is nearly all of a journal, and of a rollout that has ended nobody needs it: none of it
    says what was decided. So at first it is passed over; such a rollout sleeps, its state has no
    gauges, until `wake` folds all of it.
    """

    states: dict[str, RolloutState] = field(default_factory=dict)
    calibrations: dict[str, Calibrated] = field(default_factory=dict)
    active: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    unlearned: set[str] = field(default_factory=set)
    looks: DueQueue = field(default_factory=DueQueue)
    unconfirmed: DueQueue = field(default_factory=DueQueue)
    calls: DueQueue = field(default_factory=DueQueue)
    head: int = 0
    _put_off: dict[str, float] = field(default_factory=dict)
    _places: dict[Place, list[str]] = field(default_factory=dict)
    _attempts: dict[str, str] = field(default_factory=dict)
    _asleep: dict[str, array[int]] = field(default_factory=dict)  # with their entries' places
    _to_wake: set[str] = field(default_factory=set)

    def read(self, journal: Journal) -> Iterator[Entry]:
        """Fold what was appended since; yields each entry once its rollout's state is what it says.

        Evidence that is passed over is not yielded. Raises JournalError; the next call goes on.
        """
        begins = not self.head
        for each in journal.skim() if begins else journal.read(self.head):
            if isinstance(each, SkippedObservation):
                self._pass_over(each.rollout, each.seq)
                continue
            if begins and isinstance(each.fact, Started):
                self._asleep[each.fact.rollout] = array("q")
            self.take(each)
            yield each

    def wake_active(self, journal: Journal) -> None:
        """Read the evidence of every rollout that goes on. Raises JournalError."""
        for rollout in sorted(self._to_wake):
            self.wake(rollout, journal)

    def wake(self, rollout: str, journal: Journal) -> RolloutState:
        """A rollout's whole state, read again if it sleeps. Raises JournalError."""
        places = self._asleep.get(rollout)
        if places is not None:
            state = fold_all((each.seq, each.fact) for each in journal.pick(places))
            del self._asleep[rollout]
            self.states[rollout] = state
            self._schedule(rollout, state)
        return self.states[rollout]

    def take(self, entry: Entry, known: RolloutState | None = None) -> None:
        """Fold one more entry; `known` is the state after it, where it was folded before."""
        rollout = entry.fact.rollout
        self.head = entry.seq
        if isinstance(entry.fact, Calibrated):
            self.calibrations[rollout] = entry.fact
        if not of_rollout(entry.fact):
            return
        if isinstance(entry.fact, Observed) and rollout in self._asleep:
            self._pass_over(rollout, entry.seq)
            return
        if _undoes(entry.fact) and self.newest_of(self.states[rollout].plan) != rollout:
            return  # nobody records that who reads the journal first; traffic is another's now
        if rollout in self._asleep:
            self._asleep[rollout].append(entry.seq)
        state = known or fold(self.states.get(rollout), entry.fact, entry.seq)
        self.states[rollout] = state
        if isinstance(entry.fact, Started):
            self._places.setdefault(place_of(state.plan), []).append(rollout)
            self._attempts[state.plan.id] = rollout
        self._schedule(rollout, state)

    def looked(self, rollout: str, now: float) -> None:
        """Put the next look off by an interval, also where there was nothing to record."""
        self._put_off[rollout] = now + self.states[rollout].plan.spec.interval
        self._schedule(rollout, self.states[rollout])

    def stable(self, namespace: str, service: str) -> str | None:
        """The version that the journal recorded last as a service's stable one."""
        there = sorted(self._places.get((namespace, service), ()))
        return recorded_stable(self.states[rollout] for rollout in there)

    def check_fits(self, plan: Plan) -> None:
        """Raises InputError for a service that is under way, or whose stable version is another."""
        place = place_of(plan)
        there = {rollout: self.states[rollout] for rollout in self._places.get(place, ())}
        for rollout, state in there.items():
            if not state.terminal:
                raise InputError(
                    f"{plan.spec.service} is being rolled out by {rollout}: abort it first"
                )
        recorded = self.stable(*place)
        if recorded is not None and recorded != plan.spec.stable.version:
            raise InputError(
                f"stable-mismatch: {plan.name} says {plan.spec.stable.version} is stable, "
                f"the journal says {recorded}"
            )

    def attempt_of(self, plan: str) -> str:
        """The rollout id of a plan's newest attempt, by the id of its first."""
        return self._attempts.get(plan, plan)

    def newest_of(self, plan: Plan) -> str | None:
        """The rollout of a plan's service that began last."""
        there = self._places.get(place_of(plan))
        return there[-1] if there else None

    def _pass_over(self, rollout: str, seq: int) -> None:
        if rollout not in self._asleep:
            raise ValueError(f"entry {seq} speaks of {rollout}, which was never started")
        self.head = seq
        self._asleep[rollout].append(seq)
        if self.states[rollout].gauges:
            self.states[rollout] = replace(self.states[rollout], gauges={})

    def _schedule(self, rollout: str, state: RolloutState) -> None:
        """Note what a rollout wants when: by the journal, so that a restart is no extra look."""
        _keep(self._to_wake, rollout, here=rollout in self._asleep and not state.terminal)
        _keep(self.active, rollout, here=not state.terminal)
        _keep(self.asked, rollout, here=state.asked is not None)
        _keep(self.unlearned, rollout, here=not (state.terminal or state.stepped))
        looked = (state.looked_at or 0.0) + state.plan.spec.interval
        at = max(looked, self._put_off.get(rollout, 0.0)) - 1e-3
        _plan(self.looks, rollout, math.inf if state.terminal else at)
        waits = not state.terminal and state.awaiting is not None
        _plan(self.unconfirmed, rollout, state.retry_at if waits else math.inf)
        call = next_call(state)
        _plan(self.calls, rollout, call[1].again_at if call else math.inf)


def fleet_of(journal: Journal) -> Fleet:
    """What a journal tells of its rollouts, all but their evidence. Raises JournalError."""
    fleet = Fleet()
    for _ in fleet.read(journal):
        pass
    return fleet


def place_of(plan: Plan) -> Place:
    """Namespace and service: what one rollout at a time may move."""
    return plan.metadata.namespace, plan.spec.service


def recorded_stable(states: Iterable[RolloutState]) -> str | None:
    """The version that the last ended rollout of one service, or its undoing, left there."""
    ended = [state for state in states if state.leaves is not None]
    ended.sort(key=lambda state: state.confirmed_at or 0.0)  # of two at once, the later begun
    return ended[-1].leaves if ended else None


def attempt_id(first: str, attempt: int) -> str:
    """`demo-1a2b3c4d` is `demo-1a2b3c-2` in its second attempt: as long, so a label as well."""
    tail = f"-{attempt}"
    return first if attempt == 1 else first[: -len(tail)] + tail


def _undoes(fact: Fact) -> bool:
    return isinstance(fact, HumanSaid) and fact.command == "undo"


def _keep(those: set[str], rollout: str, *, here: bool) -> None:
    (those.add if here else those.discard)(rollout)


def _plan(agenda: DueQueue, rollout: str, at: float) -> None:
    if math.isinf(at):
        agenda.drop(rollout)
    else:
        agenda.put(rollout, at)
