"""What each resource is shown of its rollout: a status where it would be another, and Events."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from rollout.kube.kinds import Json
from rollout.operate.status.conditions import PlanAcceptance, utc
from rollout.operate.status.events import event_of, refused
from rollout.operate.status.history import RolloutHistory
from rollout.operate.status.outbox import PendingStatus, StatusOutbox
from rollout.operate.status.status import Story, is_told, with_rollout, without_rollout
from rollout.tick.controller import Controller
from rollout.tick.fleet import place_of


@dataclass(frozen=True)
class Shown:
    """What a resource was last told to show, and what that was made of."""

    basis: tuple[Any, ...]
    status: Json


@dataclass
class StatusSync:
    """Posts what has changed to the board; remembers what every resource shows."""

    board: StatusOutbox
    ledger: RolloutHistory
    controller: Controller
    _shown: dict[str, Shown] = field(default_factory=dict)

    def show(self, name: str, resource: Json, reading: PlanAcceptance, now: float) -> None:
        """Post the resource's status if it is not what it should be, and its Events."""
        story, before = self.ledger.story(name, reading.plan), self._shown.get(name)
        stable = self.controller.fleet.stable(*place_of(story.state.plan)) if story else None
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
            self.board.post(name, PendingStatus(uid, version, before.status, tuple(events)), now)

    def keep(self, names: Collection[str]) -> None:
        """Forget what all others show."""
        self.board.keep(names)
        self._shown = {name: shown for name, shown in self._shown.items() if name in names}

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
            for news in self.ledger.news(name)
            if news.entry.seq > told and utc(news.entry.fact.at) >= since
        ]
        return [event for event in made if event is not None]


def _basis(
    resource: Json, reading: PlanAcceptance, story: Story | None, now: float
) -> tuple[Any, ...]:
    """All that a status is made of; time only by the look, as blindness comes with time."""
    metadata = resource["metadata"]
    head = (metadata["uid"], metadata.get("generation"), reading)
    if story is None:
        return head
    state = story.state
    interval = 0 if state.terminal else now // state.plan.spec.interval
    return (*head, story.rollout, story.newest.seq, state.looked_at, interval)


def _status(
    resource: Json, reading: PlanAcceptance, story: Story | None, now: float, stable: str | None
) -> Json:
    if story is None:
        return without_rollout(resource, reading, now)
    return with_rollout(resource, reading, story, now, stable)
