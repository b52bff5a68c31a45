"""Holds statuses and Events until the API server has them, so that no tick waits for it.

How it works: the tick's thread posts the newest status of each resource; another thread publishes
what is due. Both may touch the same entry, so each change happens under the lock and no request
does. A status is written only to the version of the resource that it was computed from.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from rollout.backoff import backoff
from rollout.errors import ClusterError
from rollout.kube.kinds import ROLLOUT_PLAN, Json, Kind
from rollout.plan.kube.status import Status

_AGAIN = 10.0  # seconds after which a status that the watch still does not show is written again
_SLOWEST = 30.0
_OUTDATED = (404, 409)  # the object is gone, or has another version than we computed from


class StatusWriter(Protocol):
    """The part of a cluster client that writes statuses and Events. Both raise ClusterError."""

    def patch_status(self, kind: Kind, namespace: str, name: str, body: Json) -> Json: ...
    def tell(self, event: Json) -> None: ...


@dataclass(frozen=True)
class PendingStatus:
    """A status and Events for one resource, computed at `version`, and when they are due."""

    uid: str
    version: str
    status: Json
    events: tuple[Json, ...] = ()
    attempts: int = 0
    due: float = 0.0


class StatusOutbox:
    """The newest pending status of each resource, by `namespace/name`; safe for two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, PendingStatus] = {}
        self._written: dict[str, tuple[str, Json, float]] = {}  # uid, status, time

    def post(self, name: str, pending: PendingStatus, now: float) -> None:
        """Replace the status that waits for this name; its waiting Events stay."""
        with self._lock:
            uid, status, at = self._written.get(name, ("", {}, 0.0))
            # The watch is late: until it shows what we wrote, the same status is posted again.
            just_written = (uid, status) == (pending.uid, pending.status) and now - at < _AGAIN
            before = self._waiting.get(name)
            if before is None:
                if pending.events or not just_written:
                    self._waiting[name] = pending
            else:
                # Another uid is another object: Events about the old one have no target.
                old_events = before.events if before.uid == pending.uid else ()
                fresh = tuple(event for event in pending.events if event not in old_events)
                # Back-off goes on: a new status must not make us ask a failing server sooner.
                self._waiting[name] = replace(
                    pending, events=old_events + fresh, attempts=before.attempts, due=before.due
                )

    def publish(self, writer: StatusWriter, now: float) -> None:
        """Write every due status to the cluster, each after its Events.

        The status names the last journal entry that was reported: were it written first, a crash
        would lose the Events before it. Raises ClusterError with the last problem. If the server
        does not answer or is overloaded, the remaining statuses wait for the next call.
        """
        problem = None
        for name, pending in self._list_due(now):
            try:
                _write(writer, name, pending)
            except ClusterError as error:
                if error.status in _OUTDATED:
                    self._remove(name, pending)  # the next tick posts it for the new version
                    continue
                self._postpone(name, now)
                problem = error
                if error.status in (0, 429) or error.status >= 500:
                    break
            else:
                self._remove(name, pending, now)
        if problem is not None:
            raise problem

    def _list_due(self, now: float) -> Sequence[tuple[str, PendingStatus]]:
        with self._lock:
            return [(name, item) for name, item in self._waiting.items() if now >= item.due]

    def keep(self, names: Collection[str]) -> None:
        """Forget what other resources show; what waits for them is still published."""
        with self._lock:
            self._written = {name: entry for name, entry in self._written.items() if name in names}

    def _remove(self, name: str, pending: PendingStatus, written_at: float | None = None) -> None:
        with self._lock:
            if written_at is not None:
                self._written[name] = (pending.uid, pending.status, written_at)
            newer = self._waiting.pop(name)
            if newer is not pending:  # posted while our request was on its way
                fresh = tuple(event for event in newer.events if event not in pending.events)
                self._waiting[name] = replace(newer, events=fresh, attempts=0, due=0.0)

    def _postpone(self, name: str, now: float) -> None:
        with self._lock:
            pending = self._waiting[name]
            due = now + backoff(pending.attempts + 1, 0.5, _SLOWEST)
            self._waiting[name] = replace(pending, attempts=pending.attempts + 1, due=due)


def _write(writer: StatusWriter, name: str, pending: PendingStatus) -> None:
    for event in pending.events:
        writer.tell(event)
    namespace, _, plain = name.partition("/")
    writer.patch_status(ROLLOUT_PLAN, namespace, plain, patch_of(pending))


def patch_of(pending: PendingStatus) -> Json:
    """Return a merge patch that sets exactly this status, for one version of the resource.

    Any other version, or another object of the name, answers 409. A uid cannot be the condition:
    API servers ignore it in a patch of a status (as of 1.36). Fields that the status lacks are set
    to null, because a merge patch would leave them as they are.
    """
    cleared = {field.alias: None for field in Status.model_fields.values()}
    condition = {"resourceVersion": pending.version}
    return {"metadata": condition, "status": cleared | pending.status}
