"""Reach a local Envoy: write its watched route file, and read its admin port."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from analysis.counting.cursor import Arm
from rollout.decide.record.split import Split
from rollout.decide.rules.ramp import max_splits
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.route import EnvoyRoute
from rollout.plan.model.traffic import Traffic
from rollout.ports import RouteStatus
from rollout.route.envoy.safety_net import fallen, is_serving, net_name, netted, over_net, past_net
from rollout.route.envoy.traffic import patch, split_of
from rollout.route.envoy.watched import load, replace
from rollout.route.envoy.weights import Arms, clusters_of, find_timeout, names_of, shown, version_of
from rollout.route.manifest import Json, dicts

_TIMEOUT = 2.0
_DUMP = "/config_dump?resource=dynamic_route_configs"


class EnvoyRouter:
    """Implements the `Router` port for plans with `spec.route.envoy`."""

    def __init__(self, replace_file: Callable[[Path, Json], None] = replace) -> None:
        self._replace_file = replace_file

    def write(self, plan: Plan, split: Split, write_id: str) -> None:
        """Replace the route file by one with this split and write id.

        The file is replaced even if it has both already: Envoy may have missed that, and it
        rereads a file only when one is moved into place. A canary cluster that Envoy does not know
        is refused before the file is written, because a file that Envoy rejects leaves it without
        routes at its next start; for the same reason no weight is written for a canary while Envoy
        does not answer. Weight 0 is always written: a rollback never waits. Raises RouteError.
        """
        route, arms = route_of(plan), arms_of(plan)
        file = Path(route.file)
        manifest = patch(past_net(load(file), arms), arms, split, write_id, _get_traffic(plan))
        needed = {arms.shadow if split.way == "mirror" else arms.canary}
        if netted(plan.spec.policy, split):
            manifest, needed = over_net(manifest, arms), {*needed, net_name(arms)}
        if split.canary and (unknown := _list_unknown_clusters(route, needed)):
            raise RouteError(f"nothing was written: Envoy has no cluster {unknown}")
        self._replace_file(file, manifest)

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """Return what Envoy itself runs, from its config dump. Raises RouteError.

        While the safety net answers for the canary this is an error and not a share: stable serves
        the canary's requests, and no step may count stable's answers as the canary's.
        """
        route, arms = route_of(plan), arms_of(plan)
        names = names_of(past_net(load(Path(route.file)), arms), arms)
        live = past_net(_read_live_routes(route, names), arms)
        split = split_of(live, arms, total, _get_traffic(plan))
        if netted(plan.spec.policy, split) and fallen(ask(route, "/clusters"), arms):
            message = f"no endpoint of {arms.canary} serves: Envoy asks {arms.stable} instead"
            raise RouteError(message)
        return RouteStatus(split, version_of(live), timeout=find_timeout(live, arms))

    def cached(self, plan: Plan, total: int) -> RouteStatus | None:
        """Return nothing: an Envoy is not watched."""
        del plan, total
        return None

    def endpoints(self, plan: Plan, arm: Arm) -> bool | None:
        """See rollout.ports.Router; None where Envoy does not check the cluster's health.

        A stable cluster that Envoy does not have has none: no write for stable is refused for that.
        """
        route, arms = route_of(plan), arms_of(plan)
        cluster = arms.stable if arm == "stable" else arms.canary
        try:
            if _checks_health(route, cluster):
                return is_serving(ask(route, "/clusters"), cluster)
            is_missing = arm == "stable" and bool(_list_unknown_clusters(route, {cluster}))
        except RouteError:
            return None
        return False if is_missing else None

    def diagnose(self, plan: Plan) -> str:
        """Say why Envoy does not show the file's version; empty if it does, or if unknown."""
        route = route_of(plan)
        try:
            wanted = load(Path(route.file))
            names = names_of(past_net(wanted, arms_of(plan)), arms_of(plan))
            if version_of(_read_live_routes(route, names)) == version_of(wanted):
                return ""
            return _explain_refusal(route, names, clusters_of(wanted))
        except RouteError as error:
            return str(error)


def unknown(plan: Plan) -> str:
    """List the plan's clusters that its Envoy does not have. Raises RouteError."""
    arms, shadow = arms_of(plan), set()
    if _get_traffic(plan).mirror is not None:
        shadow = {arms.shadow}
    return _list_unknown_clusters(route_of(plan), {arms.stable, arms.canary} | shadow)


def against(plan: Plan) -> str:
    """Say what would keep the canary from getting traffic of its own; empty if nothing would.

    That is a split that the route file cannot carry, or an endpoint in both clusters. Raises
    RouteError.
    """
    route, arms = route_of(plan), arms_of(plan)
    try:
        for split in max_splits(plan):
            patch(past_net(load(Path(route.file)), arms), arms, split, "", _get_traffic(plan))
    except RouteError as error:
        return str(error)
    clusters_text = ask(route, "/clusters")
    shared = endpoints(clusters_text, arms.stable) & endpoints(clusters_text, arms.canary)
    return f"clusters {arms.stable} and {arms.canary} both lead to {min(shared)}" if shared else ""


