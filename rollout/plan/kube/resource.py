"""Read a plan from a Kubernetes resource, or report every mistake at its path in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from rollout.answers.json_text import check_depth, parse_json
from rollout.errors import Mistake, PlanError
from rollout.plan.model.plan import Plan
from rollout.plan.reading.bounds import find_excess, too_large
from rollout.plan.reading.load import load
from rollout.plan.reading.positions import Path, is_text, shown

Json = dict[str, Any]

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def plan_of(resource: Json, context: Any = None) -> Plan:
    """Read the plan that a resource declares, without its status and its other metadata.

    With `RECORDED` as the context, by the rules for a plan of a journal. Raises
    PlanError. Its line numbers are those of `text_of`; `describe_mistakes` turns them into paths.
    """
    try:
        document = build_document(resource)
        check_depth(document)
        text = json.dumps(document, ensure_ascii=False)
        if problem := too_large(len(text)):
            raise PlanError([Mistake(name_of(resource), 1, 1, "P001", problem)])
        if is_text(text) and not any(find_excess(document)):
            return Plan.model_validate(document, context=context)
    except ValidationError:
        pass
    except ValueError as error:
        raise PlanError([Mistake(name_of(resource), 1, 1, "P001", str(error))]) from None
    # Parsed again as text, to get positions and messages for users.
    (plan,) = load(text_of(resource), name_of(resource), context)
    return plan


def name_of(resource: Json) -> str:
    """`namespace/name`, which links a resource and its rollouts."""
    metadata = resource["metadata"]
    return f"{metadata.get('namespace', 'default')}/{metadata['name']}"


def find_spelling(resource: Json) -> tuple[Any, ...]:
    """Return what changes whenever somebody edits a resource.

    The generation changes with the stored spec only. The API server drops unknown keys before it
    stores a spec, so an edit of a misspelt key shows in the last-applied annotation alone. The uid
    tells a resource from a later one of the same name.
    """
    metadata = resource["metadata"]
    applied = (metadata.get("annotations") or {}).get(APPLIED)
    return metadata.get("uid"), metadata.get("generation"), applied


def text_of(resource: Json) -> str:
    """The plan as the text of a file of its own."""
    document = build_document(resource)
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10**6))


def build_document(resource: Json) -> Json:
    """The document of a resource: its head, its name, and its spec as it was applied."""
    metadata = resource["metadata"]
    identity = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
    head = {"apiVersion": resource["apiVersion"], "kind": resource["kind"], "metadata": identity}
    return head | {"spec": as_applied(resource)}


def describe_mistakes(resource: Json, error: PlanError) -> list[str]:
    """Format each mistake as `path: code message`."""
    if all((mistake.line, mistake.column) == (1, 1) for mistake in error.mistakes):
        return [_format_mistake(mistake, {}) for mistake in error.mistakes]
    positions = [*_walk_positions(yaml.compose(text_of(resource)), ())]
    # A mapping begins where its first key does. The mapping comes first; reversed, it wins.
    paths = dict(reversed(positions))
    return [_format_mistake(mistake, paths) for mistake in error.mistakes]


def _format_mistake(mistake: Mistake, paths: dict[tuple[int, int], Path]) -> str:
    hint = f" ({mistake.hint})" if mistake.hint else ""
    path = _format_path(paths.get((mistake.line, mistake.column), ()))
    return f"{path}: {mistake.code} {mistake.message}{hint}"


def _format_path(path: Path) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in path)
    return "".join(steps).removeprefix(".") or "the plan"


def _walk_positions(node: yaml.Node | None, path: Path) -> Iterator[tuple[tuple[int, int], Path]]:
    """Yield the line and column (from 1) and the path of every value and key."""
    if node is None:
        return
    yield (node.start_mark.line + 1, node.start_mark.column + 1), path
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk_positions(value, (*path, key.value))
            yield from _walk_positions(key, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk_positions(item, (*path, index))


def as_applied(resource: Json) -> Any:
    """The spec as `kubectl apply` sent it, if the stored spec is the same but for missing keys.

    An API server drops unknown keys silently. Without this, a misspelt key would silently leave its
    default in force. When the stored spec differs otherwise, somebody changed it without `apply`,
    and the stored one counts.
    """
    stored = resource.get("spec")
    try:
        annotation = resource["metadata"]["annotations"][APPLIED]
        applied = parse_json(annotation)["spec"]
    except (KeyError, TypeError, ValueError):
        return stored
    return applied if _is_subset(stored, applied) else stored


def _is_subset(stored: Any, applied: Any) -> bool:
    """Whether `stored` is `applied` without some of its keys, at any depth."""
    if isinstance(stored, dict) and isinstance(applied, dict):
        return all(key in applied and _is_subset(stored[key], applied[key]) for key in stored)
    if isinstance(stored, list) and isinstance(applied, list):
        pairs = zip(stored, applied, strict=False)
        return len(stored) == len(applied) and all(_is_subset(a, b) for a, b in pairs)
    return bool(stored == applied)
