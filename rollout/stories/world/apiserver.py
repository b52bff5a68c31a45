"""An API server with routing objects and Leases, and the faults that one has.

It stands where the production client of Kubernetes does: the production routers read, patch and
retry against it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rollout.answers.json_text import copy_json
from rollout.errors import ClusterError
from rollout.kube.kinds import Json, Kind
from rollout.stories.setting import CANARY, STABLE

Key = tuple[str, str]  # plural and name


@dataclass(frozen=True)
class AcceptedWrite:
    """A routing object before and after a write that was accepted, and who sent it."""

    at: float
    writer: str
    key: Key
    before: Json
    after: Json


@dataclass
class SimulatedApi:
    """The objects, and their versions so far, from which watches read.

    `faults` last until a true time: `down` (no answer),
    `hangs` (neither, and who asks waits; see `ApiClient`), `throttled` (429), `broken` (500 before
    anything was done), `unclear` (done, but the answer is lost), `denies` (a webhook denies),
    `no-get`, `no-patch` (a right is missing), `conflicts` (somebody else is always faster),
    `drops` (its definitions are older than a mirror's share, which it leaves out). A watch is
    `watch_lag` seconds behind; while `watch-gone` lasts it is closed. `plain` are the objects as
    people's edits alone have made them.
    """

    now: Callable[[], float]
    objects: dict[Key, Json] = field(default_factory=dict)
    history: dict[Key, list[tuple[float, Json | None]]] = field(default_factory=dict)
    faults: dict[str, float] = field(default_factory=dict)
    watch_lag: float = 0.0
    ready: dict[str, bool] = field(default_factory=lambda: {STABLE: True, CANARY: True})
    on_write: Callable[[AcceptedWrite], None] = lambda _write: None
    on_change: Callable[[Key], None] = lambda _key: None
    versions: int = 0
    plain: dict[Key, Json | None] = field(default_factory=dict)

    def has(self, fault: str) -> bool:
        """Return whether a fault lasts now."""
        return self.now() < self.faults.get(fault, 0.0)

    def give(self, key: Key, body: Json | None) -> None:
        """Let people store an object, or delete it (None)."""
        self.plain[key] = copy_json(body)
        self.put(key, body)

    def put(self, key: Key, body: Json | None) -> None:
        """Store an object, or delete it (None), as anybody does."""
        if body is None:
            self.objects.pop(key, None)
        else:
            body = copy_json(body)
            self.versions += 1
            before = self.objects.get(key)
            metadata = body.setdefault("metadata", {})
            metadata["resourceVersion"] = str(self.versions)
            metadata.setdefault("uid", f"uid-{self.versions}")
            generation = (before or {}).get("metadata", {}).get("generation", 0)
            is_changed = before is None or before.get("spec") != body.get("spec")
            metadata["generation"] = generation + is_changed
            self.objects[key] = body
        self.history.setdefault(key, []).append((self.now(), self.objects.get(key)))
        self.on_change(key)

    def edit(self, key: Key, change: Callable[[Json], None]) -> None:
        """Let somebody change an object in place; nothing where it is gone."""
        if key in self.objects:
            body, plain = copy_json(self.objects[key]), self.plain.get(key)
            change(body)
            if plain is not None:
                change(plain)
            self.put(key, body)

    def fetch(self, kind: Kind, name: str) -> Json:
        """Return an object. Raises ClusterError."""
        self.fail()
        if self.has("no-get"):
            raise ClusterError(f'the API server said 403: {kind.plural} "{name}" is forbidden', 403)
        if (kind.plural, name) not in self.objects:
            raise ClusterError(f'the API server said 404: {kind.plural} "{name}" not found', 404)
        return copy_json(self.objects[kind.plural, name])

    def patch(self, kind: Kind, name: str, body: Json, writer: str, *, dry: bool) -> Json:
        """Merge-patch an object at its version. Raises ClusterError."""
        self.fail()
        self._refuse(name, kind)
        key = kind.plural, name
        live = self.objects.get(key)
        if live is None:
            raise ClusterError(f'the API server said 404: {kind.plural} "{name}" not found', 404)
        wanted = body.get("metadata") or {}
        for name_of_version in ("resourceVersion", "uid"):
            if (
                wanted.get(name_of_version, live["metadata"][name_of_version])
                != (live["metadata"][name_of_version])
            ):
                raise ClusterError("the API server said 409: the object has been modified", 409)
        patched = _merge(live, copy_json(body))
        if self.has("drops"):
            _drop_new_fields(patched)
        if dry:
            return patched
        self.put(key, patched)
        self.on_write(AcceptedWrite(self.now(), writer, key, live, self.objects[key]))
        if self.has("unclear"):
            raise ClusterError("the API server does not answer: timed out", 0)
        return copy_json(self.objects[key])

    def replace(self, kind: Kind, name: str, body: Json) -> Json:
        """Replace a Lease at its version. Raises ClusterError."""
        self.fail()
        live = self.objects.get((kind.plural, name))
        if live is None:
            raise ClusterError("the API server said 404: not found", 404)
        if live["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise ClusterError("the API server said 409: the object has been modified", 409)
        self.put((kind.plural, name), body)
        return copy_json(self.objects[kind.plural, name])

    def create(self, kind: Kind, body: Json) -> Json:
        """Create a Lease. Raises ClusterError."""
        self.fail()
        name = body["metadata"]["name"]
        if (kind.plural, name) in self.objects:
            raise ClusterError("the API server said 409: it exists", 409)
        self.put((kind.plural, name), body)
        return copy_json(self.objects[kind.plural, name])

    def watched(self, kind: Kind, name: str) -> Json | None:
        """Return an object as a watch saw it last; None where no watch is open."""
        if self.has("watch-gone") or self.has("down"):
            return None
        seen_until = self.now() - self.watch_lag
        versions = self.history.get((kind.plural, name), [])
        return next((body for at, body in reversed(versions) if at <= seen_until), None)

    def fail(self) -> None:
        """Raise ClusterError while the server answers nothing."""
        if self.has("down"):
            raise ClusterError("the API server does not answer: connection refused", 0)
        if self.has("throttled"):
            raise ClusterError("the API server said 429: too many requests", 429)
        if self.has("broken"):
            raise ClusterError("the API server said 500: etcdserver: request timed out", 500)

    def _refuse(self, name: str, kind: Kind) -> None:
        if self.has("no-patch"):
            raise ClusterError(f'the API server said 403: {kind.plural} "{name}" is forbidden', 403)
        if self.has("denies"):
            denial = 'admission webhook "guard.example" denied the request: frozen'
            raise ClusterError(f"the API server said 403: {denial}", 403)
        if self.has("conflicts"):
            raise ClusterError("the API server said 409: the object has been modified", 409)


def _drop_new_fields(body: Json) -> None:
    """Leave out the share of mirrors, as definitions do that are older than it."""
    for route in body["spec"].get("http") or body["spec"].get("rules") or []:
        for mirror in route.get("mirrors") or []:
            mirror.pop("percentage", None)
        for item in route.get("filters") or []:
            (item.get("requestMirror") or {}).pop("fraction", None)


def _merge(live: Json, patch: Json) -> Json:
    """Return what a merge patch makes of a document (RFC 7396)."""
    document: dict[str, Any] = dict(live)
    for key, value in patch.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(value, dict):
            before = document.get(key)
            document[key] = _merge(before if isinstance(before, dict) else {}, value)
        else:
            document[key] = value
    return document


def dump(body: Json | None) -> str:
    """Return a text by which two objects are compared."""
    return json.dumps(body, sort_keys=True)
