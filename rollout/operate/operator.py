"""One tick with plans as resources: take up what is declared, look and decide, show what is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from rollout.decide.calibration import WAIVER
from rollout.decide.facts import HumanSaid
from rollout.decide.state import Phase
from rollout.errors import InputError, JournalMovedError
from rollout.operate.asking import ACTOR, asked, heard
from rollout.operate.board import Board, Notice
from rollout.operate.conditions import Reading, utc
from rollout.operate.events import event_of, refused
from rollout.operate.ledger import Ledger
from rollout.operate.reading import Declared, Reader
from rollout.operate.status import Story, is_told, with_rollout, without_rollout
from rollout.operate.trigger import Triggers
from rollout.plan.resource import name_of
from rollout.ports import Entry
from rollout.tick.controller import Controller
from rollout.tick.fleet import place_of

Json = dict[str, Any]

_GOING_BACK: set[Phase] = {"reverting", "undoing", "promoted"}  # promoted: an undo is said


class Plans(Protocol):
    """The resources that declare plans."""

    def list(self) -> Sequence[Json] | None:
        """All of them as last seen; None while that is not known."""
        ...


@dataclass(frozen=True)
class Shown:
    """What a resource was last told to show, and what that was made of."""

    basis: tuple[Any, ...]
    status: Json


@dataclass
class Operator:
    """Carries out the plans of a namespace, or of all, with one controller.

    A resource is a wish, the journal is what happened: an edit starts a rollout of its own once
    the one under way has ended, and a resource that is gone aborts it.
    """

    controller: Controller
    plans: Plans
    board: Board
    namespace: str | None = None
    on_entry: Callable[[Entry], None] = lambda _entry: None
    triggers: Triggers | None = None
    _reader: Reader = field(default_factory=Reader)
    _ledger: Ledger = field(init=False)
    _refused: dict[str, tuple[tuple[str, int, bool], str]] = field(default_factory=dict)
    _shown: dict[str, Shown] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.controller.states)
        self.controller.on_entry = self._note

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
            self._show(name, resource, self._take_up(name, resource), now)
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
            ports = self.controller.ports
            said = HumanSaid(
                rollout=story.rollout,
                at=ports.clock.now(),
                command="abort",
                actor=ACTOR,
                reason=f"the RolloutPlan {name} was deleted",
            )
            try:
                ports.journal.append([said], self.controller.head)
            except JournalMovedError:
                return
            self.controller.catch_up()

    def _ours(self, name: str) -> bool:
        return self.namespace is None or name.startswith(f"{self.namespace}/")

    def _take_up(self, name: str, resource: Json) -> Reading:
        """Start what the resource declares, or say why not."""
        read = self._reader.read(resource)
        if not isinstance(read, Declared):
            return Reading("Invalid", read)
        story, own = self._ledger.story(name), self.controller.fleet.attempt_of(read.rollout)
        other = story.rollout if story and not story.state.terminal else own
        if own in self.controller.states:
            return self._hear(name, resource, own) if other == own else _ended(own, other)
        if other != own:
            return Reading(plan=own, pending=own, running=other)
        told = (resource.get("status") or {}).get("rollout")
        if told and story is None:
            return _forgotten(told, own)
        waived = bool((resource["metadata"].get("annotations") or {}).get(WAIVER))
        problem = self._start(name, read, waived=waived)
        return Reading("Refused", (problem,), own) if problem else Reading(plan=own)

    def _hear(self, name: str, resource: Json, own: str) -> Reading:
        """Record what the annotations ask for; a journal that moved is told next time."""
        word = asked(resource, self._ledger.words(name))
        if word is None:
            return Reading(plan=own)
        deciding, ports = self.controller, self.controller.ports
        at, version = ports.clock.now(), deciding.version
        try:
            facts = heard(deciding.fleet, own, word, at=at, controller=version)
            ports.journal.append(facts, deciding.head)
        except InputError as error:
            return Reading("Refused", (f"{word[0]}: {error}",), own)
        except JournalMovedError:
            return Reading(plan=own)
        deciding.catch_up()
        return Reading(plan=facts[-1].rollout)

    def _start(self, name: str, read: Declared, *, waived: bool) -> str:
        """The reason why a plan cannot start now; asked again only when something has moved."""
        asked = (read.rollout, self.controller.head, waived)
        before, words = self._refused.get(name, (None, ""))
        if before == asked:
            return words
        try:
            self.controller.start([read.plan], uncalibrated=waived)
        except InputError as error:
            self._refused[name] = (asked, str(error))
            return str(error)
        self._refused.pop(name, None)
        return ""

    def _show(self, name: str, resource: Json, reading: Reading, now: float) -> None:
        """Post the resource's status if it is not what it should be, and its Events."""
        story, before = self._ledger.story(name, reading.plan), self._shown.get(name)
        fleet = self.controller.fleet
        stable = fleet.stable(*place_of(story.state.plan)) if story else None
        basis = (*_basis(resource, reading, story, now), stable)
        events = self._events(name, resource)
        if before is None or before.basis != basis:
            shown = resource if before is None else {**resource, "status": before.status}
            if reading.reason != "Accepted":
                events.append(refused(resource, reading, now))
            status = _status(shown, reading, self._seen(shown, story), now, stable)
            before = self._shown[name] = Shown(basis, status)
        if events or resource.get("status") != before.status:
            uid, version = (resource["metadata"][key] for key in ("uid", "resourceVersion"))
            self.board.post(name, Notice(uid, version, before.status, tuple(events)), now)

    def _seen(self, resource: Json, story: Story | None) -> Story | None:
        """The story with its evidence, unless the resource shows already what came of that."""
        if story is None or story.state.gauges or is_told(resource, story):
            return story
        return replace(story, state=self.controller.whole(story.rollout))

    def _events(self, name: str, resource: Json) -> list[Json]:
        """What happened since the status says, and since this resource exists."""
        journal = (resource.get("status") or {}).get("journal") or {}
        told, since = journal.get("entry", 0), resource["metadata"]["creationTimestamp"]
        made = [
            event_of(resource, news.entry, news.phase)
            for news in self._ledger.news(name)
            if news.entry.seq > told and utc(news.entry.fact.at) >= since
        ]
        return [event for event in made if event is not None]

    def _forget(self, resources: Mapping[str, Json]) -> None:
        self._ledger.drop_news()
        self._reader.keep(resources)
        self.board.keep(resources)
        for known in (self._shown, self._refused):
            for name in known.keys() - resources.keys():
                del known[name]


