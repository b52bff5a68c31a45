"""Objects as watches show them: a kind is watched from the first question about it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rollout.kube.kinds import Json, Kind


class Watch(Protocol):
    """A cache of one kind in one namespace that a watch keeps up to date."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def find(self, namespace: str, name: str) -> Json | None: ...


class Watched:
    """Every watch that somebody asked for; asking costs no request and never waits."""

    def __init__(self, make: Callable[[Kind, str], Watch]) -> None:
        self._make = make
        self._watches: dict[tuple[Kind, str], Watch] = {}

    def find(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """The object as last seen, not to be changed; None where that is not known for sure."""
        place = kind, namespace
        if place not in self._watches:
            self._watches[place] = self._make(kind, namespace)
            self._watches[place].start()
        return self._watches[place].find(namespace, name)

    def stop(self) -> None:
        """End every watch."""
        for watch in self._watches.values():
            watch.stop()
        self._watches.clear()
