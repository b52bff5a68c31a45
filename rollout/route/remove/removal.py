"""Decide what to do with a plan's objects: delete ours, restore those of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rollout.decide.rules.ramp import total_of
from rollout.decide.text.comparison import format_split
from rollout.errors import RouteError
from rollout.kube.kinds import Kind
from rollout.plan.model.plan import Plan
from rollout.route.create.creation import MADE, is_ours
from rollout.route.istio.destinations import full
from rollout.route.istio.virtual_service import routes
from rollout.route.kube import object_annotations, patch
from rollout.route.kube.objects import DESTINATION_RULE, PEER_AUTHENTICATION, target_of
from rollout.route.manifest import Json, dicts
from rollout.route.policy.cluster import parts
from rollout.route.remove.pristine import NOTES, edited, paths, restored

Deed = Literal["delete", "restore", "keep"]
Name = tuple[Kind, str]


@dataclass(frozen=True)
class Removal:
    """What is done to one object, and why."""

    kind: Kind
    live: Json
    deed: Deed
    why: str
    carries: str
    patch: Json  # of an object that is restored; empty for others

    @property
    def name(self) -> str:
        return str(self.live["metadata"]["name"])

    @property
    def is_route_gone(self) -> bool:
        """Whether the deleted object led traffic, so that proxies need time to notice."""
        return self.deed == "delete" and self.kind not in {DESTINATION_RULE, PEER_AUTHENTICATION}


def named(plan: Plan) -> list[Name]:
    """Return the objects that a plan may have created or written to.

    Routes come before what they lead to, so that no route is left that leads to nothing.
    """
    if plan.spec.route.istio is None:
        target = target_of(plan)
        return [(target.kind, target.name)]
    return [(policy_object.kind, policy_object.name) for policy_object in parts(plan)][::-1]


def removals(
    plan: Plan, live_objects: Sequence[tuple[Kind, Json]], services: Sequence[Json]
) -> Iterator[Removal]:
    """Yield what is done to the `named` objects that exist; without a trace of ours, nothing.

    `services` are the namespace's VirtualServices: a rule that one of them needs is kept.
    """
    remaining = list(services)
    for kind, live in live_objects:
        if not is_ours(live, plan):
            removal = _restore_foreign(live, kind, plan)
        else:
            removal = _decide_own(live, kind, plan, remaining)
        if removal is not None:
            yield removal
            if removal.is_route_gone:  # a rule that only this route needs is not kept for it
                remaining = [
                    service for service in remaining if service["metadata"]["name"] != removal.name
                ]


def _decide_own(live: Json, kind: Kind, plan: Plan, services: Sequence[Json]) -> Removal:
    """Return the deletion of an object of ours, or why it is kept."""
    needed = _explain_need(live, plan, services) if kind == DESTINATION_RULE else ""
    reason = edited(live, kind, plan) or needed
    why = reason or f"made for {object_annotations.read_annotation(live, MADE + plan.spec.service)}"
    return Removal(kind, live, "keep" if reason else "delete", why, carries(live, kind, plan), {})


def _restore_foreign(live: Json, kind: Kind, plan: Plan) -> Removal | None:
    """Return the restoration of an object of others; None if nothing of ours is in it.

    Our annotations and our policy are removed; the weights stay.
    """
    plain = restored(live, kind, plan)
    for prefix in NOTES:
        object_annotations.note(plain, prefix + plan.spec.service, "")
    patch = object_annotations.difference(live, plain)
    if not patch:
        return None
    back = ", ".join(paths(live.get("spec") or {}, plain.get("spec") or {}))
    why = f"was there before: {back} as before" if back else "was there before: our annotations go"
    return Removal(kind, live, "restore", why, carries(live, kind, plan), patch)


def carries(live: Json, kind: Kind, plan: Plan) -> str:
    """Describe what an object does for traffic now."""
    object_spec = live.get("spec") or {}
    if kind == DESTINATION_RULE:
        names = ", ".join(str(subset.get("name")) for subset in dicts(object_spec.get("subsets")))
        return f"subsets {names}"
    if kind == PEER_AUTHENTICATION:
        return f"mTLS {str((object_spec.get('mtls') or {}).get('mode', 'as inherited')).lower()}"
    try:
        split = patch.split_of(live, plan, total_of(plan))
    except RouteError as error:
        return str(error)
    spec = plan.spec
    return f"{format_split(split)} to {spec.canary.version}, the rest to {spec.stable.version}"


def _explain_need(rule: Json, plan: Plan, services: Sequence[Json]) -> str:
    """Say which route leads to a subset of the rule; empty if none does.

    Without the rule Istio would answer that route's requests with 503.
    """
    namespace, spec = plan.metadata.namespace, rule.get("spec") or {}
    host = full(str(spec.get("host", "")), namespace)
    for service in services:
        for route in routes(service):
            for entry in dicts(route.body.get("route")):
                to = entry.get("destination") or {}
                if to.get("subset") and full(str(to.get("host", "")), namespace) == host:
                    name = service["metadata"]["name"]
                    return f"VirtualService {name} leads to its subset {to['subset']}"
    return ""
