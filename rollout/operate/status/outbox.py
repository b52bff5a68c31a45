"""What is to be shown in the cluster, until it is: no tick ever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from rollout.backoff import backoff
from rollout.errors import ClusterError
from rollout.kube.kinds import ROLLOUT_PLAN, Json, Kind
from rollout.plan.kube.status import Status

_AGAIN = 10.0  # seconds until a status that the watch does not show yet is written once more
_SLOWEST = 30.0
_PASSED = (404, 409)  # the object is gone, or another version than the one that was looked at


class StatusWriter(Protocol):
    """The part of a cluster that takes notices. Both raise ClusterError."""

    def patch_status(self, kind: Kind, namespace: str, name: str, body: Json) -> Json: ...
    def tell(self, event: Json) -> None: ...


@dataclass(frozen=True)
class PendingStatus:
    """A status and Events for one resource as it was at `version`, and when they are due."""

    uid: str
    version: str
    status: Json
    events: tuple[Json, ...] = ()
    attempts: int = 0
    due: float = 0.0


class StatusOutbox:
    """The newest notice of each resource, by namespace and name; safe between two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, PendingStatus] = {}
        self._shown: dict[str, tuple[str, Json, float]] = {}

    def post(self, name: str, notice: PendingStatus, now: float) -> None:
        """Show this instead of what waits for the name; Events that wait are kept."""
        with self._lock:
            uid, status, at = self._shown.get(name, ("", {}, 0.0))
            lately = (uid, status) == (notice.uid, notice.status) and now - at < _AGAIN
            before = self._waiting.get(name)
            if before is None:
                if notice.events or not lately:
                    self._waiting[name] = notice
            else:
                kept = before.events if before.uid == notice.uid else ()
                fresh = tuple(event for event in notice.events if event not in kept)
                self._waiting[name] = replace(
                    notice, events=kept + fresh, attempts=before.attempts, due=before.due
                )

    def publish(self, desk: StatusWriter, now: float) -> None:
        """Bring every due notice to the cluster, Events first, so that a status tells of told ones.

        Raises ClusterError with the last problem; a server in distress is left alone for the rest.
        """
        problem = None
        for name, notice in self._due(now):
            try:
                _bring(desk, name, notice)
            except ClusterError as error:
                if error.status in _PASSED:
                    self._done(name, notice)  # whoever still wants it posts it anew
                    continue
                self._failed(name, now)
                problem = error
                if error.status in (0, 429) or error.status >= 500:
                    break
            else:
                self._done(name, notice, now)
        if problem is not None:
            raise problem

    def _due(self, now: float) -> Sequence[tuple[str, PendingStatus]]:
        with self._lock:
            return [(name, each) for name, each in self._waiting.items() if now >= each.due]

    def keep(self, names: Collection[str]) -> None:
        """Forget what all others showed; what waits for them is still told."""
        with self._lock:
            self._shown = {name: shown for name, shown in self._shown.items() if name in names}

    def _done(self, name: str, notice: PendingStatus, shown_at: float | None = None) -> None:
        with self._lock:
            if shown_at is not None:
                self._shown[name] = (notice.uid, notice.status, shown_at)
            newer = self._waiting.pop(name)
            told = notice.events
            if newer is not notice:  # posted while we were away
                fresh = tuple(event for event in newer.events if event not in told)
                self._waiting[name] = replace(newer, events=fresh, attempts=0, due=0.0)

    def _failed(self, name: str, now: float) -> None:
        with self._lock:
            notice = self._waiting[name]
            due = now + backoff(notice.attempts + 1, 0.5, _SLOWEST)
            self._waiting[name] = replace(notice, attempts=notice.attempts + 1, due=due)


def _bring(desk: StatusWriter, name: str, notice: PendingStatus) -> None:
    for event in notice.events:
        desk.tell(event)
    namespace, _, plain = name.partition("/")
    desk.patch_status(ROLLOUT_PLAN, namespace, plain, patch_of(notice))


def patch_of(notice: PendingStatus) -> Json:
    """A merge patch to exactly this status; 409 from any other version, or object, of the name.

    A uid would be no condition: API servers ignore it in a patch of a status (as of 1.36).
    """
    nothing = {field.alias: None for field in Status.model_fields.values()}
    condition = {"resourceVersion": notice.version}
    return {"metadata": condition, "status": nothing | notice.status}
