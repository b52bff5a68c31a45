"""The door to a local Envoy: weights through its watched file, receipts from its admin port."""

from __future__ import annotations

import json
import re
from pathlib import Path

from rollout.decide.record.split import Split
from rollout.decide.rules.ramp import largest
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.route import EnvoyRoute
from rollout.plan.model.traffic import Traffic
from rollout.ports import RouteStatus
from rollout.route.envoy.safety_net import fallen, net_name, netted, over_net, past_net
from rollout.route.envoy.traffic import patch, split_of
from rollout.route.envoy.watched import load as _load
from rollout.route.envoy.watched import replace as _replace
from rollout.route.envoy.weights import Arms, clusters_of, names_of, shown, version_of
from rollout.route.manifest import Json

_TIMEOUT = 2.0
_DUMP = "/config_dump?resource=dynamic_route_configs"


class EnvoyRouter:
    """The `Router` port for plans with `spec.route.envoy`."""

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """Replace the route file by one with this split and mark.

        Also when they are in the file already: Envoy may have missed that, and rereads only a file
        that was moved into place. A canary cluster that Envoy does not know is refused before it is
        written, because a file that Envoy refuses leaves it without routes at its next start; so is
        any weight for a canary while Envoy does not answer. Weight 0 is always written. Raises
        RouteError.
        """
        route, arms = route_of(plan), arms_of(plan)
        file = Path(route.file)
        manifest = patch(past_net(_load(file), arms), arms, split, mark, _traffic(plan))
        needed = {arms.shadow if split.way == "mirror" else arms.canary}
        if netted(plan.spec.policy, split):
            manifest, needed = over_net(manifest, arms), {*needed, net_name(arms)}
        if split.canary and (unknown := _unknown(route, needed)):
            raise RouteError(f"nothing was written: Envoy has no cluster {unknown}")
        _replace(file, manifest)

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """What Envoy itself says that it does, from its config dump.

        A share over the safety net is not shown while the net carries it: the canary serves none of
        it, and no step may rest on stable's answers. Raises RouteError.
        """
        route, arms = route_of(plan), arms_of(plan)
        names = names_of(past_net(_load(Path(route.file)), arms), arms)
        live = past_net(_live(route, names), arms)
        split = split_of(live, arms, total, _traffic(plan))
        if netted(plan.spec.policy, split) and fallen(ask(route, "/clusters"), arms):
            said = f"no endpoint of {arms.canary} serves: Envoy asks {arms.stable} instead"
            raise RouteError(said)
        return RouteStatus(split, version_of(live))

    def diagnose(self, plan: Plan) -> str:
        """Why Envoy does not show the file's version; empty when it does, or does not say why."""
        route = route_of(plan)
        try:
            wanted = _load(Path(route.file))
            names = names_of(past_net(wanted, arms_of(plan)), arms_of(plan))
            if version_of(_live(route, names)) == version_of(wanted):
                return ""
            return _refusal(route, names, clusters_of(wanted))
        except RouteError as error:
            return str(error)


def unknown(plan: Plan) -> str:
    """Clusters of a plan that its Envoy does not have, in words. Raises RouteError."""
    arms, shadow = arms_of(plan), set()
    if _traffic(plan).mirror is not None:
        shadow = {arms.shadow}
    return _unknown(route_of(plan), {arms.stable, arms.canary} | shadow)


def against(plan: Plan) -> str:
    """What would keep the canary from traffic of its own, in words; empty where nothing does.

    A split that the route file cannot carry, or an endpoint in both clusters. Raises RouteError.
    """
    route, arms = route_of(plan), arms_of(plan)
    try:
        for split in largest(plan):
            patch(past_net(_load(Path(route.file)), arms), arms, split, "", _traffic(plan))
    except RouteError as error:
        return str(error)
    told = ask(route, "/clusters")
    both = endpoints(told, arms.stable) & endpoints(told, arms.canary)
    return f"clusters {arms.stable} and {arms.canary} both lead to {min(both)}" if both else ""


def endpoints(told: str, cluster: str) -> set[str]:
    """The addresses of a cluster's endpoints, by Envoy's `/clusters`."""
    return set(re.findall(rf"^{re.escape(cluster)}::(.+)::health_flags::", told, re.MULTILINE))


def arms_of(plan: Plan) -> Arms:
    """The clusters that a plan names, or `<service>-<version>`."""
    spec, clusters = plan.spec, route_of(plan).clusters
    if clusters is not None:
        stable, canary, shadow = clusters.stable, clusters.canary, clusters.shadow
    else:
        stable, canary = (f"{spec.service}-{arm.version}" for arm in (spec.stable, spec.canary))
        shadow = None
    return Arms(stable, canary, shadow or f"{canary}-shadow")


def _traffic(plan: Plan) -> Traffic:
    return plan.spec.traffic or Traffic()


def route_of(plan: Plan) -> EnvoyRoute:
    """Where a plan's Envoy is. Raises RouteError for a plan without one."""
    if plan.spec.route.envoy is None:
        raise RouteError(f"{plan.name} moves weights in {plan.spec.route.mesh}, not in an Envoy")
    return plan.spec.route.envoy


def _refusal(route: EnvoyRoute, names: set[str], clusters: set[str]) -> str:
    """Envoy logs its reason but does not tell it; its counters and its clusters do."""
    if unknown := _unknown(route, clusters):
        return f"Envoy refused the update: unknown cluster {unknown}"
    counts = _counts(route, names)
    if counts:
        return f"Envoy refused the update ({counts}): its log says why"
    return ""


def _unknown(route: EnvoyRoute, clusters: set[str]) -> str:
    """Those clusters that Envoy does not know, in words. Raises RouteError."""
    known = set(re.findall(r"^(.+?)::", ask(route, "/clusters"), re.MULTILINE))
    return ", ".join(sorted(clusters - known))


def _counts(route: EnvoyRoute, names: set[str]) -> str:
    """Refused updates since Envoy started, in words; empty when there were none."""
    stats = ask(route, "/stats?filter=rds.*update_(rejected|failure)$")
    found = re.findall(r"\.rds\.(.+)\.(update_\w+): (\d+)", stats)
    return ", ".join(f"{what} {n}" for name, what, n in found if name in names and int(n))


def _live(route: EnvoyRoute, names: set[str]) -> Json:
    try:
        dump = json.loads(ask(route, _DUMP))
    except ValueError as error:
        raise RouteError(f"Envoy at {route.admin} gave no JSON: {error}", unread=True) from None
    if not isinstance(dump, dict):
        raise RouteError(f"Envoy at {route.admin} gave no JSON object", unread=True)
    return shown(dump, names)


def ask(route: EnvoyRoute, path: str) -> str:
    """What Envoy's admin port answers. Raises RouteError."""
    import requests  # 0.1 s, only where it is used

    with requests.Session() as session:
        session.trust_env = False  # the environment's proxies and certificates are not for Envoy
        try:
            answer = session.get(route.admin.rstrip("/") + path, timeout=_TIMEOUT)
        except requests.RequestException as error:
            said = f"Envoy at {route.admin} does not answer: {_why(error)}"
            raise RouteError(said, unread=True) from None
    if not answer.ok:
        said = f"Envoy at {route.admin} said {answer.status_code}: {answer.text[:200]}"
        raise RouteError(said, unread=True)
    return answer.text


def _why(error: Exception) -> str:
    """The system's own words within the many that requests wraps around them."""
    found = re.search(r"\[Errno \d+\] ([\w ]+)", str(error))
    return found[1].lower() if found else type(error).__name__
