"""Whether the mesh shows a plan's weights, would take others, and knows the two versions apart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.decide.rules.ramp import largest, total_of
from rollout.doctor.finding import Finding
from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import Kind
from rollout.plan.model.plan import Plan
from rollout.ports import Router
from rollout.route.create.creation import routes
from rollout.route.istio.destinations import lacking, overlap
from rollout.route.kube.objects import DESTINATION_RULE, target_of
from rollout.route.kube.patch import patch

Get = Callable[[Kind, str, str], Any]  # an object, by kind, namespace, name; raises ClusterError

_APART = "lead each to pods of its own: else what is compared is one version with itself"
_MISSING = {403, 404}  # told by another check


@dataclass(frozen=True)
class Envoy:
    """What a plan's own Envoy is asked, in words; empty where all is well. Raise RouteError."""

    unknown: Callable[[Plan], str]  # clusters that it does not have
    against: Callable[[Plan], str]  # what keeps the canary from traffic of its own


def of_plan(plan: Plan, router: Router, envoy: Envoy) -> Iterator[Finding]:
    """Whether the mesh shows the plan's weights, and an Envoy would take others."""
    try:
        seen = router.read(plan, total_of(plan))
        problem = _of_envoy(plan, envoy) if plan.spec.route.envoy else None
    except RouteError as error:
        if error.absent and any(routes(plan)):
            yield Finding("mesh", plan.name, "ok", f"{error}; it is made before the first weight")
            return
        fix = "make the route as the plan names it, or name it in spec.route"
        yield Finding("mesh", plan.name, "fail", str(error), fix)
        return
    said = f"{seen.split.share * 100:.4g}% canary now"
    yield problem or Finding("mesh", plan.name, "ok", said)


def _of_envoy(plan: Plan, envoy: Envoy) -> Finding | None:
    if unknown := envoy.unknown(plan):
        fix = "define it in Envoy, or name both in spec.route.envoy.clusters"
        return Finding("mesh", plan.name, "fail", f"Envoy has no cluster {unknown}", fix)
    if plan.spec.route.envoy and not _replaceable(Path(plan.spec.route.envoy.file)):
        folder = Path(plan.spec.route.envoy.file).parent
        said = f"{plan.spec.route.envoy.file} cannot be replaced"
        return Finding("mesh", plan.name, "fail", said, f"give write access to {folder}")
    if said := envoy.against(plan):
        return Finding("mesh", plan.name, "fail", said, _APART)
    return None


def _replaceable(file: Path) -> bool:
    """A file is moved into its place: the folder's rights count."""
    return os.access(file.parent, os.W_OK | os.X_OK)


def of_objects(plan: Plan, get: Get) -> Iterator[Finding]:
    """Whether a cluster's objects would carry the plan's weights. Raises ClusterError."""
    if plan.spec.route.envoy is not None:
        return
    yield from _carries(plan, get)
    yield from _subsets(plan, get)


def _carries(plan: Plan, get: Get) -> Iterator[Finding]:
    """Whether the object would take the canary's largest weight: one arm twice is refused, say."""
    target = target_of(plan)
    try:
        live = get(target.kind, plan.metadata.namespace, target.name)
        for split in largest(plan):
            patch(live, plan, split, "")
    except ClusterError as error:
        if error.status not in _MISSING:
            raise
    except RouteError as error:
        said = f"{target.name} would refuse the canary's weight: {error}"
        fix = "mend the route before the rollout; docs/routing.md says what is refused"
        yield Finding("mesh", plan.name, "fail", said, fix)


def _subsets(plan: Plan, get: Get) -> Iterator[Finding]:
    """Whether the plan's DestinationRule defines both subsets: a mesh answers others with 503."""
    route = plan.spec.route.istio
    if route is None or route.destination_rule is None:
        return
    shared = ""
    try:
        rule = get(DESTINATION_RULE, plan.metadata.namespace, route.destination_rule)
        said, shared = lacking(rule, plan), overlap(rule, plan)
    except ClusterError as error:
        if error.status not in _MISSING:
            raise
        if error.status == 404 and route.create is not None:
            return  # it is made
        said = f"DestinationRule {route.destination_rule} cannot be read: {error}"
    if said:
        fix = "define the subset there before the rollout, or name the right rule in spec.route"
        yield Finding("mesh", plan.name, "fail", said, fix)
    elif shared:
        yield Finding("mesh", plan.name, "fail", f"{route.destination_rule}: {shared}", _APART)
    else:
        yield Finding("mesh", plan.name, "ok", f"{route.destination_rule} defines both subsets")
