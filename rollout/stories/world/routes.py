"""What a routing object really does with users' requests: read as a mesh reads it, not as we do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rollout.kube.kinds import Json
from rollout.route.envoy.bootstrap import build_route, route_file
from rollout.stories.setting import CANARY, NAMESPACE, STABLE, Setting

PLURALS = {"istio": "virtualservices", "gateway": "httproutes", "envoy": "envoyroutes"}
"""The objects that people edit, by mesh; a local Envoy's is its route file."""
RULES = "destinationrules"
"""The objects that hold a plan's policy, in Istio."""
_THIRD = 20
"""The weight in a hundred of people's own destination; both versions have the rest."""
_STRAY = "stray"
"""The header of requests for a route that somebody makes while the canary has traffic."""
_DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


@dataclass(frozen=True)
class Shares:
    """The canary's share of users' requests, and the share of which it gets a copy."""

    canary: float = 0.0
    copied: float = 0.0


def read_shares(live: Json | None) -> Shares:
    """Return the shares that an object gives the canary; none of an object that is gone.

    They are of the requests to both versions: a third destination's are of another service.
    """
    route = next((route for route in list_routes(live) if takes_users(route)), None)
    if route is None:
        return Shares()
    entries = [(is_canary(e), _weight(e)) for e in list_entries(route) if not is_third(e)]
    if len(entries) == 1:
        return Shares(float(entries[0][0]), _copied(route))
    total = sum(weight for _, weight in entries)
    canary = sum(weight for is_ours, weight in entries if is_ours)
    return Shares(canary / total if total else 0.0, _copied(route))


def list_routes(live: Json | None) -> list[Json]:
    """Return the routes of either kind of object; the live ones, not copies."""
    spec: Json = (live or {}).get("spec") or {}
    if "file" in spec:
        hosts = (host for config in list_configs(spec) for host in config["virtual_hosts"])
        return [route for host in hosts for route in host["routes"]]
    routes: list[Json] = spec.get("http") or spec.get("rules") or []
    return routes


def list_configs(spec: Json) -> list[Json]:
    """Return the route configurations of an Envoy's file; none of other objects."""
    configs: list[Json] = (spec.get("file") or {}).get("resources") or []
    return configs


def list_entries(route: Json) -> list[Json]:
    """Return a route's weighted destinations; the live ones, not copies."""
    entries: list[Json] | Json = route.get("route") or route.get("backendRefs") or []
    if isinstance(entries, dict):
        clusters: list[Json] = (entries.get("weighted_clusters") or {}).get("clusters") or []
        return clusters or [{"name": entries.get("cluster", ""), "weight": 1}]
    return entries


def takes_users(route: Json) -> bool:
    """Return whether users' requests match a route: testers send a header, probes a path."""
    match = route.get("match") or route.get("matches")
    return not match or match == {"prefix": "/"}


def has_both_arms(route: Json) -> bool:
    """Return whether a route leads to both versions: then its weights are moved."""
    entries = list_entries(route)
    return len(entries) > 1 and any(map(is_canary, entries))


def is_canary(entry: Json) -> bool:
    """Return whether an entry leads to the canary."""
    destination = entry.get("destination") or {}
    is_own = destination.get("subset") == CANARY or str(entry.get("name", "")).endswith(
        f"-{CANARY}"
    )
    return is_own and not is_third(entry)


def is_third(entry: Json) -> bool:
    """Return whether an entry leads to neither version, but where people want some requests."""
    destination = entry.get("destination") or {}
    return "." in str(destination.get("host", "")) or str(entry.get("name", "")).endswith("-third")


def read_third(route: Json) -> float:
    """Return the share of a route's requests that go to neither version."""
    entries = list_entries(route)
    total = sum(map(_weight, entries))
    third = sum(_weight(entry) for entry in entries if is_third(entry))
    return third / total if total else 0.0


def set_canary(entries: list[Json], percent: float) -> None:
    """Give the canary this share of what both versions have; a third destination keeps its own."""
    arms = [entry for entry in entries if not is_third(entry)]
    total = 100.0 if len(arms) == len(entries) else sum(map(_weight, arms))
    for entry in arms:
        entry["weight"] = int(total * (percent if is_canary(entry) else 100 - percent) / 100)


def is_stray(route: Json) -> bool:
    """Return whether somebody made a route to the canary while that had traffic."""
    return _STRAY in str(route.get("match") or route.get("matches"))


def build_stray(setting: Setting, service: str) -> Json:
    """Build a route of some requests to the canary alone."""
    if setting.mesh == "envoy":
        header = {"name": _STRAY, "string_match": {"exact": "1"}}
        match: Json = {"prefix": "/", "headers": [header]}
        return {"match": match, "route": {"cluster": f"{service}-{CANARY}"}}
    if setting.mesh == "gateway":
        matches = [{"headers": [{"name": _STRAY, "value": "1"}]}]
        backends = [{"name": f"{service}-{CANARY}", "port": 80}]
        return {"name": _STRAY, "matches": matches, "backendRefs": backends}
    match = {"headers": {_STRAY: {"exact": "1"}}}
    destination = {"host": service, "subset": CANARY}
    return {"name": _STRAY, "match": [match], "route": [{"destination": destination}]}


