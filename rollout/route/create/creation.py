"""Manifests of the objects that a plan asks to create; in them stable has all traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollout.kube.kinds import Kind
from rollout.plan.model.mesh.creation import GatewayCreation, IstioCreation, Parent
from rollout.plan.model.mesh.policy import PeerCreation
from rollout.plan.model.plan import Plan
from rollout.route.create import specs
from rollout.route.gateway import rules
from rollout.route.istio.destinations import destinations, route_of
from rollout.route.kube.object_annotations import read_annotation
from rollout.route.kube.objects import (
    DESTINATION_RULE,
    PEER_AUTHENTICATION,
    VIRTUAL_SERVICE,
    target_of,
)
from rollout.route.manifest import Json, dicts

MADE = "made.surefoot.dev/"  # the annotation that names the plan, by service
OWNER = {"app.kubernetes.io/managed-by": "surefoot"}

# etcd starts at revision 1 while it is empty, so no object ever has this resourceVersion. A
# server-side apply with it conflicts with any existing object: it can only create.
NEVER = "1"


@dataclass(frozen=True)
class Wanted:
    """An object that must exist, and the manifest to create it from."""

    kind: Kind
    body: Json

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])


def wanted(plan: Plan) -> Iterator[Wanted]:
    """Yield the objects that a plan with `create` needs; nothing for other plans.

    What routes lead to comes before the routes, so that no request is led to nothing.
    """
    mtls = plan.spec.policy.mtls if plan.spec.policy else None
    if mtls is not None and mtls.create is not None and mtls.peer_authentication is not None:
        yield Wanted(
            PEER_AUTHENTICATION,
            _build_peer_authentication(plan, mtls.peer_authentication, mtls.create),
        )
    yield from routes(plan)


def routes(plan: Plan) -> Iterator[Wanted]:
    """Yield those without which no route says where traffic goes."""
    route = plan.spec.route
    if route.istio is not None and route.istio.create is not None:
        if route.istio.destination_rule is not None:
            yield Wanted(
                DESTINATION_RULE, _build_destination_rule(plan, route.istio.destination_rule)
            )
        yield Wanted(VIRTUAL_SERVICE, _build_virtual_service(plan, route.istio.create))
    if route.gateway is not None and route.gateway.create is not None:
        yield Wanted(target_of(plan).kind, _build_gateway_route(plan, route.gateway.create))


def is_ours(live: Json, plan: Plan) -> bool:
    """Return whether we created this object, for a plan of the same service."""
    labels = (live.get("metadata") or {}).get("labels") or {}
    is_managed = labels.items() >= OWNER.items()
    return is_managed and bool(read_annotation(live, MADE + plan.spec.service))


def grown(live: Json, wanted_object: Wanted) -> Json:
    """Add the subsets that a DestinationRule of ours lacks; valid for this version only.

    Subsets that exist stay: routes may lead to them.
    """
    body, version = wanted_object.body, live["metadata"]["resourceVersion"]
    new = {subset["name"]: subset for subset in body["spec"]["subsets"]}
    others = [
        subset
        for subset in dicts((live.get("spec") or {}).get("subsets"))
        if subset.get("name") not in new
    ]
    metadata = body["metadata"] | {"resourceVersion": version}
    return {"metadata": metadata, "spec": body["spec"] | {"subsets": [*others, *new.values()]}}


def _build_object(plan: Plan, name: str, spec: Json) -> Json:
    """Return a manifest with our label and annotation, for creation only."""
    notes = {MADE + plan.spec.service: plan.name}
    metadata = {"name": name, "namespace": plan.metadata.namespace, "resourceVersion": NEVER}
    return {"metadata": {**metadata, "labels": OWNER, "annotations": notes}, "spec": spec}


def _build_virtual_service(plan: Plan, create: IstioCreation) -> Json:
    """Return a VirtualService with one HTTP route."""
    host, subset = destinations(plan).stable
    stable = specs.destination(host, 100, subset=subset, port=create.port)
    hosts = create.hosts or [plan.spec.service if subset is None else host]
    spec = specs.virtual_service(hosts, [stable], create.gateways)
    return _build_object(plan, route_of(plan).virtual_service, spec)


def _build_destination_rule(plan: Plan, name: str) -> Json:
    """Return a DestinationRule whose subsets select pods by the label `version`."""
    mesh, spec = destinations(plan), plan.spec
    arms = ((mesh.stable, spec.stable.version), (mesh.canary, spec.canary.version))
    subsets = [{"name": subset, "labels": {"version": text}} for (_, subset), text in arms]
    return _build_object(plan, name, {"host": mesh.stable[0], "subsets": subsets})


def _build_peer_authentication(plan: Plan, name: str, create: PeerCreation) -> Json:
    """Return a PeerAuthentication without a mode.

    It changes nothing until the policy adds the mode.
    """
    return _build_object(plan, name, {"selector": {"matchLabels": create.labels}})


def _build_gateway_route(plan: Plan, create: GatewayCreation) -> Json:
    """Return an HTTPRoute or a GRPCRoute with one rule.

    It contains the defaults that API servers fill in, so that it compares equal later.
    """
    mesh = rules.backends(plan)
    backends = [specs.backend(mesh.stable, create.port, 1, mesh.group, mesh.kind)]
    is_http = rules.kind_of(plan) == "HTTPRoute"
    rule = specs.http_rule(backends) if is_http else {"backendRefs": backends}
    parents = [_build_parent_ref(parent) for parent in create.parent_refs]
    spec = specs.gateway_route(parents, rule, create.hostnames)
    return _build_object(plan, rules.name_of(plan), spec)


def _build_parent_ref(parent: Parent) -> Json:
    """Return a parent reference as the Gateway API spells it.

    A Service belongs to the core group, whose name is empty.
    """
    group = "" if parent.kind == "Service" else rules.GROUP
    reference: Json = {"group": group, "kind": parent.kind, "name": parent.name}
    if parent.namespace is not None:
        reference["namespace"] = parent.namespace
    return reference | ({"sectionName": parent.section_name} if parent.section_name else {})
