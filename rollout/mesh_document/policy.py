"""A service's settings as a plan's policy: the one place where they are translated.

Every target writes what this policy says by the code that writes a plan's policy.
"""

from __future__ import annotations

from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.host import is_outside
from rollout.mesh_document.model.service import MeshService
from rollout.plan.model.mesh.policy import Policy
from rollout.route.manifest import Json

_METHODS = {
    "round_robin": "roundRobin",
    "least_connections": "leastRequest",
    "weighted": "roundRobin",
    "consistent_hash": "hash",
}


def translate(mesh: ServiceMesh, service: MeshService) -> Policy:
    """Return all that a plan's policy can hold of a service."""
    # As it would stand in a plan: durations are texts there.
    data = service.model_dump(by_alias=True, exclude_none=True, mode="json")
    policy: Json = {key: data[key] for key in data if key in {"retries", "timeout"}}
    if (outliers := _build_outliers(data)) is not None:
        policy["outliers"] = outliers
    if "loadBalancer" in data:
        policy["balance"] = _build_balance(data["loadBalancer"])
    if "failover" in data:
        policy["locality"] = {"failover": data["failover"]}
    if mesh.mtls is not None and not is_outside(service.name):
        policy["mtls"] = {"mode": mesh.mtls.lower()}
    return Policy.model_validate(policy)


def select(policy: Policy, *keys: str) -> Policy:
    """Return only these keys of a policy."""
    return Policy().model_copy(update={key: getattr(policy, key) for key in keys})


def agree(policy: Policy, other: Policy) -> Policy:
    """Return what two policies have in common: what may be asked of both."""
    keys = [key for key in Policy.model_fields if getattr(policy, key) == getattr(other, key)]
    return select(policy, *keys)


def _build_outliers(service: Json) -> Json | None:
    """Return when an endpoint gets no traffic; a region that fails is not noticed without.

    For another region to take over, all endpoints of one may be out.
    """
    probe = service.get("loadBalancer", {}).get("healthCheck")
    outliers = {"most": "100%"} if "failover" in service else {}
    if probe is not None:
        outliers |= {"consecutiveErrors": probe["threshold"], "interval": probe["interval"]}
    return outliers or None


def _build_balance(balancer: Json) -> Json:
    keys = {key: balancer[key] for key in balancer if key in {"header", "cookie"}}
    return {"method": _METHODS[balancer["algorithm"]], **keys}
