"""Single fields that we own in others' objects: what we wrote there, and what was there before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollout.route.manifest import Json, key

Path = tuple[str, ...]  # the first part names a root: an object within the document
Wanted = Mapping[Path, Any]  # values of fields; None: the field shall not be there
Roots = Mapping[str, Json]


@dataclass(frozen=True)
class Ownership:
    """What is remembered beside our fields: (what was there, what we wrote), and parents we made.

    None is a field that is not there.
    """

    fields: Mapping[Path, tuple[Any, Any]] = field(default_factory=dict)
    made: tuple[Path, ...] = ()

    def text(self) -> str:
        """As it is written down; empty if nothing is owned."""
        if not self.fields:
            return ""
        fields = [[list(path), *pair] for path, pair in self.fields.items()]
        return json.dumps({"fields": fields, "made": self.made}, separators=(",", ":"))


def read_kept(text: str) -> Ownership:
    """What was written down; nothing where it cannot be read: then the fields are not ours."""
    try:
        said = json.loads(text)
        fields = {tuple(path): (was, now) for path, was, now in said["fields"]}
        return Ownership(fields, tuple(tuple(path) for path in said["made"]))
    except (ValueError, KeyError, TypeError):
        return Ownership()


def own(roots: Roots, kept: Ownership, wanted: Wanted, *, adopt: bool = False) -> Ownership:
    """Write the wanted fields, and put back what was there where a field is wanted no longer.

    A field that somebody changed since we wrote it is theirs: it is not put back, and with `adopt`
    not written again. Changes `roots`; returns what is to be remembered. N times equal once.
    """
    fields, made = dict(kept.fields), list(kept.made)
    for path in [path for path in reversed(fields) if path not in wanted]:
        was, now = fields.pop(path)
        if path[0] in roots and same(_at(roots, path), now):
            _put(roots, path, was, made)
    made = _swept(roots, made, fields)
    for path, value in wanted.items():
        live = _at(roots, path)
        was, now = fields.get(path, (live, None))
        if not (adopt and path in fields and same(now, value)):
            _put(roots, path, value, made)
        fields[path] = was, value
    return Ownership(fields, tuple(made))


def differing(roots: Roots, wanted: Wanted) -> list[str]:
    """Each field that is not as wanted, in words."""
    return [
        f"{'.'.join(path[1:])} is {_said(live)}, not {_said(value)}"
        for path, value in wanted.items()
        if not same(live := _at(roots, path), value)
    ]


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON: true is no 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _said(value: Any) -> str:
    return "not there" if value is None else json.dumps(value)


def _at(roots: Roots, path: Path) -> Any:
    """The value at a path; None if there is none."""
    here: Any = roots.get(path[0])
    for part in path[1:]:
        if not isinstance(here, dict):
            return None
        here = here.get(key(here, part))
    return here


def _put(roots: Roots, path: Path, value: Any, made: list[Path]) -> None:
    """Write a value, with the parents that it lacks; None takes the field away."""
    here = roots[path[0]]
    for depth, part in enumerate(path[1:-1], 2):
        spelt = key(here, part)
        if not isinstance(here.get(spelt), dict):
            if value is None:
                return
            here[spelt] = {}
            made.append(path[:depth])
        here = here[spelt]
    last = key(here, path[-1])
    if value is None:
        here.pop(last, None)
    else:
        here[last] = value


def _swept(roots: Roots, made: list[Path], fields: Mapping[Path, object]) -> list[Path]:
    """Take away parents that we made and nobody fills; those that are still ours."""
    used = [path for path in made if any(each[: len(path)] == path for each in fields)]
    for path in sorted({*made} - {*used}, key=len, reverse=True):
        if _at(roots, path) == {}:
            _put(roots, path, None, [])
    return used


def spoken(seconds: float) -> str:
    """A duration as protobuf's JSON spells it: `1.5s`."""
    return f"{seconds:.9g}s"
