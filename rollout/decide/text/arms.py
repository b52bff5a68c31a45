"""The names of a plan's two arms in its mesh: clusters, subsets, hosts or backends."""

from __future__ import annotations

from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Plan


def name_arms(plan: Plan) -> tuple[str, str]:
    """Return what the mesh calls stable and the canary."""
    spec = plan.spec
    named = _named_arms(plan)
    if named is not None:
        return named
    versions = spec.stable.version, spec.canary.version
    if spec.route.istio is not None:
        host = spec.route.istio.host or spec.service
        subsets = spec.route.istio.subsets
        stable, canary = (subsets.stable, subsets.canary) if subsets else versions
        return f"subset {stable} of {host}", f"subset {canary} of {host}"
    stable, canary = versions
    return f"{spec.service}-{stable}", f"{spec.service}-{canary}"


def _named_arms(plan: Plan) -> tuple[str, str] | None:
    """Return the whole names that the plan gives its arms; None where it gives none."""
    route = plan.spec.route
    arms = (
        route.envoy and route.envoy.clusters,
        route.istio and route.istio.hosts,
        route.gateway and route.gateway.backends,
    )
    return next(((arm.stable, arm.canary) for arm in arms if arm), None)


def describe_unknown_endpoints(state: RolloutState) -> list[str]:
    """Say at the first step that nobody could ask for the canary's endpoints."""
    read = state.route_read
    is_unknown = read is not None and read.has_endpoints is None
    if not is_unknown or not state.plan.spec.waits_for_endpoints:
        return []
    return ["unknown whether the canary has endpoints"]


def describe_other_routes(state: RolloutState) -> list[str]:
    """Name the routes beside the plan's that led to the canary at the last look.

    A rollback moves those that do so only since our first write, and leaves the others.
    """
    read, canary = state.route_read, state.versions[1]
    if read is None or not state.first_write:
        return []
    texts = []
    if read.strays:
        texts.append(f"also moved: {', '.join(read.strays)} (to {canary} since our first write)")
    if read.pinned:
        texts.append(f"not moved: {', '.join(read.pinned)} (to {canary} before our first write)")
    return texts