def _weight(entry: Json) -> float:
    default = 0 if "destination" in entry else 1
    value = entry.get("weight", default)
    return float(value) if isinstance(value, int) else 0.0


def _copied(route: Json) -> float:
    """Return the share of a route's requests that the canary gets a copy of."""
    return min(1.0, sum(_iterate_copies(route)))


def _iterate_copies(route: Json) -> Iterator[float]:
    for mirror in route.get("mirrors") or []:
        if is_canary(mirror):
            yield float((mirror.get("percentage") or {}).get("value", 100)) / 100
    for item in route.get("filters") or []:
        mirror = item.get("requestMirror") or {}
        if is_canary({"name": (mirror.get("backendRef") or {}).get("name", "")}):
            fraction = mirror.get("fraction") or {"numerator": 1, "denominator": 1}
            yield float(fraction["numerator"] / fraction["denominator"])
    action = route.get("route")
    for item in (action.get("request_mirror_policies") or []) if isinstance(action, dict) else ():
        share = item["runtime_fraction"]["default_value"]
        yield float(share["numerator"] / _DENOMINATORS[share.get("denominator", "HUNDRED")])


def build_objects(setting: Setting, service: str) -> list[tuple[str, Json]]:
    """Return the objects that users made for a service, each with its plural."""
    canary = {"stable": 0, "swapped": 100, "half": 50, "tenth": 10}[setting.start]
    entries = _entries(setting, service, canary)
    metadata: dict[str, Any] = {"name": service, "namespace": NAMESPACE}
    if setting.mesh == "envoy":
        return [(PLURALS["envoy"], _build_file(setting, service, canary, metadata))]
    if setting.mesh == "gateway":
        rules: list[Json] = [{"name": "main", "backendRefs": entries}]
        if setting.routes == "2":
            path: Json = {"path": {"type": "PathPrefix", "value": "/batch"}}
            batch = _entries(setting, service, canary)
            rules.insert(0, {"name": "batch", "matches": [path], "backendRefs": batch})
        if setting.pin == "yes":
            headers: Json = {"headers": [{"name": "traffic", "value": "test"}]}
            pin = {"name": f"{service}-{CANARY}", "port": 80}
            rules.append({"name": "testers", "matches": [headers], "backendRefs": [pin]})
        spec: Json = {"parentRefs": [{"name": "gateway"}], "rules": rules}
        return [("httproutes", {"kind": "HTTPRoute", "metadata": metadata, "spec": spec})]
    http: list[Json] = [{"name": "main", "route": entries}]
    if setting.routes == "2":
        batch = _entries(setting, service, canary)
        http.insert(0, {"name": "batch", "match": [{"uri": {"prefix": "/batch"}}], "route": batch})
    if setting.pin == "yes":
        pin = {"destination": {"host": service, "subset": CANARY}}
        match: Json = {"headers": {"traffic": {"exact": "test"}}}
        http.insert(0, {"name": "testers", "match": [match], "route": [pin]})
    subsets = [{"name": name, "labels": {"version": name}} for name in (STABLE, CANARY)]
    rule: Json = {"host": service, "subsets": subsets}
    if setting.policy == "yes":
        own = {"loadBalancer": {"simple": "RANDOM"}, "outlierDetection": {"interval": "7s"}}
        rule["trafficPolicy"] = own
    return [
        (
            "virtualservices",
            {
                "kind": "VirtualService",
                "metadata": metadata,
                "spec": {"hosts": [service], "http": http},
            },
        ),
        (
            RULES,
            {"kind": "DestinationRule", "metadata": dict(metadata), "spec": rule},
        ),
    ]


def _build_file(setting: Setting, service: str, canary: int, metadata: Json) -> Json:
    weights = {f"{service}-{name}": weight for name, weight in _weigh(setting, canary).items()}
    routes = [build_route(weights)]
    if setting.routes == "2":
        routes.insert(0, {**build_route(weights), "match": {"prefix": "/batch"}})
    if setting.pin == "yes":
        header = {"name": "traffic", "string_match": {"exact": "test"}}
        pin = {"prefix": "/", "headers": [header]}
        routes.insert(0, {"match": pin, "route": {"cluster": f"{service}-{CANARY}"}})
    spec = {"file": route_file(service, routes)}
    return {"kind": "EnvoyFile", "metadata": metadata, "spec": spec}


def _entries(setting: Setting, service: str, canary: int) -> list[Json]:
    weights = _weigh(setting, canary)
    if setting.mesh == "gateway":
        return [
            {"name": f"{service}-{version}", "port": 80, "weight": weight}
            for version, weight in weights.items()
        ]
    # Its host begins as ours does, and its subset is called as the canary's.
    third = {"host": f"{service}.elsewhere.svc.cluster.local", "subset": CANARY}
    own = {version: {"host": service, "subset": version} for version in (STABLE, CANARY)}
    return [
        {"destination": own.get(name, third), "weight": weight} for name, weight in weights.items()
    ]


def _weigh(setting: Setting, canary: int) -> dict[str, int]:
    """Return the weight of each destination, where the canary has so many percent of both."""
    if setting.third == "no":
        return {STABLE: 100 - canary, CANARY: canary}
    both = 100 - _THIRD
    given = both * canary // 100
    return {STABLE: both - given, CANARY: given, "third": _THIRD}
