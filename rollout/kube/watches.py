"""Serves objects from watches; a watch starts when its kind is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rollout.kube.kinds import Json, Kind


class Watch(Protocol):
    """A cache of one kind in one namespace, kept up to date by a watch."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def find(self, namespace: str, name: str) -> Json | None: ...


class ListedWatch(Protocol):
    """A cache of one kind that lists what it has."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def list(self) -> Sequence[Json] | None: ...


class LateWatch:
    """A watch that begins when it is first asked, so that its kind may be undefined till then."""

    def __init__(self, make: Callable[[], ListedWatch]) -> None:
        self._make = make
        self._watch: ListedWatch | None = None

    def list(self) -> Sequence[Json] | None:
        """Return every object as last seen; None until the first complete list."""
        if self._watch is None:
            self._watch = self._make()
            self._watch.start()
        return self._watch.list()

    def stop(self) -> None:
        """End the watch, if it has begun."""
        if self._watch is not None:
            self._watch.stop()


class WatchedObjects:
    """The watches that were asked for so far. Looking an object up sends no request."""

    def __init__(self, make: Callable[[Kind, str], Watch]) -> None:
        self._make = make
        self._watches: dict[tuple[Kind, str], Watch] = {}

    def find(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Return the object as last seen; None if that is not certain.

        Callers must not change it: it is the cache's own copy.
        """
        key = kind, namespace
        if key not in self._watches:
            self._watches[key] = self._make(kind, namespace)
            self._watches[key].start()
        return self._watches[key].find(namespace, name)

    def stop(self) -> None:
        """End every watch."""
        for watch in self._watches.values():
            watch.stop()
        self._watches.clear()
