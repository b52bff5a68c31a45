"""A parsed JSON manifest, for any mesh."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic.alias_generators import to_camel

from rollout.errors import RouteError

Json = dict[str, Any]


def key(message: Json, name: str) -> str:
    """Return a field's name as this message spells it.

    Protobuf's JSON accepts snake_case and camelCase, and a file may mix both.
    """
    camel = _spell_camel(name)
    return camel if camel in message else name


_spell_camel = cache(to_camel)  # of the fields that we read, which are few


def dicts(value: object) -> list[Json]:
    """Return the value if it is a list of objects: the list itself, not a copy.

    None becomes a new empty list. Raises RouteError otherwise.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RouteError("this is no route configuration: a list of objects was expected")
    return value
