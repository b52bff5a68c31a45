"""Reach a local Envoy: write its watched route file, and read its admin port."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from analysis.counting.cursor import Arm
from rollout.answers.remembered import RememberedReadings
from rollout.decide.record.split import Split
from rollout.decide.rules.ramp import max_splits
from rollout.errors import RouteError
from rollout.plan.model.mesh.route import EnvoyRoute
from rollout.plan.model.mesh.traffic import Traffic
from rollout.plan.model.plan import Plan
from rollout.ports import RouteStatus
from rollout.route.envoy.admin import EnvoyAccess
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.live import (
    Before,
    LiveRoutes,
    dump_routes,
    find_lost,
    find_own,
    list_lacking,
    list_leading,
    put_back,
    read_live,
    shown,
)
from rollout.route.envoy.routes import find_routes
from rollout.route.envoy.safety_net import fallen, is_serving, net_name, netted, over_net, past_net
from rollout.route.envoy.traffic import patch, split_of
from rollout.route.envoy.watched import UnusableFileError, replace
from rollout.route.envoy.weights import (
    clusters_of,
    find_timeout,
    names_of,
    version_of,
)
from rollout.route.manifest import Json


class EnvoyRouter:
    """Implements the `Router` port for plans with `spec.route.envoy`."""

    def __init__(
        self,
        replace_file: Callable[[Path, Json], None] = replace,
        reach: Callable[[EnvoyRoute], EnvoyAccess] = EnvoyAccess,
    ) -> None:
        self._replace_file, self._reach = replace_file, reach
        self._aside: dict[Path, str] = {}  # by route file, what was kept beside it
        self._statuses = RememberedReadings[RouteStatus]()

    def write(
        self,
        plan: Plan,
        split: Split,
        write_id: str,
        before: tuple[str, ...] | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        """Replace the route file by one with this split and write id.

        The file is replaced even if it has both already: Envoy may have missed that, and it
        rereads a file only when one is moved into place. A canary cluster that Envoy does not know
        is refused before the file is written, because a file that Envoy rejects leaves it without
        routes at its next start; for the same reason no weight is written for a canary while Envoy
        does not answer. Weight 0 is always written: a rollback never waits. Raises RouteError.
        """
        envoy, arms = self._reach(route_of(plan)), arms_of(plan)
        is_back = before is not None and not split.canary
        try:
            live = past_net(envoy.load(), arms)
        except UnusableFileError:
            if not is_back:
                raise
            self._restore(plan, write_id, before, is_last=is_last)
            return
        if is_back and _is_refused(envoy, arms, live, write_id):
            self._restore(plan, write_id, before, is_last=is_last)
            return
        traffic = _get_traffic(plan)
        manifest = patch(live, arms, split, write_id, traffic, before=before, is_last=is_last)
        needed = {arms.shadow if split.way == "mirror" else arms.canary}
        if netted(plan.spec.policy, split):
            manifest, needed = over_net(manifest, arms), {*needed, net_name(arms)}
        if split.canary and (unknown := envoy.list_unknown(needed)):
            raise RouteError(f"nothing was written: Envoy has no cluster {unknown}")
        self._replace_file(envoy.file, manifest)
        if is_back:
            with contextlib.suppress(RouteError):  # reading back tells what Envoy runs
                self._restore(plan, write_id, before, manifest, is_last=is_last)

    def _restore(
        self,
        plan: Plan,
        write_id: str,
        before: Before,
        manifest: Json | None = None,
        *,
        is_last: bool,
    ) -> None:
        """Make the file what Envoy takes where Envoy still runs a configuration that it lacks.

        A file that cannot be used, by us or by Envoy, is replaced by what Envoy runs of ours, and
        kept beside it; one
        that is gone is made anew only where that gives the canary something. Raises RouteError
        where there is nothing to make the file of.
        """
        envoy, arms = self._reach(route_of(plan)), arms_of(plan)
        lost = find_lost(envoy, plan, arms, before, manifest)
        if manifest is None and (aside := envoy.set_aside()):
            lost, self._aside[envoy.file] = find_own(envoy, plan, arms, before), aside
        if lost:
            whole = put_back(manifest or {}, lost, arms, before)
            traffic, nothing = _get_traffic(plan), Split(0)
            back = patch(whole, arms, nothing, write_id, traffic, before=before, is_last=is_last)
            self._replace_file(envoy.file, back)
        elif manifest is None:
            envoy.load()

    def read(self, plan: Plan, total: int, before: tuple[str, ...] | None = None) -> RouteStatus:
        """Return what Envoy itself runs, from its config dump. Raises RouteError.

        While the safety net answers for the canary this is an error and not a share: stable serves
        the canary's requests, and no step may count stable's answers as the canary's.
        """
        envoy, arms = self._reach(route_of(plan)), arms_of(plan)
        live = read_live(envoy, plan, arms, before)
        shown_now = live.routes, live.version, live.file, live.is_noted
        status = self._statuses.read(
            (plan.digest, total, before),
            shown_now,
            partial(_read_status, live, plan, total, before),
        )
        if netted(plan.spec.policy, status.split) and fallen(envoy.ask("/clusters"), arms):
            message = f"no endpoint of {arms.canary} serves: Envoy asks {arms.stable} instead"
            raise RouteError(message)
        aside = self._aside.get(envoy.file, "")
        return dataclasses.replace(status, aside=aside) if aside else status

    def cached(
        self, plan: Plan, total: int, before: tuple[str, ...] | None = None
    ) -> RouteStatus | None:
        """Return nothing: an Envoy is not watched."""
        del plan, total, before
        return None

    def endpoints(self, plan: Plan, arm: Arm) -> bool | None:
        """See rollout.ports.Router; None where Envoy does not check the cluster's health.

        A stable cluster that Envoy does not have has none: no write for stable is refused for that.
        """
        envoy, arms = self._reach(route_of(plan)), arms_of(plan)
        cluster = arms.stable if arm == "stable" else arms.canary
        try:
            if envoy.checks_health(cluster):
                return is_serving(envoy.ask("/clusters"), cluster)
            is_missing = arm == "stable" and bool(envoy.list_unknown({cluster}))
        except RouteError:
            return None
        return False if is_missing else None

    def diagnose(self, plan: Plan) -> str:
        """Say why Envoy does not show the file's version; empty if it does, or if unknown."""
        envoy = self._reach(route_of(plan))
        try:
            wanted = envoy.load()
            names = names_of(past_net(wanted, arms_of(plan)), arms_of(plan))
            if version_of(shown(dump_routes(envoy), names)) == version_of(wanted):
                return ""
            return envoy.explain_refusal(names, clusters_of(wanted))
        except RouteError as error:
            return str(error)


