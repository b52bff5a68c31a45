"""Know a route again by its content, whatever its position and its name are by now.

A fingerprint covers a route's matches and where it leads. Weights, headers, filters, time-outs and
the name are left out, so that neither our writes nor a rename change it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rollout.route.carried import extras
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import WeightedRoute

_LINE = re.compile(r"([0-9a-f]{12})(?:\.(\S+))? (.+)")


def digest(value: Any) -> str:
    """Return twelve hexadecimal digits of a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def fingerprint(route: WeightedRoute, *, is_whole: bool = False) -> str:
    """Return the digest of a route's matches and destinations.

    Without the canary's, which we may have added; `is_whole` includes them.
    """
    return digest([*_describe_content(route, is_whole=is_whole)])


def describe_parts(route: WeightedRoute) -> str:
    """Return one digest of a route's matches, and one of where it leads without the canary."""
    kind, matches, targets = _describe_content(route, is_whole=False)
    return f"{digest([kind, matches])}-{digest([kind, targets])}"


def _describe_content(route: WeightedRoute, *, is_whole: bool) -> tuple[str, Any, list[str]]:
    """Return a route's kind, its matches, and where it leads."""
    entries = [
        entry
        for entry in route.entries
        if is_whole or route.mesh.arm_of(entry) not in route.mesh.arms[1:]
    ]
    matches = route.body.get("match") or route.body.get("matches") or []
    if isinstance(matches, list):  # their order says nothing about which requests match
        matches = sorted(json.dumps(match, sort_keys=True) for match in matches)
    kind, *_ = route.location.split(" ")
    return kind, matches, sorted({route.mesh.target(entry) for entry in entries})


def digest_extras(entry: Json, route: WeightedRoute) -> str:
    """Return the digest of an entry's headers and filters; empty without any."""
    more = extras(entry, route.mesh.carries)
    return digest(more) if more else ""


def list_matches(body: Json) -> list[Json]:
    """Return a route's matches, as Istio or as the Gateway API spells them."""
    return dicts(body.get("match")) or dicts(body.get("matches"))


@dataclass(frozen=True)
class NotedRoute:
    """One route in a record: its fingerprint, more of it (mostly a digest), and where it was."""

    fingerprint: str
    more: str
    location: str

    def __str__(self) -> str:
        more = f".{self.more}" if self.more else ""
        return f"{self.fingerprint}{more} {self.location}"


@dataclass(frozen=True)
class Noted:
    """The routes that an annotation lists."""

    routes: tuple[NotedRoute, ...] = ()

    def of(self, route: WeightedRoute, *, is_whole: bool = False) -> NotedRoute | None:
        """Return the note of a route with this content; else of one with this name."""
        return self.same(route, is_whole=is_whole) or next(
            (note for note in self.routes if note.location == route.location and _is_named(route)),
            None,
        )

    def same(self, route: WeightedRoute, *, is_whole: bool = False) -> NotedRoute | None:
        """Return the note of a route with this content, whatever its name."""
        digits = fingerprint(route, is_whole=is_whole)
        return next((note for note in self.routes if note.fingerprint == digits), None)

    def assign(
        self, routes: Sequence[WeightedRoute], *, is_whole: bool = False
    ) -> dict[int, NotedRoute]:
        """Return each route's own note, by the id of its body.

        Twins with the same content are told apart by all of it, where a note has that, and by where
        they are, as far as that goes. `is_whole` says that fingerprints are of the whole content.
        """
        free, assigned = list(self.routes), dict[int, NotedRoute]()
        is_content = partial(_is_content, is_whole=is_whole)
        is_unmoved = partial(_is_unmoved, is_whole=is_whole)
        for is_same in (_is_whole, is_unmoved, is_content, _is_name):
            for route in routes:
                note = next((note for note in free if is_same(note, route)), None)
                if note is not None and id(route.body) not in assigned:
                    assigned[id(route.body)] = note
                    free.remove(note)
        return assigned

    def list_new(self, others: Noted) -> Noted:
        """Return those of other notes whose content these do not have."""
        fingerprints = {note.fingerprint for note in self.routes}
        return Noted(tuple(note for note in others.routes if note.fingerprint not in fingerprints))

    @property
    def lines(self) -> tuple[str, ...]:
        """The notes as text, each once and in one order."""
        return tuple(sorted({str(note) for note in self.routes}))

    def __str__(self) -> str:
        return "\n".join(self.lines)


def note_routes(
    routes: Iterable[WeightedRoute], *, is_whole: bool = False, more: str = ""
) -> Noted:
    """Return the notes of some routes."""
    return Noted(
        tuple(
            NotedRoute(fingerprint(route, is_whole=is_whole), more, route.location)
            for route in routes
        )
    )


def parse_noted(text: str) -> Noted:
    """Parse an annotation. A line without a fingerprint names a route by its location only."""
    return Noted(
        tuple(
            NotedRoute(match[1], match[2] or "", match[3])
            if (match := _LINE.fullmatch(line))
            else NotedRoute("", "", line)
            for line in text.splitlines()
        )
    )


def _is_whole(note: NotedRoute, route: WeightedRoute) -> bool:
    return bool(note.more) and note.more == fingerprint(route, is_whole=True)


def _is_unmoved(note: NotedRoute, route: WeightedRoute, *, is_whole: bool) -> bool:
    return note.location == route.location and _is_content(note, route, is_whole=is_whole)


def _is_content(note: NotedRoute, route: WeightedRoute, *, is_whole: bool) -> bool:
    return note.fingerprint == fingerprint(route, is_whole=is_whole)


def _is_name(note: NotedRoute, route: WeightedRoute) -> bool:
    return note.location == route.location and _is_named(route)


def _is_named(route: WeightedRoute) -> bool:
    """Return whether a route's location is its name; a number may be another route's by now."""
    return bool(route.body.get("name"))
