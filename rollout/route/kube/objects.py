"""The objects in a cluster that hold a plan's weights, and its refusals of them in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import Kind
from rollout.plan.model.plan import Plan
from rollout.route.gateway import rules
from rollout.route.manifest import Json

# v1beta1 is served by every Istio in use; v1 only since 1.22.
VIRTUAL_SERVICE = Kind("networking.istio.io", "v1beta1", "virtualservices", "VirtualService")
DESTINATION_RULE = Kind("networking.istio.io", "v1beta1", "destinationrules", "DestinationRule")
PEER_AUTHENTICATION = Kind(
    "security.istio.io", "v1beta1", "peerauthentications", "PeerAuthentication"
)
HTTP_ROUTE = Kind(rules.GROUP, "v1", "httproutes", "HTTPRoute")
GRPC_ROUTE = Kind(rules.GROUP, "v1", "grpcroutes", "GRPCRoute")

_LIMIT = 500  # letters of what the API server or a webhook said
_NOT_FOUND, _FORBIDDEN = 404, 403
_INVALID = (400, 422)  # what the API server itself finds wrong with a patch


class Objects(Protocol):
    """The part of a cluster that holds objects. Both raise ClusterError."""

    def get(self, kind: Kind, namespace: str, name: str) -> Json: ...
    def patch(
        self, kind: Kind, namespace: str, name: str, body: Json, *, dry: bool = False
    ) -> Json: ...


class Applied(Objects, Protocol):
    """Objects that can also be made. Raises ClusterError."""

    def apply(self, kind: Kind, namespace: str, body: Json) -> None: ...


@dataclass(frozen=True)
class Target:
    """The object that holds a plan's weights, and what its mesh says of them."""

    kind: Kind
    name: str
    complaint: Callable[[Json, Plan], str] = lambda _live, _plan: ""


def target_of(plan: Plan) -> Target:
    """Where a plan's weights live. Raises RouteError for a plan without objects in a cluster."""
    if plan.spec.route.istio is not None:
        name = plan.spec.route.istio.virtual_service
        return Target(VIRTUAL_SERVICE, name)
    kind = HTTP_ROUTE if rules.kind_of(plan) == "HTTPRoute" else GRPC_ROUTE
    return Target(kind, rules.name_of(plan), rules.complaint)


def at_version(body: Json, live: Json) -> Json:
    """The patch, good only for the object that was read: also not for its successor."""
    read = {key: live["metadata"][key] for key in ("resourceVersion", "uid")}
    return body | {"metadata": body.get("metadata", {}) | read}


def as_route_error(error: ClusterError, verb: str, kind: Kind, plan: Plan, name: str) -> RouteError:
    """A refusal in words, with the cure where we know one."""
    what, said = spelt(kind, plan, name), str(error)[:_LIMIT]
    denied = "admission webhook" in said and "denied the request" in said
    if error.status == _NOT_FOUND:
        known = f'"{name}"' in said
        cure = "there is no such object" if known else f"the cluster knows no {kind.api_version}"
        return RouteError(f"{what}: {cure}", refused=True, absent=known)
    if error.status == _FORBIDDEN and not denied:
        rule = f'{{apiGroups: [{kind.group}], resources: [{kind.plural}], verbs: ["{verb}"]}}'
        return RouteError(f"may not {verb} {what}; a Role needs the rule {rule}", refused=True)
    refused = denied or error.status in _INVALID
    said = f"cannot {verb} {what}: {said}"
    return RouteError(said, refused=refused, unread=verb == "get" and not refused)


def spelt(kind: Kind, plan: Plan, name: str) -> str:
    return f"{kind.name} {plan.metadata.namespace}/{name}"
