"""What the removal of a plan's objects does: ours are deleted, others' get back what was there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rollout.decide.rules.ramp import total_of
from rollout.decide.text.comparison import shown
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
    """What is done to one object, and why so."""

    kind: Kind
    live: Json
    deed: Deed
    why: str
    carries: str
    patch: Json  # of what is restored

    @property
    def name(self) -> str:
        return str(self.live["metadata"]["name"])

    @property
    def is_route_gone(self) -> bool:
        """Whether traffic is no longer led by what is deleted."""
        return self.deed == "delete" and self.kind not in {DESTINATION_RULE, PEER_AUTHENTICATION}


def named(plan: Plan) -> list[Name]:
    """The objects that a plan may have made or written to: what leads somewhere comes first."""
    if plan.spec.route.istio is None:
        target = target_of(plan)
        return [(target.kind, target.name)]
    return [(part.kind, part.name) for part in parts(plan)][::-1]


def removals(
    plan: Plan, found: Sequence[tuple[Kind, Json]], services: Sequence[Json]
) -> Iterator[Removal]:
    """What is done to those of the `named` objects that are there; nothing to others'.

    `services` are the namespace's VirtualServices: a rule that one of them needs is kept.
    """
    left = list(services)
    for kind, live in found:
        if not is_ours(live, plan):
            made = _of_theirs(live, kind, plan)
        else:
            made = _of_ours(live, kind, plan, left)
        if made is not None:
            yield made
            if made.is_route_gone:
                left = [each for each in left if each["metadata"]["name"] != made.name]


def _of_ours(live: Json, kind: Kind, plan: Plan, left: Sequence[Json]) -> Removal:
    needed = _needed(live, plan, left) if kind == DESTINATION_RULE else ""
    kept = edited(live, kind, plan) or needed
    why = kept or f"made for {object_annotations.noted(live, MADE + plan.spec.service)}"
    return Removal(kind, live, "keep" if kept else "delete", why, carries(live, kind, plan), {})


def _of_theirs(live: Json, kind: Kind, plan: Plan) -> Removal | None:
    """An object that was there before: none of our notes stays, and no policy of ours."""
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
    """What an object does for traffic now, in words."""
    told = live.get("spec") or {}
    if kind == DESTINATION_RULE:
        names = ", ".join(str(each.get("name")) for each in dicts(told.get("subsets")))
        return f"subsets {names}"
    if kind == PEER_AUTHENTICATION:
        return f"mTLS {str((told.get('mtls') or {}).get('mode', 'as inherited')).lower()}"
    try:
        split = patch.split_of(live, plan, total_of(plan))
    except RouteError as error:
        return str(error)
    spec = plan.spec
    return f"{shown(split)} to {spec.canary.version}, the rest to {spec.stable.version}"


def _needed(rule: Json, plan: Plan, services: Sequence[Json]) -> str:
    """Which route leads to a subset of the rule: without the rule it would be answered with 503."""
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
