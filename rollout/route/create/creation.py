"""The objects that a plan asks to be made: manifests in which stable has all traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollout.kube.kinds import Kind
from rollout.plan.model.creation import GatewayCreation, IstioCreation, Parent
from rollout.plan.model.plan import Plan
from rollout.plan.model.policy import PeerCreation
from rollout.route.gateway import rules
from rollout.route.istio.destinations import destinations, route_of
from rollout.route.kube.object_annotations import noted
from rollout.route.kube.objects import (
    DESTINATION_RULE,
    PEER_AUTHENTICATION,
    VIRTUAL_SERVICE,
    target_of,
)
from rollout.route.manifest import Json, dicts

MADE = "made.surefoot.dev/"  # the annotation that names the plan, by service
OWNER = {"app.kubernetes.io/managed-by": "surefoot"}

# Revisions begin at 1 in an empty store, so no object ever had this version: an apply that names
# it finds nothing to change, and only makes.
NEVER = "1"


@dataclass(frozen=True)
class Wanted:
    """An object that shall be there, and its manifest for when it is not."""

    kind: Kind
    body: Json

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])


def wanted(plan: Plan) -> Iterator[Wanted]:
    """What a plan with `create` needs, what is led to before what leads there; else nothing."""
    mtls = plan.spec.policy.mtls if plan.spec.policy else None
    if mtls is not None and mtls.create is not None and mtls.peer_authentication is not None:
        yield Wanted(PEER_AUTHENTICATION, _pods(plan, mtls.peer_authentication, mtls.create))
    yield from routes(plan)


def routes(plan: Plan) -> Iterator[Wanted]:
    """Those of them without which no route says where traffic goes."""
    route = plan.spec.route
    if route.istio is not None and route.istio.create is not None:
        if route.istio.destination_rule is not None:
            yield Wanted(DESTINATION_RULE, _rule(plan, route.istio.destination_rule))
        yield Wanted(VIRTUAL_SERVICE, _service(plan, route.istio.create))
    if route.gateway is not None and route.gateway.create is not None:
        yield Wanted(target_of(plan).kind, _route(plan, route.gateway.create))


def is_ours(live: Json, plan: Plan) -> bool:
    """Whether we made this object, for a plan of the same service."""
    labels = (live.get("metadata") or {}).get("labels") or {}
    marked = labels.items() >= OWNER.items()
    return marked and bool(noted(live, MADE + plan.spec.service))


def grown(live: Json, each: Wanted) -> Json:
    """The DestinationRule that we made once, with the subsets that it lacks; good for this version.

    What is there already stays: routes may lead to it.
    """
    body, version = each.body, live["metadata"]["resourceVersion"]
    new = {subset["name"]: subset for subset in body["spec"]["subsets"]}
    kept = [
        subset
        for subset in dicts((live.get("spec") or {}).get("subsets"))
        if subset.get("name") not in new
    ]
    metadata = body["metadata"] | {"resourceVersion": version}
    return {"metadata": metadata, "spec": body["spec"] | {"subsets": [*kept, *new.values()]}}


def _object(plan: Plan, name: str, spec: Json) -> Json:
    notes = {MADE + plan.spec.service: plan.name}
    metadata = {"name": name, "namespace": plan.metadata.namespace, "resourceVersion": NEVER}
    return {"metadata": {**metadata, "labels": OWNER, "annotations": notes}, "spec": spec}


def _service(plan: Plan, create: IstioCreation) -> Json:
    """A VirtualService with one HTTP route."""
    host, subset = destinations(plan).stable
    destination: Json = {"host": host}
    if subset is not None:
        destination["subset"] = subset
    if create.port is not None:
        destination["port"] = {"number": create.port}
    hosts = create.hosts or [plan.spec.service if subset is None else host]
    spec = {
        "hosts": hosts,
        **({"gateways": create.gateways} if create.gateways else {}),
        "http": [{"route": [{"destination": destination, "weight": 100}]}],
    }
    return _object(plan, route_of(plan).virtual_service, spec)


def _rule(plan: Plan, name: str) -> Json:
    """A DestinationRule whose subsets are told apart by the pods' label `version`."""
    mesh, spec = destinations(plan), plan.spec
    arms = ((mesh.stable, spec.stable.version), (mesh.canary, spec.canary.version))
    subsets = [{"name": subset, "labels": {"version": text}} for (_, subset), text in arms]
    return _object(plan, name, {"host": mesh.stable[0], "subsets": subsets})


def _pods(plan: Plan, name: str, create: PeerCreation) -> Json:
    """A PeerAuthentication without a mode, which changes nothing: the policy writes it."""
    return _object(plan, name, {"selector": {"matchLabels": create.labels}})


def _route(plan: Plan, create: GatewayCreation) -> Json:
    """An HTTPRoute or a GRPCRoute with one rule; what API servers would fill in, is there."""
    mesh = rules.backends(plan)
    backend = {"group": mesh.group, "kind": mesh.kind, "name": mesh.stable}
    rule: Json = {"backendRefs": [backend | {"port": create.port, "weight": 1}]}
    if rules.kind_of(plan) == "HTTPRoute":
        rule["matches"] = [{"path": {"type": "PathPrefix", "value": "/"}}]
    spec = {
        "parentRefs": [_parent(each) for each in create.parent_refs],
        **({"hostnames": create.hostnames} if create.hostnames else {}),
        "rules": [rule],
    }
    return _object(plan, rules.name_of(plan), spec)


def _parent(parent: Parent) -> Json:
    """As the Gateway API spells it; a Service is of the core group, which has an empty name."""
    group = "" if parent.kind == "Service" else rules.GROUP
    made: Json = {"group": group, "kind": parent.kind, "name": parent.name}
    if parent.namespace is not None:
        made["namespace"] = parent.namespace
    return made | ({"sectionName": parent.section_name} if parent.section_name else {})
