"""Tell whether an object is as we created it, apart from weights and a policy of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rollout.answers.json_text import copy_json
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.kube.kinds import Kind
from rollout.plan.model.plan import Plan
from rollout.route.create.creation import MADE, OWNER, wanted
from rollout.route.kube import object_annotations, patch
from rollout.route.kube.dialect import dialect_of
from rollout.route.kube.objects import DESTINATION_RULE, target_of
from rollout.route.manifest import Json, dicts
from rollout.route.policy.cluster import parts

NOTES = (
    object_annotations.MARK,
    object_annotations.SPLIT,
    object_annotations.ADDED,
    object_annotations.COPIED,
    object_annotations.BEFORE,
    object_annotations.ROUTES,
    object_annotations.POLICY,
    MADE,
)


def edited(live: Json, kind: Kind, plan: Plan) -> str:
    """Describe what somebody else changed in an object of ours; empty if nothing.

    Only an unchanged object is deleted: anything else is work of somebody else.
    """
    name = live["metadata"]["name"]
    originals = [
        original for original in wanted(plan) if (original.kind, original.name) == (kind, name)
    ]
    if not originals:
        return "the plan asks for it no longer, so nothing says how we made it"
    try:
        changes = [
            *_find_foreign_metadata(live, plan),
            *_find_changes(live, kind, plan, originals[0].body),
        ]
    except RouteError as error:
        return str(error)
    return f"changed since we made it: {', '.join(changes)}" if changes else ""


def _find_foreign_metadata(live: Json, plan: Plan) -> Iterator[str]:
    """Yield the metadata that others added."""
    metadata, service = live["metadata"], plan.spec.service
    yield from (key for key in ("ownerReferences", "finalizers") if metadata.get(key))
    yield from (f"label {key}" for key in sorted({*metadata["labels"]} - {*OWNER}))
    ours = {prefix + service for prefix in NOTES}
    yield from (f"annotation {key}" for key in sorted({*metadata["annotations"]} - ours))


def _find_changes(live: Json, kind: Kind, plan: Plan, body: Json) -> list[str]:
    """Return the fields that differ from our manifest once weights and policy are undone."""
    plain = restored(live, kind, plan)
    if kind == DESTINATION_RULE:
        return [
            *paths(_index_subsets(body["spec"], {}), _index_subsets(plain["spec"], body["spec"]))
        ]
    if kind == target_of(plan).kind:
        plain = patch.at(plain, plan, Split(0), "")
    return [
        *paths(_strip_weights(body["spec"], plan), _strip_weights(plain.get("spec") or {}, plan))
    ]


def restored(live: Json, kind: Kind, plan: Plan) -> Json:
    """Return the object as it was before the plan's policy."""
    name = live["metadata"]["name"]
    for policy_object in parts(plan):
        if (policy_object.kind, policy_object.name) == (kind, name):
            return policy_object.settled(live, plan, None)
    return copy_json(live)


def paths(before: Json, after: Json, prefix: str = "spec") -> Iterator[str]:
    """Yield the deepest keys at which two documents differ; lists count as a whole."""
    for key in sorted(before.keys() | after.keys()):
        old, new, path = before.get(key), after.get(key), f"{prefix}.{key}"
        if isinstance(old, dict) and isinstance(new, dict):
            yield from paths(old, new, path)
        elif old != new:
            yield path


def _index_subsets(spec: Json, manifest_spec: Json) -> Json:
    """Return the spec with its subsets by name.

    With a `manifest_spec`, plain subsets that it does not name are left out: those are ours from
    earlier versions.
    """
    names = {subset["name"] for subset in dicts(manifest_spec.get("subsets"))}
    subsets: dict[str, Any] = {
        str(subset.get("name")): subset
        for subset in dicts(spec.get("subsets"))
        if not manifest_spec or subset.get("name") in names or not _is_plain(subset)
    }
    return spec | {"subsets": subsets}


def _is_plain(subset: Json) -> bool:
    """Return whether a subset contains no more than one that we create."""
    return {*subset} == {"name", "labels"} and {*subset["labels"]} == {"version"}


def _strip_weights(spec: Json, plan: Plan) -> Json:
    """Return the spec without weights and without destinations of weight zero."""
    dialect, plain = dialect_of(plan), copy_json(spec)
    for body in dicts(plain.get(dialect.routes)):
        route = dialect.weighted_route(body, plan)
        if len(route.entries) > 1:
            default_weight = route.mesh.default_weight
            route.entries[:] = [
                e for e in route.entries if str(e.get("weight", default_weight)) != "0"
            ]
        for entry in route.entries:
            entry.pop("weight", None)
    return plain
