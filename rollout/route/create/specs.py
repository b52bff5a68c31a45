"""The specs of routing objects, whoever asks for them: a plan with `create`, a mesh document."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.route.manifest import Json


def virtual_service(
    hosts: Sequence[str], routes: Sequence[Json], gateways: Sequence[str] | None = None
) -> Json:
    """Return the spec of a VirtualService with one HTTP route."""
    spec: Json = {"hosts": [*hosts]}
    if gateways:
        spec["gateways"] = [*gateways]
    return spec | {"http": [{"route": [*routes]}]}


def destination(
    host: str, weight: int, *, subset: str | None = None, port: int | None = None
) -> Json:
    """Return one destination of a VirtualService's route."""
    target: Json = {"host": host}
    if subset is not None:
        target["subset"] = subset
    if port is not None:
        target["port"] = {"number": port}
    return {"destination": target, "weight": weight}


def gateway_route(
    parents: Sequence[Json], rule: Json, hostnames: Sequence[str] | None = None
) -> Json:
    """Return the spec of an HTTPRoute or a GRPCRoute with one rule."""
    spec: Json = {"parentRefs": [*parents]}
    if hostnames:
        spec["hostnames"] = [*hostnames]
    return spec | {"rules": [rule]}


def http_rule(backends: Sequence[Json]) -> Json:
    """Return an HTTPRoute's rule for every request, with the match that API servers fill in."""
    matches = [{"path": {"type": "PathPrefix", "value": "/"}}]
    return {"backendRefs": [*backends], "matches": matches}


def backend(name: str, port: int, weight: int, group: str = "", kind: str = "Service") -> Json:
    """Return one backend of a route; the group of Services is empty."""
    return {"group": group, "kind": kind, "name": name, "port": port, "weight": weight}
