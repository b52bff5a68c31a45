"""Opens Prometheus for interactive commands, and the tools of `surefoot doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.wire import clock
from rollout.wire.meshes import router

if TYPE_CHECKING:
    from rollout.doctor.examine import ClusterAccess, Tools
    from rollout.plan.model.plan import Plan
    from rollout.ports import HistorySource, Observer


def observer() -> Observer:
    """Return a reader of a plan's Prometheus with a short timeout: a person waits for it."""
    from rollout.observe.prometheus import PrometheusObserver

    return PrometheusObserver(timeout=2.0)


def history_source() -> HistorySource:
    """Return a reader of long ranges (half a day), which take Prometheus more time."""
    from rollout.observe.prometheus import PrometheusObserver

    return PrometheusObserver(timeout=30.0)


def doctor_tools(context: str | None = None) -> Tools:
    """Return the tools of `surefoot doctor`; the cluster is connected to on first use."""
    from rollout.doctor.examine import Tools
    from rollout.doctor.mesh import EnvoyAdmin
    from rollout.observe.prometheus import PrometheusObserver

    def unknown(plan: Plan) -> str:
        from rollout.route.envoy.proxy import unknown

        return unknown(plan)

    def against(plan: Plan) -> str:
        from rollout.route.envoy.proxy import against

        return against(plan)

    def cluster() -> ClusterAccess:
        from rollout.kube.client import connect

        return connect(context)

    def read(url: str, text: str, at: float) -> object:
        # Over a connection of its own each time, so that a balancer may choose another server.
        server = PrometheusObserver()
        try:
            return server.read(url, text, at)
        finally:
            server.close()

    query, now = PrometheusObserver().vector, clock.SystemClock().now
    return Tools(query, now, router(context), EnvoyAdmin(unknown, against), cluster, read)