def _is_refused(envoy: EnvoyAccess, arms: Arms, live: Json, write_id: str) -> bool:
    """Return whether Envoy has refused a file with this very write: something else in it is wrong.

    Whatever is written into such a file, Envoy runs on with what it has.
    """
    if version_of(live) != write_id:
        return False
    try:
        names = names_of(live, arms)
        is_shown = version_of(shown(dump_routes(envoy), names)) == write_id
        return not is_shown and bool(envoy.explain_refusal(names, clusters_of(live)))
    except RouteError:
        return False


def _read_status(live: LiveRoutes, plan: Plan, total: int, before: Before) -> RouteStatus:
    """Return what an Envoy shows, as far as it follows from its routes and the file."""
    arms = arms_of(plan)
    split = split_of(live.routes, arms, total, _get_traffic(plan), before)
    leading = find_routes(live.routes, arms, before)
    return RouteStatus(
        split,
        live.version,
        pinned=tuple(pin.location for pin in leading.pinned),
        strays=tuple(stray.location for stray in leading.strays),
        leading=list_leading(live.file, live.routes, arms),
        lacking=list_lacking(live.file, arms, before),
        timeout=find_timeout(live.routes, arms, before),
        is_pending=not split.canary and _gives(live.file, plan, total, before),
        is_noted=live.is_noted,
    )


def _gives(manifest: Json, plan: Plan, total: int, before: Before) -> bool:
    """Return whether a route file gives the canary something, or may, since it cannot be read."""
    try:
        return split_of(manifest, arms_of(plan), total, _get_traffic(plan), before).canary > 0
    except RouteError:
        return True


def unknown(plan: Plan) -> str:
    """List the plan's clusters that its Envoy does not have. Raises RouteError."""
    arms, shadow = arms_of(plan), set()
    if _get_traffic(plan).mirror is not None:
        shadow = {arms.shadow}
    return EnvoyAccess(route_of(plan)).list_unknown({arms.stable, arms.canary} | shadow)


def against(plan: Plan) -> str:
    """Say what would keep the canary from getting traffic of its own; empty if nothing would.

    That is a split that the route file cannot carry, or an endpoint in both clusters. Raises
    RouteError.
    """
    envoy, arms = EnvoyAccess(route_of(plan)), arms_of(plan)
    try:
        for split in max_splits(plan):
            patch(past_net(envoy.load(), arms), arms, split, "", _get_traffic(plan))
    except RouteError as error:
        return str(error)
    clusters_text = envoy.ask("/clusters")
    shared = endpoints(clusters_text, arms.stable) & endpoints(clusters_text, arms.canary)
    return f"clusters {arms.stable} and {arms.canary} both lead to {min(shared)}" if shared else ""


def endpoints(clusters_text: str, cluster: str) -> set[str]:
    """Return the addresses of a cluster's endpoints, from Envoy's `/clusters`."""
    return set(
        re.findall(rf"^{re.escape(cluster)}::(.+)::health_flags::", clusters_text, re.MULTILINE)
    )


def arms_of(plan: Plan) -> Arms:
    """Return the clusters that a plan names, or `<service>-<version>` where it names none."""
    spec, clusters = plan.spec, route_of(plan).clusters
    if clusters is not None:
        stable, canary, shadow = clusters.stable, clusters.canary, clusters.shadow
    else:
        stable, canary = (f"{spec.service}-{arm.version}" for arm in (spec.stable, spec.canary))
        shadow = None
    return Arms(stable, canary, shadow or f"{canary}-shadow", spec.service)


def _get_traffic(plan: Plan) -> Traffic:
    return plan.spec.traffic or Traffic()


def route_of(plan: Plan) -> EnvoyRoute:
    """Return the plan's Envoy route. Raises RouteError for a plan of another mesh."""
    if plan.spec.route.envoy is None:
        raise RouteError(f"{plan.name} moves weights in {plan.spec.route.mesh}, not in an Envoy")
    return plan.spec.route.envoy
