"""What differs between two plans: one line for each field, with both values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollout.plan.model.plan import Plan
from rollout.redact import redact_values


@dataclass(frozen=True)
class FieldChange:
    """A field by its path, and its values; None where a plan does not have it."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path}: {_format(self.old)} -> {_format(self.new)}"


def compare_plans(old: Plan, new: Plan) -> list[FieldChange]:
    """Return the fields that differ, in the order of the plans; passwords of URLs are hidden.

    Guardrails and other named parts are compared by their names, so that another order is no
    difference.
    """
    return compare_documents(old.document(), new.document())


def compare_documents(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[FieldChange]:
    """Return the fields that differ between two plans as plain data, see `compare_plans`."""
    return redact_values([*_compare(old, new, "")])


def _compare(old: Any, new: Any, path: str) -> Iterator[FieldChange]:
    old, new = (_by_name(own) for own in (old, new))
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        if old != new:
            yield FieldChange(path, old, new)
        return
    for key in {**old, **new}:
        below = f"{path}.{key}" if path else str(key)
        yield from _compare(old.get(key), new.get(key), below)


def _by_name(value: Any) -> Any:
    """Return a list of named parts as a mapping; anything else as it is."""
    is_named = isinstance(value, list) and value and all(map(_has_name, value))
    return {element["name"]: element for element in value} if is_named else value


def _has_name(element: Any) -> bool:
    return isinstance(element, Mapping) and isinstance(element.get("name"), str)


def _format(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
