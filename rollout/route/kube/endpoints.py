"""Ask a cluster whether the canary has endpoints that are ready to answer.

Two Services have EndpointSlices of their own. The subsets of one Service share its slices, so there
the pods are asked for, by the subset's labels and the Service's selector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rollout.errors import ClusterError
from rollout.plan.model.plan import Plan
from rollout.route.gateway.rules import backends
from rollout.route.istio.destinations import destinations, full
from rollout.route.kube.objects import DESTINATION_RULE, Objects
from rollout.route.manifest import Json, dicts

_LOCAL = ["svc", "cluster", "local"]
_NOT_FOUND = 404


class EndpointSource(Protocol):
    """The part of a cluster that knows Services and pods. All methods raise ClusterError."""

    def endpoint_slices(self, namespace: str, service: str) -> Sequence[Json]: ...
    def service(self, namespace: str, name: str) -> Json: ...
    def pods(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Json]: ...


def has_endpoints(plan: Plan, objects: Objects, source: EndpointSource) -> bool | None:
    """Return whether the canary has a ready endpoint; None where the cluster cannot tell.

    Raises ClusterError and RouteError.
    """
    if plan.spec.route.gateway is not None:
        refs = backends(plan)
        is_service = refs.group == "" and refs.kind == "Service"
        return _ask_service(source, refs.namespace, refs.canary) if is_service else None
    host, subset = destinations(plan).canary
    name, namespace, *domain = full(host, plan.metadata.namespace).split(".")
    if domain != _LOCAL:
        return None  # a host outside the cluster
    if subset is None:
        return _ask_service(source, namespace, name)
    labels = _read_subset_labels(plan, objects, subset)
    return None if labels is None else _ask_pods(source, namespace, name, labels)


def _ask_service(source: EndpointSource, namespace: str, name: str) -> bool | None:
    slices = source.endpoint_slices(namespace, name)
    if any(map(_is_ready, (endpoint for item in slices for endpoint in _endpoints(item)))):
        return True
    try:
        service = source.service(namespace, name)
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


def _read_subset_labels(plan: Plan, objects: Objects, subset: str) -> Mapping[str, str] | None:
    """Return the labels of a subset's pods; None without a DestinationRule that defines it.

    A plan that creates its route defines the subset by the label `version`.
    """
    route = plan.spec.route.istio
    if route is None or route.destination_rule is None:
        return None
    created = {"version": plan.spec.canary.version} if route.create is not None else None
    try:
        rule = objects.get(DESTINATION_RULE, plan.metadata.namespace, route.destination_rule)
    except ClusterError as error:
        if error.status == _NOT_FOUND:
            return created
        raise
    subsets = dicts((rule.get("spec") or {}).get("subsets"))
    labels = [item.get("labels") or {} for item in subsets if item.get("name") == subset]
    return labels[0] if labels else created


def _ask_pods(
    source: EndpointSource, namespace: str, service: str, labels: Mapping[str, str]
) -> bool | None:
    selector = (source.service(namespace, service).get("spec") or {}).get("selector")
    if not selector:
        return None  # somebody else keeps its endpoints, not the pods' labels
    return any(map(_is_pod_ready, source.pods(namespace, {**selector, **labels})))


def _is_pod_ready(pod: Json) -> bool:
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return False
    conditions = dicts((pod.get("status") or {}).get("conditions"))
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)
