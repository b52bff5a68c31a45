"""The cluster objects that hold a plan's weights, and what their API server's errors mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import Kind
from rollout.plan.model.plan import Plan
from rollout.route.gateway import rules
from rollout.route.kube.conditions import complaint_of
from rollout.route.manifest import Json

# v1beta1 is served by every Istio in use; v1 only since 1.22.
VIRTUAL_SERVICE = Kind("networking.istio.io", "v1beta1", "virtualservices", "VirtualService")
DESTINATION_RULE = Kind("networking.istio.io", "v1beta1", "destinationrules", "DestinationRule")
PEER_AUTHENTICATION = Kind(
    "security.istio.io", "v1beta1", "peerauthentications", "PeerAuthentication"
)
HTTP_ROUTE = Kind(rules.GROUP, "v1", "httproutes", "HTTPRoute")
GRPC_ROUTE = Kind(rules.GROUP, "v1", "grpcroutes", "GRPCRoute")

_LIMIT = 500  # longest excerpt of an error, in characters
_NOT_FOUND, _FORBIDDEN = 404, 403
_INVALID = (400, 422)  # the API server rejects the patch itself


class Objects(Protocol):
    """The part of a cluster that reads and patches objects. Both methods raise ClusterError."""

    def get(self, kind: Kind, namespace: str, name: str) -> Json: ...
    def patch(
        self, kind: Kind, namespace: str, name: str, body: Json, *, dry: bool = False
    ) -> Json: ...


class Applied(Objects, Protocol):
    """Objects that can also be created. Raises ClusterError."""

    def apply(self, kind: Kind, namespace: str, body: Json) -> None: ...


@dataclass(frozen=True)
class Target:
    """The object that holds a plan's weights.

    `complaint` says why the mesh does not carry out what the object asks for; empty if it does.
    """

    kind: Kind
    name: str
    complaint: Callable[[Json, Plan], str] = lambda _live, _plan: ""


def target_of(plan: Plan) -> Target:
    """Return the object that holds a plan's weights. Raises RouteError if there is none."""
    if plan.spec.route.istio is not None:
        name = plan.spec.route.istio.virtual_service
        return Target(VIRTUAL_SERVICE, name)
    kind = HTTP_ROUTE if rules.kind_of(plan) == "HTTPRoute" else GRPC_ROUTE
    return Target(kind, rules.name_of(plan), complaint_of)


def at_version(body: Json, live: Json) -> Json:
    """Return the patch, valid only for the version of the object that was read.

    The uid makes it invalid for a successor of the same name. Raises RouteError for an object
    without either: a write would be one over whatever is there by now.
    """
    metadata = live.get("metadata") or {}
    identity = {key: metadata[key] for key in ("resourceVersion", "uid") if metadata.get(key)}
    if len(identity) < 2:
        raise RouteError("the object tells neither its version nor its uid", unread=True)
    return body | {"metadata": body.get("metadata", {}) | identity}


def read_version(live: Json) -> str:
    """Return which object it is and which version of it, as uid@resourceVersion."""
    metadata = live.get("metadata") or {}
    return "@".join(str(metadata.get(key, "")) for key in ("uid", "resourceVersion"))


def as_route_error(error: ClusterError, verb: str, kind: Kind, plan: Plan, name: str) -> RouteError:
    """Turn a cluster's error into a RouteError, with the cure where we know one.

    A 404 names the object if only the object is missing, and not if its kind is unknown. A 403 is
    a missing right unless an admission webhook denied the request. An error of a `get` leaves the
    mesh's state unread unless it is a refusal.
    """
    what, detail = spelt(kind, plan, name), str(error)[:_LIMIT]
    denied = "admission webhook" in detail and "denied the request" in detail
    if error.status == _NOT_FOUND:
        is_missing = f'"{name}"' in detail
        cure = (
            "there is no such object" if is_missing else f"the cluster knows no {kind.api_version}"
        )
        # Only a missing route leads nowhere: without a DestinationRule its routes still lead on.
        is_route = verb == "get" and kind in {VIRTUAL_SERVICE, HTTP_ROUTE, GRPC_ROUTE}
        return RouteError(
            f"{what}: {cure}", refused=True, absent=is_missing, gives_nothing=is_route
        )
    if error.status == _FORBIDDEN and not denied:
        rule = f'{{apiGroups: [{kind.group}], resources: [{kind.plural}], verbs: ["{verb}"]}}'
        return RouteError(f"may not {verb} {what}; a Role needs the rule {rule}", refused=True)
    refused = denied or error.status in _INVALID
    message = f"cannot {verb} {what}: {detail}"
    return RouteError(message, refused=refused, unread=verb == "get" and not refused)


def spelt(kind: Kind, plan: Plan, name: str) -> str:
    return f"{kind.name} {plan.metadata.namespace}/{name}"