def _ended(own: str, other: str) -> Reading:
    """An edit back to a plan that was carried out before, while another is."""
    said = f"{own} has ended and does not start again; {other} goes on: abort it to end it"
    return Reading("Ended", (said,), own)


def _forgotten(told: str, own: str) -> Reading:
    """A rollout was shown, but is in no journal: another one might move its traffic back."""
    said = (
        f"the status tells of {told}, but this journal does not know it: restore the journal, or "
        "delete the plan and apply it anew"
    )
    return Reading("Forgotten", (said,), own)


def _leaving(resource: Json) -> bool:
    """Whether somebody deleted it and only finalizers hold it."""
    return bool(resource["metadata"].get("deletionTimestamp"))


def _basis(resource: Json, reading: Reading, story: Story | None, now: float) -> tuple[Any, ...]:
    """All that a status is made of; time only by the look, as blindness comes with time."""
    metadata = resource["metadata"]
    head = (metadata["uid"], metadata.get("generation"), reading)
    if story is None:
        return head
    state = story.state
    interval = 0 if state.terminal else now // state.plan.spec.interval
    return (*head, story.rollout, story.newest.seq, state.looked_at, interval)


def _status(
    resource: Json, reading: Reading, story: Story | None, now: float, stable: str | None
) -> Json:
    if story is None:
        return without_rollout(resource, reading, now)
    return with_rollout(resource, reading, story, now, stable)
