"""Whether an object that we made is still as we made it, but for weights and a policy of ours."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

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
    object_annotations.POLICY,
    MADE,
)


def edited(live: Json, kind: Kind, plan: Plan) -> str:
    """What somebody else changed in an object of ours, in words; empty if nothing."""
    name = live["metadata"]["name"]
    made = [each for each in wanted(plan) if (each.kind, each.name) == (kind, name)]
    if not made:
        return "the plan asks for it no longer, so nothing says how we made it"
    try:
        found = [*_beside(live, plan), *_changed(live, kind, plan, made[0].body)]
    except RouteError as error:
        return str(error)
    return f"changed since we made it: {', '.join(found)}" if found else ""


def _beside(live: Json, plan: Plan) -> Iterator[str]:
    """What the metadata says of others who have to do with it."""
    metadata, service = live["metadata"], plan.spec.service
    yield from (key for key in ("ownerReferences", "finalizers") if metadata.get(key))
    yield from (f"label {key}" for key in sorted({*metadata["labels"]} - {*OWNER}))
    ours = {prefix + service for prefix in NOTES}
    yield from (f"annotation {key}" for key in sorted({*metadata["annotations"]} - ours))


def _changed(live: Json, kind: Kind, plan: Plan, body: Json) -> list[str]:
    """The fields that are not as they would be if all traffic were at stable, without a policy."""
    plain = restored(live, kind, plan)
    if kind == DESTINATION_RULE:
        return [*paths(_by_name(body["spec"], {}), _by_name(plain["spec"], body["spec"]))]
    if kind == target_of(plan).kind:
        plain = patch.at(plain, plan, Split(0), "")
    return [*paths(_unweighted(body["spec"], plan), _unweighted(plain.get("spec") or {}, plan))]


def restored(live: Json, kind: Kind, plan: Plan) -> Json:
    """The object with what was there before the plan's policy."""
    name = live["metadata"]["name"]
    for part in parts(plan):
        if (part.kind, part.name) == (kind, name):
            return part.settled(live, plan, None)
    return copy.deepcopy(live)


def paths(before: Json, after: Json, place: str = "spec") -> Iterator[str]:
    """Where two documents differ: the deepest keys; lists count as a whole."""
    for key in sorted(before.keys() | after.keys()):
        one, other, here = before.get(key), after.get(key), f"{place}.{key}"
        if isinstance(one, dict) and isinstance(other, dict):
            yield from paths(one, other, here)
        elif one != other:
            yield here


def _by_name(spec: Json, made: Json) -> Json:
    """Subsets by name; without those that we made for other versions than the `made` ones."""
    kept = {each["name"] for each in dicts(made.get("subsets"))}
    subsets: dict[str, Any] = {
        str(each.get("name")): each
        for each in dicts(spec.get("subsets"))
        if not made or each.get("name") in kept or not _is_plain(each)
    }
    return spec | {"subsets": subsets}


def _is_plain(subset: Json) -> bool:
    """Whether it says no more than one of ours."""
    return {*subset} == {"name", "labels"} and {*subset["labels"]} == {"version"}


def _unweighted(spec: Json, plan: Plan) -> Json:
    """Without weights, and without destinations that get nothing."""
    dialect, plain = dialect_of(plan), copy.deepcopy(spec)
    for body in dicts(plain.get(dialect.routes)):
        fork = dialect.fork(body, plan)
        if len(fork.entries) > 1:
            none = fork.mesh.absent
            fork.entries[:] = [e for e in fork.entries if str(e.get("weight", none)) != "0"]
        for each in fork.entries:
            each.pop("weight", None)
    return plain
