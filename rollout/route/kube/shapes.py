"""The fields of a cluster's objects that we read, and what each of them must be."""

from __future__ import annotations

from collections.abc import Mapping

from rollout.kube.kinds import Kind
from rollout.route.kube.objects import DESTINATION_RULE, GRPC_ROUTE, HTTP_ROUTE, VIRTUAL_SERVICE
from rollout.route.manifest import Json
from rollout.route.shape import NUMBER, Shape, settle

_METADATA = {
    "name": str,
    "resourceVersion": str,
    "uid": str,
    "annotations": dict,
    "labels": dict,
    "ownerReferences": [dict],
    "generation": NUMBER,
    "deletionTimestamp": str,
}
_DESTINATION = {"host": str, "subset": str, "port": dict}
_VIRTUAL_ROUTE = {
    "name": str,
    "match": [{"sniHosts": [str], "port": NUMBER, "headers": dict, "queryParams": dict}],
    "route": [{"destination": _DESTINATION, "weight": NUMBER, "headers": dict}],
    "mirrors": [{"destination": _DESTINATION, "percentage": {"value": NUMBER}}],
    "mirror": _DESTINATION,
    "mirrorPercentage": {"value": NUMBER},
    "mirrorPercent": NUMBER,
    "delegate": dict,
}
_REFERENCE = {
    "name": str,
    "group": str,
    "kind": str,
    "namespace": str,
    "port": NUMBER,
    "weight": NUMBER,
    "filters": [dict],
}
_FRACTION = {"numerator": NUMBER, "denominator": NUMBER}
_MIRROR = {"backendRef": _REFERENCE, "fraction": _FRACTION, "percent": NUMBER}
_FILTER = {"type": str, "requestMirror": _MIRROR}
_RULE = {
    "name": str,
    "matches": [{"headers": [dict], "queryParams": [dict]}],
    "filters": [_FILTER],
    "backendRefs": [{**_REFERENCE, "filters": [_FILTER]}],
    "timeouts": dict,
}
_CONDITION = {"type": str, "status": str, "observedGeneration": NUMBER}
_GATEWAY_ROUTE = {
    "metadata": _METADATA,
    "spec": {"rules": [_RULE], "parentRefs": [dict]},
    "status": {"parents": [{"controllerName": str, "conditions": [_CONDITION]}]},
}
_SHAPES: Mapping[Kind, Shape] = {
    VIRTUAL_SERVICE: {
        "metadata": _METADATA,
        "spec": {kind: [_VIRTUAL_ROUTE] for kind in ("http", "tcp", "tls")},
    },
    DESTINATION_RULE: {
        "metadata": _METADATA,
        "spec": {
            "host": str,
            "trafficPolicy": {"portLevelSettings": [{"port": {"number": NUMBER}}]},
            "subsets": [{"name": str, "labels": dict, "trafficPolicy": dict}],
        },
    },
    HTTP_ROUTE: _GATEWAY_ROUTE,
    GRPC_ROUTE: _GATEWAY_ROUTE,
}


def settle_object(kind: Kind, live: Json) -> Json:
    """Return an object whose fields are what we take them for. Raises RouteError.

    The API server checks that where its definitions are complete; those of an older mesh are not.
    """
    return settle(live, _SHAPES.get(kind, {"metadata": _METADATA}), kind.name)
