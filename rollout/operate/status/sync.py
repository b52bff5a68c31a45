"""Posts each resource's status when it changes, and its Events when they happen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from rollout.kube.kinds import Json
from rollout.operate.status.conditions import PlanAcceptance, utc
from rollout.operate.status.events import event_of, refused
from rollout.operate.status.history import RolloutHistory
from rollout.operate.status.outbox import PendingStatus, StatusOutbox
from rollout.operate.status.status import RolloutStory, is_told, with_rollout, without_rollout
from rollout.redact import redact_values
from rollout.tick.controller import Controller
from rollout.tick.fleet import service_key


@dataclass(frozen=True)
class ComputedStatus:
    """The status last computed for a resource, and the inputs that it was computed from."""

    basis: tuple[Any, ...]
    status: Json


@dataclass
class StatusSync:
    """Posts changed statuses to the outbox and remembers the last status of every resource."""

    board: StatusOutbox
    ledger: RolloutHistory
    controller: Controller
    _computed: dict[str, ComputedStatus] = field(default_factory=dict)

    def show(self, name: str, resource: Json, reading: PlanAcceptance, now: float) -> None:
        """Post the resource's new Events, and its status if the cluster shows another one.

        A status is computed again only when its inputs change: most ticks change nothing, and the
        verdicts of a large fleet cost time.
        """
        story, computed = self.ledger.story(name, reading.plan), self._computed.get(name)
        stable = self.controller.fleet.stable(*service_key(story.state.plan)) if story else None
        basis = (*_collect_basis(resource, reading, story, now), stable)
        events = self._build_new_events(name, resource)
        if computed is None or computed.basis != basis:
            # Our own last status is newer than what the watch shows, so it is the base for what
            # a status takes over from the one before, such as transition times.
            latest = resource if computed is None else {**resource, "status": computed.status}
            if reading.reason != "Accepted":
                events.append(refused(resource, reading, now))
            story = self._load_evidence(latest, story)
            status = redact_values(
                _compute_status(latest, reading, story, now, stable), has_lines=True
            )
            computed = self._computed[name] = ComputedStatus(basis, status)
        if events or resource.get("status") != computed.status:
            uid, version = (resource["metadata"][key] for key in ("uid", "resourceVersion"))
            pending = PendingStatus(uid, version, computed.status, tuple(events))
            self.board.post(name, pending, now)

    def keep(self, names: Collection[str]) -> None:
        """Forget all resources but these."""
        self.board.keep(names)
        self._computed = {name: entry for name, entry in self._computed.items() if name in names}

    def _load_evidence(self, resource: Json, story: RolloutStory | None) -> RolloutStory | None:
        """Load the story's evidence, unless the resource already shows the resulting verdicts.

        After a restart the states of ended rollouts have no evidence. Reading it takes the whole
        journal of the rollout, so it is done only for a status that would otherwise lack it.
        """
        if story is None or story.state.guardrails or is_told(resource, story):
            return story
        return replace(story, state=self.controller.full_state(story.rollout))

    def _build_new_events(self, name: str, resource: Json) -> list[Json]:
        """Build the Events for entries newer than the status shows and than the resource itself."""
        journal = (resource.get("status") or {}).get("journal") or {}
        last_reported = journal.get("entry", 0)
        created = resource["metadata"]["creationTimestamp"]
        events = [
            event_of(resource, new.entry, new.phase)
            for new in self.ledger.new_entries(name)
            if new.entry.seq > last_reported and utc(new.entry.fact.at) >= created
        ]
        return [event for event in events if event is not None]


def _collect_basis(
    resource: Json, reading: PlanAcceptance, story: RolloutStory | None, now: float
) -> tuple[Any, ...]:
    """Collect everything that a status depends on.

    Time counts in whole intervals between looks: a guardrail becomes blind by time alone, but no
    status needs to change more often than the rollout is looked at.
    """
    metadata = resource["metadata"]
    identity = (metadata["uid"], metadata.get("generation"), reading)
    if story is None:
        return identity
    state = story.state
    interval = 0 if state.is_terminal else now // state.plan.spec.interval
    return (*identity, story.rollout, story.newest.seq, state.looked_at, interval)


def _compute_status(
    resource: Json,
    reading: PlanAcceptance,
    story: RolloutStory | None,
    now: float,
    stable: str | None,
) -> Json:
    if story is None:
        return without_rollout(resource, reading, now)
    return with_rollout(resource, reading, story, now, stable)
