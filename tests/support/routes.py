"""Plans and manifests for the tests of routers in a cluster."""

import json
from typing import Any

from rollout.plan.model.plan import Plan

Json = dict[str, Any]


def _fresh(value: Any) -> Any:
    """As it comes from an API server: no part is the same object as another."""
    return json.loads(json.dumps(value))


def plan(
    route: Json, namespace: str = "ns", service: str = "reviews", canary: str = "v2", **spec: Any
) -> Plan:
    """A plan that moves v1's traffic to the canary by this `spec.route`."""
    return Plan.model_validate(
        {
            "apiVersion": "surefoot.dev/v1alpha1",
            "kind": "RolloutPlan",
            "metadata": {"name": f"{service}-{canary}", "namespace": namespace},
            "spec": {
                "service": service,
                "stable": {"version": "v1"},
                "canary": {"version": canary},
                "route": route,
                "ramp": {"steps": ["5%", "50%"], "bake": "8s"},
                "guardrails": [
                    {"name": "errors", "template": "istio/errors", "margin": {"absolute": "1%"}}
                ],
                **spec,
            },
        }
    )


def parted(base_plan: Plan, **traffic: Any) -> Plan:
    """The same plan with this `spec.traffic`."""
    document = base_plan.document()
    document["spec"]["traffic"] = traffic
    return Plan.model_validate(document)


def istio(namespace: str = "ns", canary: str = "v2", **route: Any) -> Plan:
    return plan({"istio": {"virtualService": "reviews", **route}}, namespace, canary=canary)


def gateway(namespace: str = "ns", canary: str = "v2", **route: Any) -> Plan:
    route = route if "grpcRoute" in route else {"httpRoute": "reviews", **route}
    return plan({"gateway": route}, namespace, canary=canary)


def to(host: str, weight: int | None = None, subset: str | None = None, **more: Any) -> Json:
    """A destination of a VirtualService."""
    destination = {"host": host} | ({} if subset is None else {"subset": subset})
    return {"destination": destination} | ({} if weight is None else {"weight": weight}) | more


def virtual_service(*routes: list[Json], name: str = "reviews", **spec: Any) -> Json:
    """A service's VirtualService with one HTTP route, named r1, r2 and so on, for every list."""
    http = [{"name": f"r{n}", "route": _fresh(route)} for n, route in enumerate(routes, 1)]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {"hosts": [name], **({"http": http} if http else {}), **_fresh(spec)},
    }


def destination_rule(service: str, *versions: str) -> Json:
    """A service's DestinationRule with these versions as its subsets, v1 and v2 by default."""
    subsets = [{"name": v, "labels": {"version": v}} for v in versions or ("v1", "v2")]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": service},
        "spec": {"host": service, "subsets": subsets},
    }


def http_route(
    *rules: list[Json], name: str = "reviews", kind: str = "HTTPRoute", **spec: Any
) -> Json:
    """A Gateway API route with one rule, named r1, r2 and so on, for every list."""
    route_rules = [
        {"name": f"r{n}", "backendRefs": _fresh(refs)} for n, refs in enumerate(rules, 1)
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": route_rules, **spec},
    }


def ref(name: str, weight: int | None = None, **more: Any) -> Json:
    """A reference to a Service."""
    return {"name": name, "port": 80, **more} | ({} if weight is None else {"weight": weight})


def merged(live: Json, patch: Json) -> Json:
    """What a merge patch makes of a document (RFC 7396), as the API server does it."""
    document = dict(live)
    for key, value in patch.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(value, dict):
            before = document.get(key)
            document[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            document[key] = value
    return document
