"""Asks the API server whether a plan that the cache lacks was deleted, before anybody acts on it.

A cache shows the past: one whose watch has broken lacks what was applied since, and a replica that
becomes the leader may have such a cache. Deleting a plan aborts its rollout, so nobody may be taken
for deleted because of a cache alone.

How it works: the tick's thread names what its cache lacks, and another thread asks, so that no tick
waits for a slow API server.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from rollout.backoff import backoff
from rollout.errors import ClusterError
from rollout.kube.kinds import ROLLOUT_PLAN, Json, Kind

_NOT_FOUND = 404
_LEAST, _MOST = 0.5, 30.0  # seconds between two questions about one plan


class PlanGetter(Protocol):
    """The part of a cluster client that reads one object. It raises ClusterError."""

    def get(self, kind: Kind, namespace: str, name: str) -> Json: ...


@dataclass
class _Doubt:
    """A plan that the cache lacks: how often it was asked for, and when it is the next time."""

    attempts: int = 0
    due: float = 0.0
    is_gone: bool = False


@dataclass
class Deletions:
    """The plans that the cache lacks, by `namespace/name`; safe for two threads."""

    _doubts: dict[str, _Doubt] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_gone(self, name: str) -> bool:
        """Return whether the API server has said that the plan is gone; ask it, if not."""
        with self._lock:
            return self._doubts.setdefault(name, _Doubt()).is_gone

    def keep(self, missing: Collection[str]) -> None:
        """Forget all plans but those that are still missing."""
        with self._lock:
            self._doubts = {name: doubt for name, doubt in self._doubts.items() if name in missing}

    def check(self, cluster: PlanGetter, now: float) -> None:
        """Ask about every plan that is due. Raises ClusterError with the last problem."""
        with self._lock:
            due = [
                (name, doubt)
                for name, doubt in self._doubts.items()
                if not doubt.is_gone and now >= doubt.due
            ]
        problem = None
        for name, doubt in due:
            try:
                is_gone = _is_deleted(cluster, name)
            except ClusterError as error:
                problem, is_gone = error, False
            with self._lock:
                doubt.is_gone, doubt.attempts = is_gone, doubt.attempts + 1
                doubt.due = now + backoff(doubt.attempts, _LEAST, _MOST)
        if problem is not None:
            raise problem


def _is_deleted(cluster: PlanGetter, name: str) -> bool:
    """Return whether a plan is gone, or is kept by finalizers alone. Raises ClusterError."""
    namespace, _, plain = name.partition("/")
    try:
        live = cluster.get(ROLLOUT_PLAN, namespace, plain)
    except ClusterError as error:
        if error.status == _NOT_FOUND:
            return True
        raise
    return bool(live["metadata"].get("deletionTimestamp"))
