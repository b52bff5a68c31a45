"""What an entry of a route says beside its destination and weight: headers and filters.

Requests must not lose them on their way to the canary: a canary's entry that we add carries what
stable's says, and one of the user's that says less is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rollout.route.manifest import Json

_OPERATIONS = ("set", "add", "remove")


def extras(entry: Json, fields: Sequence[str]) -> Json:
    """Return those of the fields that an entry has."""
    return {field: entry[field] for field in fields if entry.get(field)}


def list_missing(stable: Json, canary: Json, fields: Sequence[str]) -> list[str]:
    """Name what stable's entry says and the canary's does not; values may differ."""
    present = {*_list_names(extras(canary, fields))}
    return [name for name in _list_names(extras(stable, fields)) if name not in present]


def _list_names(fields: Json) -> Iterator[str]:
    headers, filters = fields.get("headers"), fields.get("filters")
    for side, changes in (headers if isinstance(headers, dict) else {}).items():
        for operation, name in _list_changes(changes):
            yield f"headers.{side}.{operation} {name}"
    for item in filters if isinstance(filters, list) else []:
        yield from _list_filter_names(item if isinstance(item, dict) else {})


def _list_filter_names(item: Json) -> Iterator[str]:
    """Name a filter by its type, and a change of headers by each header too."""
    kind = str(item.get("type"))
    changes = [*_list_changes(item.get(kind[:1].lower() + kind[1:]))]
    if not changes:
        yield f"filter {kind}"
    for operation, name in changes:
        yield f"filter {kind} {operation} {name}"


def _list_changes(changes: Any) -> Iterator[tuple[str, str]]:
    """Yield each operation and header name: Istio has mappings, the Gateway API has lists."""
    for operation in _OPERATIONS if isinstance(changes, dict) else ():
        for item in changes.get(operation) or ():
            name = item.get("name") if isinstance(item, dict) else item
            yield operation, str(name).lower()
