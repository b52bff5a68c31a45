"""Opens Prometheus for interactive commands, and the tools of `surefoot doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rollout.errors import ObserveError
from rollout.observe.access.settings import NO_SETTINGS, PrometheusSettings
from rollout.wire import clock
from rollout.wire.meshes import router
from rollout.wire.prometheus import open_prometheus

if TYPE_CHECKING:
    from rollout.doctor.examine import ClusterAccess, Tools
    from rollout.doctor.probe.missing import Query
    from rollout.plan.model.plan import Plan
    from rollout.plan.model.prometheus import PrometheusServer
    from rollout.ports import HistorySource, Observer
    from rollout.reach import Reach


def observer(settings: PrometheusSettings = NO_SETTINGS) -> Observer:
    """Return a reader of a plan's Prometheus with a short timeout: a person waits for it."""
    return open_prometheus(settings, timeout=2.0)


def instant_query(settings: PrometheusSettings = NO_SETTINGS) -> Query:
    """Return what asks a server an instant query, with the same time-out."""
    return open_prometheus(settings, timeout=2.0).vector


def history_source(settings: PrometheusSettings = NO_SETTINGS) -> HistorySource:
    """Return a reader of long ranges (half a day), which take Prometheus more time."""
    return open_prometheus(settings, timeout=30.0)


def doctor_tools(
    context: str | None = None,
    settings: PrometheusSettings = NO_SETTINGS,
    reach: Reach | None = None,
) -> Tools:
    """Return the tools of `surefoot doctor`; the cluster is connected to on first use.

    Raises InputError for mistakes in the access file.
    """
    from rollout.doctor.examine import Tools
    from rollout.doctor.mesh import EnvoyAdmin
    from rollout.reach import Reach

    reach = reach or Reach()
    permit, now = reach.check_prometheus, clock.SystemClock().now

    def unknown(plan: Plan) -> str:
        from rollout.route.envoy.proxy import unknown

        return unknown(plan)

    def against(plan: Plan) -> str:
        from rollout.route.envoy.proxy import against

        return against(plan)

    def cluster() -> ClusterAccess:
        from rollout.kube.client import connect

        return connect(context)

    def read(server: PrometheusServer, text: str, at: float) -> object:
        # Over a connection of its own each time, so that a balancer may choose another server.
        reader = open_prometheus(settings, permit=permit)
        try:
            return reader.read(server, text, at)
        finally:
            reader.close()

    query, envoy = open_prometheus(settings, permit=permit).vector, EnvoyAdmin(unknown, against)
    routes, apply = router(context), settings.apply

    def exposed(server: PrometheusServer) -> Sequence[str]:
        try:
            return [*settings.accesses.resolve(server).list_exposed()]
        except ObserveError:
            return []  # a query tells why it cannot be asked

    return Tools(query, now, routes, envoy, cluster, read, apply, reach.check_plan, exposed)
