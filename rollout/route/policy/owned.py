"""Own single fields in objects of others: write them, and restore what was there before.

How it works. For every field that we write, an `Ownership` records a pair: the value before our
first write, and the value of our last write; it also records the parent objects that we created on
the way. `apply_fields` compares three things: the record, the wanted fields and the live document.
A recorded field that is no longer wanted gets its earlier value back, but only while it still has
the value that we wrote: otherwise somebody changed it, and it is theirs. A wanted field is
written, and the value before the first write stays in the record for later. Created parents that
end up empty are removed. The record is stored in the document itself (an annotation or metadata),
so no other storage is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollout.route.manifest import Json, key

Path = tuple[str, ...]  # the first element names a root: an object within the document
Wanted = Mapping[Path, Any]  # values of fields; None: the field must be absent
Roots = Mapping[str, Json]


@dataclass(frozen=True)
class Ownership:
    """What is recorded about our fields: pairs of (value before, value written), and parents.

    None stands for an absent field. `created_parents` lists the paths of parents that we created.
    """

    fields: Mapping[Path, tuple[Any, Any]] = field(default_factory=dict)
    created_parents: tuple[Path, ...] = ()

    def relocated(self, find_root: Callable[[str], str]) -> Ownership:
        """Return the record with each root under the name that it has by now."""
        return Ownership(
            {(find_root(root), *path): pair for (root, *path), pair in self.fields.items()},
            tuple((find_root(root), *path) for root, *path in self.created_parents),
        )

    def text(self) -> str:
        """Return the record as it is stored; empty if nothing is owned."""
        if not self.fields:
            return ""
        fields = [[list(path), *pair] for path, pair in self.fields.items()]
        return json.dumps({"fields": fields, "made": self.created_parents}, separators=(",", ":"))


def parse_ownership(text: str) -> Ownership:
    """Parse a stored record.

    One that cannot be parsed counts as empty: then no field is ours, and none is restored.
    """
    try:
        record = json.loads(text)
        fields = {tuple(path): (before, ours) for path, before, ours in record["fields"]}
        return Ownership(fields, tuple(tuple(path) for path in record["made"]))
    except (ValueError, KeyError, TypeError):
        return Ownership()


def apply_fields(
    roots: Roots, previous: Ownership, wanted: Wanted, *, adopt: bool = False
) -> Ownership:
    """Write the wanted fields, restore fields that are no longer wanted, and return the record.

    A field that somebody changed since we wrote it is theirs: it is not restored, and with `adopt`
    not written again. Changes `roots` in place. Idempotent.
    """
    fields, parents = dict(previous.fields), list(previous.created_parents)
    # Last written, first restored: a later field may lie within an earlier one.
    for path in [path for path in reversed(fields) if path not in wanted]:
        before, ours = fields.pop(path)
        if path[0] in roots and same(_get_at(roots, path), ours):
            _set_at(roots, path, before, parents)
    parents = _remove_empty_parents(roots, parents, fields)
    for path, value in wanted.items():
        live = _get_at(roots, path)
        before, ours = fields.get(path, (live, None))
        # With `adopt`, a value that we wrote already is not written twice: if it is no longer
        # there, somebody else changed it, and that change is adopted.
        if not (adopt and path in fields and same(ours, value)):
            _set_at(roots, path, value, parents)
        fields[path] = before, value
    return Ownership(fields, tuple(parents))


def differing(roots: Roots, wanted: Wanted) -> list[str]:
    """Describe each field that is not as wanted."""
    return [
        f"{'.'.join(path[1:])} is {_format_value(live)}, not {_format_value(value)}"
        for path, value in wanted.items()
        if not same(live := _get_at(roots, path), value)
    ]


def same(value: Any, other: Any) -> bool:
    """Return whether two values are equal in JSON, where true differs from 1."""
    return json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)


def _format_value(value: Any) -> str:
    """Return a value as messages show it."""
    return "not there" if value is None else json.dumps(value)


def _get_at(roots: Roots, path: Path) -> Any:
    """Return the value at a path; None if there is none."""
    node: Any = roots.get(path[0])
    for name in path[1:]:
        if not isinstance(node, dict):
            return None
        node = node.get(key(node, name))
    return node


def _set_at(roots: Roots, path: Path, value: Any, parents: list[Path]) -> None:
    """Write a value, and create the parents that it lacks; None removes the field.

    Created parents are added to `parents`, so that they can be removed again.
    """
    node = roots[path[0]]
    for depth, name in enumerate(path[1:-1], 2):
        field_name = key(node, name)
        if not isinstance(node.get(field_name), dict):
            if value is None:
                return
            node[field_name] = {}
            parents.append(path[:depth])
        node = node[field_name]
    field_key = key(node, path[-1])
    if value is None:
        node.pop(field_key, None)
    else:
        node[field_key] = value


def _remove_empty_parents(
    roots: Roots, parents: list[Path], fields: Mapping[Path, object]
) -> list[Path]:
    """Remove parents that we created and that are empty; return those still in use.

    Deepest first, so that a parent emptied by its child's removal goes too.
    """
    used = [
        path for path in parents if any(field_path[: len(path)] == path for field_path in fields)
    ]
    for path in sorted({*parents} - {*used}, key=len, reverse=True):
        if _get_at(roots, path) == {}:
            _set_at(roots, path, None, [])
    return used


def spoken(seconds: float) -> str:
    """Return a duration as protobuf's JSON spells it: `1.5s`."""
    return f"{seconds:.9g}s"