def endpoints(clusters_text: str, cluster: str) -> set[str]:
    """Return the addresses of a cluster's endpoints, from Envoy's `/clusters`."""
    return set(
        re.findall(rf"^{re.escape(cluster)}::(.+)::health_flags::", clusters_text, re.MULTILINE)
    )


def _checks_health(route: EnvoyRoute, cluster: str) -> bool:
    """Return whether Envoy checks a cluster's endpoints itself. Raises RouteError.

    Without these checks it calls every endpoint healthy, also one that does not answer.
    """
    configs = [*_dump_clusters(route, "static_clusters")]
    configs += _dump_clusters(route, "dynamic_active_clusters")
    clusters = (item.get("cluster") or {} for item in configs)
    return any(item.get("name") == cluster and bool(item.get("health_checks")) for item in clusters)


def _dump_clusters(route: EnvoyRoute, resource: str) -> list[Json]:
    """Return Envoy's clusters of one origin; none where it has none of it."""
    try:
        dump = json.loads(ask(route, f"/config_dump?resource={resource}"))
    except (RouteError, ValueError):
        return []
    return dicts(dump.get("configs")) if isinstance(dump, dict) else []


def arms_of(plan: Plan) -> Arms:
    """Return the clusters that a plan names, or `<service>-<version>` where it names none."""
    spec, clusters = plan.spec, route_of(plan).clusters
    if clusters is not None:
        stable, canary, shadow = clusters.stable, clusters.canary, clusters.shadow
    else:
        stable, canary = (f"{spec.service}-{arm.version}" for arm in (spec.stable, spec.canary))
        shadow = None
    return Arms(stable, canary, shadow or f"{canary}-shadow")


def _get_traffic(plan: Plan) -> Traffic:
    return plan.spec.traffic or Traffic()


def route_of(plan: Plan) -> EnvoyRoute:
    """Return the plan's Envoy route. Raises RouteError for a plan of another mesh."""
    if plan.spec.route.envoy is None:
        raise RouteError(f"{plan.name} moves weights in {plan.spec.route.mesh}, not in an Envoy")
    return plan.spec.route.envoy


def _explain_refusal(route: EnvoyRoute, names: set[str], clusters: set[str]) -> str:
    """Explain a refused update from Envoy's clusters and counters.

    Envoy logs its reason but exposes it nowhere.
    """
    if unknown := _list_unknown_clusters(route, clusters):
        return f"Envoy refused the update: unknown cluster {unknown}"
    counts = _describe_refused_updates(route, names)
    if counts:
        return f"Envoy refused the update ({counts}): its log says why"
    return ""


def _list_unknown_clusters(route: EnvoyRoute, clusters: set[str]) -> str:
    """List those clusters that Envoy does not know. Raises RouteError."""
    envoy_clusters = set(re.findall(r"^(.+?)::", ask(route, "/clusters"), re.MULTILINE))
    return ", ".join(sorted(clusters - envoy_clusters))


def _describe_refused_updates(route: EnvoyRoute, names: set[str]) -> str:
    """Describe the updates refused since Envoy started; empty if there were none."""
    stats = ask(route, "/stats?filter=rds.*update_(rejected|failure)$")
    counters = re.findall(r"\.rds\.(.+)\.(update_\w+): (\d+)", stats)
    return ", ".join(f"{what} {n}" for name, what, n in counters if name in names and int(n))


def _read_live_routes(route: EnvoyRoute, names: set[str]) -> Json:
    """Return the route configurations that Envoy runs. Raises RouteError."""
    try:
        dump = json.loads(ask(route, _DUMP))
    except ValueError as error:
        raise RouteError(f"Envoy at {route.admin} gave no JSON: {error}", unread=True) from None
    if not isinstance(dump, dict):
        raise RouteError(f"Envoy at {route.admin} gave no JSON object", unread=True)
    return shown(dump, names)


def ask(route: EnvoyRoute, path: str) -> str:
    """Return what Envoy's admin port answers. Raises RouteError."""
    import requests  # its import takes 0.1 s

    with requests.Session() as session:
        session.trust_env = False  # the environment's proxies and certificates are not for Envoy
        try:
            answer = session.get(route.admin.rstrip("/") + path, timeout=_TIMEOUT)
        except requests.RequestException as error:
            message = f"Envoy at {route.admin} does not answer: {_extract_reason(error)}"
            raise RouteError(message, unread=True) from None
    if not answer.ok:
        message = f"Envoy at {route.admin} said {answer.status_code}: {answer.text[:200]}"
        raise RouteError(message, unread=True)
    return answer.text


def _extract_reason(error: Exception) -> str:
    """Return the operating system's reason from an error that requests has wrapped."""
    reason = re.search(r"\[Errno \d+\] ([\w ]+)", str(error))
    return reason[1].lower() if reason else type(error).__name__
