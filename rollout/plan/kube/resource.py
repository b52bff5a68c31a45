"""A plan from a Kubernetes resource, or every mistake at its place in the resource."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from rollout.errors import Mistake, PlanError
from rollout.plan.model.plan import Plan
from rollout.plan.reading.load import load
from rollout.plan.reading.positions import Path

Json = dict[str, Any]

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def plan_of(resource: Json) -> Plan:
    """The plan that a resource declares; its status and its other metadata are no part of it.

    Raises PlanError. The mistakes' lines are those of `text_of`; `told` names their places.
    """
    try:
        return Plan.model_validate(_document(resource))
    except ValidationError:  # once more as text, whose mistakes have places and words
        (plan,) = load(text_of(resource), name_of(resource))
        return plan


def name_of(resource: Json) -> str:
    """`namespace/name`, by which a resource and its rollouts know each other."""
    metadata = resource["metadata"]
    return f"{metadata.get('namespace', 'default')}/{metadata['name']}"


def text_of(resource: Json) -> str:
    """The plan as it would stand in a file of its own."""
    document = _document(resource)
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10**6))


def _document(resource: Json) -> Json:
    metadata = resource["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
    head = {"apiVersion": resource["apiVersion"], "kind": resource["kind"], "metadata": kept}
    return head | {"spec": as_applied(resource)}


def told(resource: Json, error: PlanError) -> list[str]:
    """Each mistake as `place: code message`."""
    found = [*_places(yaml.compose(text_of(resource)), ())]
    places = dict(reversed(found))  # a mapping begins where its first key does: the mapping it is
    return [_line(mistake, places) for mistake in error.mistakes]


def _line(mistake: Mistake, places: dict[tuple[int, int], Path]) -> str:
    hint = f" ({mistake.hint})" if mistake.hint else ""
    place = _spelt(places.get((mistake.line, mistake.column), ()))
    return f"{place}: {mistake.code} {mistake.message}{hint}"


def _spelt(path: Path) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".") or "the plan"


def _places(node: yaml.Node | None, path: Path) -> Iterator[tuple[tuple[int, int], Path]]:
    """The path of each key and value, by its line and column from 1."""
    if node is None:
        return
    yield (node.start_mark.line + 1, node.start_mark.column + 1), path
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _places(value, (*path, key.value))
            yield from _places(key, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield from _places(item, (*path, place))


def as_applied(resource: Json) -> Any:
    """The spec as `kubectl apply` sent it, if what is stored is that without some of its keys.

    An API server drops unknown keys silently; a misspelt margin must not become a default.
    """
    stored = resource.get("spec")
    try:
        noted = resource["metadata"]["annotations"][APPLIED]
        applied = json.loads(noted)["spec"]
    except (KeyError, TypeError, ValueError):
        return stored
    return applied if _is_part(stored, applied) else stored


def _is_part(part: Any, whole: Any) -> bool:
    """Whether `part` is `whole` but for keys that are left out."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _is_part(part[key], whole[key]) for key in part)
    if isinstance(part, list) and isinstance(whole, list):
        pairs = zip(part, whole, strict=False)
        return len(part) == len(whole) and all(_is_part(a, b) for a, b in pairs)
    return bool(part == whole)
