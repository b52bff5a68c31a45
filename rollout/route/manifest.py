"""A manifest: parsed JSON, whatever mesh it is for."""

from __future__ import annotations

from typing import Any

from pydantic.alias_generators import to_camel

from rollout.errors import RouteError

Json = dict[str, Any]


def key(message: Json, name: str) -> str:
    """A field's name as this message spells it: protobuf's JSON allows snake and camel case."""
    camel = to_camel(name)
    return camel if camel in message else name


def dicts(value: object) -> list[Json]:
    """The value if it is a list of objects, itself and not a copy. Raises RouteError otherwise."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RouteError("this is no route configuration: a list of objects was expected")
    return value
