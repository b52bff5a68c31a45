"""Check the mesh of a plan: it shows weights, accepts new ones, and separates the versions.

The last check matters most for the statistics: when both versions lead to the same pods, the
comparison is of one version with itself, and every guardrail looks safe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.decide.rules.ramp import max_splits, total_of
from rollout.doctor import live
from rollout.doctor.finding import Finding
from rollout.doctor.live import Recorded
from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import Kind
from rollout.plan.model.plan import Plan
from rollout.plan.model.terms import FULL, only_observes
from rollout.ports import Router
from rollout.route.create.creation import routes
from rollout.route.istio.destinations import explain_missing_subset, explain_overlap
from rollout.route.kube.objects import DESTINATION_RULE, target_of
from rollout.route.kube.patch import patch

Get = Callable[[Kind, str, str], Any]  # an object, by kind, namespace, name; raises ClusterError

_APART = "lead each version to its own pods, or a version is compared with itself"
_MISSING = {403, 404}  # HTTP status; the checks of rights and of the route report these


@dataclass(frozen=True)
class EnvoyAdmin:
    """Two questions to the Envoy of a plan. Both raise RouteError.

    Both answer with a description of the problem; an empty answer means that there is none.
    """

    unknown: Callable[[Plan], str]  # clusters that it does not have
    against: Callable[[Plan], str]  # what keeps the canary from traffic of its own


def of_plan(
    plan: Plan, router: Router, envoy: EnvoyAdmin, recorded: Recorded = lambda _: None
) -> Iterator[Finding]:
    """Check what the mesh shows of the plan's route, and that a local Envoy accepts new weights.

    `recorded` tells whether a write id is in the journal; None where there is no journal.
    """
    try:
        status = router.read(plan, total_of(plan))
        problem = _check_envoy(plan, envoy) if plan.spec.route.envoy else None
    except RouteError as error:
        # A route that the plan creates itself is missing until the first weight is written.
        if error.absent and any(routes(plan)):
            yield Finding(
                "mesh", plan.name, "ok", f"{error}; the rollout creates it before the first weight"
            )
            return
        yield live.of_unread(plan, error)
        return
    weight = live.of_weight(plan, status, recorded)
    if problem:
        yield problem
    if not problem or weight.level != "ok":
        yield weight
    if only_observes(plan.spec.authority or FULL):
        return  # neither an owner of the route nor missing endpoints stand against looking on
    yield from live.of_reports(plan, status)
    if plan.spec.waits_for_endpoints and router.endpoints(plan, "canary") is False:
        yield live.of_no_endpoints(plan)


def _check_envoy(plan: Plan, envoy: EnvoyAdmin) -> Finding | None:
    """Return the first problem of a local Envoy; None when there is none."""
    if unknown := envoy.unknown(plan):
        fix = "define it in Envoy, or name both clusters in spec.route.envoy.clusters"
        return Finding("mesh", plan.name, "fail", f"Envoy has no cluster {unknown}", fix)
    is_written = plan.spec.authority != "observe"
    if (
        plan.spec.route.envoy
        and is_written
        and not _is_replaceable(Path(plan.spec.route.envoy.file))
    ):
        folder = Path(plan.spec.route.envoy.file).parent
        message = f"{plan.spec.route.envoy.file} cannot be replaced"
        return Finding("mesh", plan.name, "fail", message, f"give write access to {folder}")
    if problem := envoy.against(plan):
        return Finding("mesh", plan.name, "fail", problem, _APART)
    return None


def _is_replaceable(file: Path) -> bool:
    """Tell whether the file can be replaced.

    A new file is renamed over the old one, so the rights of the folder count, not the file's.
    """
    return os.access(file.parent, os.W_OK | os.X_OK)


def of_objects(plan: Plan, get: Get) -> Iterator[Finding]:
    """Check that the cluster's objects can carry the plan's weights. Raises ClusterError."""
    if plan.spec.route.envoy is not None:
        return
    yield from _check_object(plan, get)
    yield from _check_subsets(plan, get)


def _check_object(plan: Plan, get: Get) -> Iterator[Finding]:
    """Check that the object accepts the largest weights of the plan, and that nobody resets it.

    The patch is computed and not sent. It fails, for example, when a route names one version twice.
    """
    target = target_of(plan)
    try:
        manifest = get(target.kind, plan.metadata.namespace, target.name)
        if only_observes(plan.spec.authority or FULL):
            return
        yield from live.of_git_tool(plan, target.name, manifest)
        for split in max_splits(plan):
            patch(manifest, plan, split, "")
    except ClusterError as error:
        if error.status not in _MISSING:
            raise
    except RouteError as error:
        if error.most:
            return  # what the route shows says it already
        message = f"{target.name} would refuse the canary's weight: {error}"
        fix = "fix the route before the rollout; docs/routing.md lists what is refused"
        yield Finding("mesh", plan.name, "fail", message, fix)


def _check_subsets(plan: Plan, get: Get) -> Iterator[Finding]:
    """Check that the plan's DestinationRule defines both subsets, each with pods of its own.

    Istio answers requests to a subset that is not defined with 503.
    """
    route = plan.spec.route.istio
    if route is None or route.destination_rule is None:
        return
    shared = ""
    try:
        rule = get(DESTINATION_RULE, plan.metadata.namespace, route.destination_rule)
        problem, shared = explain_missing_subset(rule, plan), explain_overlap(rule, plan)
    except ClusterError as error:
        if error.status not in _MISSING:
            raise
        if error.status == 404 and route.create is not None:
            return  # the rollout creates it
        problem = f"DestinationRule {route.destination_rule} cannot be read: {error}"
    if problem:
        fix = "define the subset there before the rollout, or name the right rule in spec.route"
        yield Finding("mesh", plan.name, "fail", problem, fix)
    elif shared:
        yield Finding("mesh", plan.name, "fail", f"{route.destination_rule}: {shared}", _APART)
    else:
        yield Finding("mesh", plan.name, "ok", f"{route.destination_rule} defines both subsets")
