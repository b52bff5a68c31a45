"""Ask a cluster whether an arm has endpoints that are ready to answer.

Two Services have EndpointSlices of their own. The subsets of one Service share its slices, so there
the pods are asked for, by the subset's labels and the Service's selector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from analysis.counting.cursor import Arm
from rollout.errors import ClusterError
from rollout.plan.model.plan import Plan
from rollout.route.gateway.rules import backends
from rollout.route.istio.destinations import destinations, full
from rollout.route.kube.objects import DESTINATION_RULE, Objects
from rollout.route.kube.shapes import settle_object
from rollout.route.manifest import Json, dicts
from rollout.route.shape import Shape, settle

_SLICE: Shape = {"endpoints": [{"conditions": {}}]}
_SERVICE: Shape = {"spec": {"type": str, "selector": dict}}
_POD: Shape = {
    "metadata": {"deletionTimestamp": str},
    "status": {"conditions": [{"type": str, "status": str}]},
}
_LOCAL = ["svc", "cluster", "local"]
_NOT_FOUND = 404


class EndpointSource(Protocol):
    """The part of a cluster that knows Services and pods. All methods raise ClusterError."""

    def endpoint_slices(self, namespace: str, service: str) -> Sequence[Json]: ...
    def service(self, namespace: str, name: str) -> Json: ...
    def pods(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Json]: ...


def has_endpoints(plan: Plan, arm: Arm, objects: Objects, source: EndpointSource) -> bool | None:
    """Return whether an arm has a ready endpoint; None where the cluster cannot tell.

    Raises ClusterError and RouteError.
    """
    if plan.spec.route.gateway is not None:
        refs = backends(plan)
        is_service = refs.group == "" and refs.kind == "Service"
        backend = refs.stable if arm == "stable" else refs.canary
        return _ask_service(source, refs.namespace, backend) if is_service else None
    mesh = destinations(plan)
    host, subset = mesh.stable if arm == "stable" else mesh.canary
    name, namespace, *domain = full(host, plan.metadata.namespace).split(".")
    if domain != _LOCAL:
        return None  # a host outside the cluster
    if subset is None:
        return _ask_service(source, namespace, name)
    subsets = _read_subsets(plan, objects)
    labels = (subsets or {}).get(subset, _created_labels(plan, arm))
    if labels is None:
        # A write refuses such a subset of the canary by name, but none for stable: Istio answers
        # every request to it with 503.
        return False if subsets is not None and arm == "stable" else None
    return _ask_pods(source, namespace, name, labels)


def _ask_service(source: EndpointSource, namespace: str, name: str) -> bool | None:
    slices = source.endpoint_slices(namespace, name)
    settled = [settle(item, _SLICE, "EndpointSlice") for item in slices]
    if any(map(_is_ready, (endpoint for item in settled for endpoint in _endpoints(item)))):
        return True
    try:
        service = settle(source.service(namespace, name), _SERVICE, "Service")
    except ClusterError as error:
        if error.status == _NOT_FOUND:
            return False
        raise
    # A name of another domain has no slices, and may answer all the same.
    return None if (service.get("spec") or {}).get("type") == "ExternalName" else False


def _endpoints(item: Json) -> list[Json]:
    return dicts(item.get("endpoints"))


def _is_ready(endpoint: Json) -> bool:
    """Return whether an endpoint is ready; without that condition it is, by the API's rule."""
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _read_subsets(plan: Plan, objects: Objects) -> Mapping[str, Mapping[str, str]] | None:
    """Return the labels of each subset's pods; None without the plan's DestinationRule."""
    route = plan.spec.route.istio
    if route is None or route.destination_rule is None:
        return None
    try:
        rule = objects.get(DESTINATION_RULE, plan.metadata.namespace, route.destination_rule)
    except ClusterError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    rule = settle_object(DESTINATION_RULE, rule)
    subsets = dicts((rule.get("spec") or {}).get("subsets"))
    return {str(item.get("name")): item.get("labels") or {} for item in subsets}


def _created_labels(plan: Plan, arm: Arm) -> Mapping[str, str] | None:
    """Return the label by which a plan that creates its route defines an arm's subset."""
    route, spec = plan.spec.route.istio, plan.spec
    if route is None or route.destination_rule is None or route.create is None:
        return None
    return {"version": (spec.stable if arm == "stable" else spec.canary).version}


def _ask_pods(
    source: EndpointSource, namespace: str, service: str, labels: Mapping[str, str]
) -> bool | None:
    settled = settle(source.service(namespace, service), _SERVICE, "Service")
    selector = (settled.get("spec") or {}).get("selector")
    if not selector:
        return None  # somebody else keeps its endpoints, not the pods' labels
    pods = source.pods(namespace, {**selector, **labels})
    return any(_is_pod_ready(settle(pod, _POD, "Pod")) for pod in pods)


def _is_pod_ready(pod: Json) -> bool:
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return False
    conditions = dicts((pod.get("status") or {}).get("conditions"))
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)
