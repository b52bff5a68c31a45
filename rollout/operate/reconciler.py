"""One tick with plans as resources: take up what is declared, look and decide, show what is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from rollout.decide.record.facts import HumanSaid
from rollout.decide.rules.calibration import WAIVER
from rollout.decide.state.rollout import Phase
from rollout.errors import InputError
from rollout.kube.kinds import Json
from rollout.operate.annotations import ACTOR, facts_for_annotation, requested_command
from rollout.operate.plan_cache import Declared, PlanCache, Resources
from rollout.operate.status.conditions import PlanAcceptance
from rollout.operate.status.history import RolloutHistory
from rollout.operate.status.outbox import StatusOutbox
from rollout.operate.status.sync import StatusSync
from rollout.operate.triggers.trigger import Triggers
from rollout.plan.kube.resource import name_of
from rollout.ports import Entry
from rollout.tick.controller import Controller

_GOING_BACK: set[Phase] = {"reverting", "undoing", "promoted"}  # promoted: an undo is said


@dataclass
class Reconciler:
    """Carries out the plans of a namespace, or of all, with one controller.

    A resource is a wish, the journal is what happened: an edit starts a rollout of its own once
    the one under way has ended, and a resource that is gone aborts it.
    """

    controller: Controller
    plans: Resources
    board: StatusOutbox
    namespace: str | None = None
    on_entry: Callable[[Entry], None] = lambda _entry: None
    triggers: Triggers | None = None
    _reader: PlanCache = field(default_factory=PlanCache)
    _ledger: RolloutHistory = field(init=False)
    _refused: dict[str, tuple[tuple[str, int, bool], str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ledger = RolloutHistory(self.controller.states)
        self.controller.on_entry = self._note
        self._display = StatusSync(self.board, self._ledger, self.controller)

    def tick(self) -> None:
        """Tick, take up what the resources declare, post what has changed; waits for no cluster."""
        self.controller.tick()  # first of all: a rollback waits for nothing
        found = self.plans.list()
        if found is None:  # not the same as none: nothing is taken up and nothing is aborted
            return
        resources = {name_of(each): each for each in found if not _leaving(each)}
        self._abort_orphans(resources)
        now = self.controller.ports.clock.now()
        for name, resource in resources.items():
            self._display.show(name, resource, self._take_up(name, resource), now)
        self._forget(resources)
        if self.triggers is not None:
            held = {name_of(each) for each in found}
            self.triggers.consider(lambda name: self._is_known(name, held), self.controller.fleet)

    def _is_known(self, name: str, held: Collection[str]) -> bool:
        """Whether a plan of this name is there, or was: a deleted plan is not made again."""
        return name in held or self._ledger.story(name) is not None

    def _note(self, entry: Entry) -> None:
        self._ledger.note(entry)
        self.on_entry(entry)

    def _abort_orphans(self, resources: Mapping[str, Json]) -> None:
        """Say abort for rollouts whose resource is gone; a journal that moved is told next time."""
        for name, story in self._ledger.under_way():
            state = story.state
            told = state.phase in _GOING_BACK or (state.asked and state.asked.command == "abort")
            if name in resources or told or not self._ours(name):
                continue
            said = HumanSaid(
                rollout=story.rollout,
                at=self.controller.ports.clock.now(),
                command="abort",
                actor=ACTOR,
                reason=f"the RolloutPlan {name} was deleted",
            )
            if not self.controller.offer([said]):
                return

    def _ours(self, name: str) -> bool:
        return self.namespace is None or name.startswith(f"{self.namespace}/")

    def _take_up(self, name: str, resource: Json) -> PlanAcceptance:
        """Start what the resource declares, or say why not."""
        read = self._reader.read(resource)
        if not isinstance(read, Declared):
            return PlanAcceptance("Invalid", read)
        story, own = self._ledger.story(name), self.controller.fleet.attempt_of(read.rollout)
        other = story.rollout if story and not story.state.terminal else own
        if own in self.controller.states:
            return self._hear(name, resource, own) if other == own else _ended(own, other)
        if other != own:
            return PlanAcceptance(plan=own, pending=own, running=other)
        told = (resource.get("status") or {}).get("rollout")
        if told and story is None:
            return _forgotten(told, own)
        waived = bool((resource["metadata"].get("annotations") or {}).get(WAIVER))
        problem = self._start(name, read, waived=waived)
        return PlanAcceptance("Refused", (problem,), own) if problem else PlanAcceptance(plan=own)

    def _hear(self, name: str, resource: Json, own: str) -> PlanAcceptance:
        """Record what the annotations ask for; a journal that moved is told next time."""
        word = requested_command(resource, self._ledger.words(name))
        if word is None:
            return PlanAcceptance(plan=own)
        deciding = self.controller
        at, version = deciding.ports.clock.now(), deciding.version
        try:
            facts = facts_for_annotation(deciding.fleet, own, word, at=at, controller=version)
        except InputError as error:
            return PlanAcceptance("Refused", (f"{word[0]}: {error}",), own)
        return PlanAcceptance(plan=facts[-1].rollout if deciding.offer(facts) else own)

    def _start(self, name: str, read: Declared, *, waived: bool) -> str:
        """The reason why a plan cannot start now; asked again only when something has moved."""
        requested_command = (read.rollout, self.controller.head, waived)
        before, words = self._refused.get(name, (None, ""))
        if before == requested_command:
            return words
        try:
            self.controller.start([read.plan], uncalibrated=waived)
        except InputError as error:
            self._refused[name] = (requested_command, str(error))
            return str(error)
        self._refused.pop(name, None)
        return ""

    def _forget(self, resources: Mapping[str, Json]) -> None:
        self._ledger.drop_news()
        self._reader.keep(resources)
        self._display.keep(resources)
        for name in self._refused.keys() - resources.keys():
            del self._refused[name]


def _ended(own: str, other: str) -> PlanAcceptance:
    """An edit back to a plan that was carried out before, while another is."""
    said = f"{own} has ended and does not start again; {other} goes on: abort it to end it"
    return PlanAcceptance("Ended", (said,), own)


def _forgotten(told: str, own: str) -> PlanAcceptance:
    """A rollout was shown, but is in no journal: another one might move its traffic back."""
    said = (
        f"the status tells of {told}, but this journal does not know it: restore the journal, or "
        "delete the plan and apply it anew"
    )
    return PlanAcceptance("Forgotten", (said,), own)


def _leaving(resource: Json) -> bool:
    """Whether somebody deleted it and only finalizers hold it."""
    return bool(resource["metadata"].get("deletionTimestamp"))
