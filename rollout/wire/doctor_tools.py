"""What a person looks through: a plan's Prometheus, and the tools of the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.wire import clock
from rollout.wire.meshes import router

if TYPE_CHECKING:
    from rollout.doctor.examine import Cluster, Tools
    from rollout.plan.model.plan import Plan
    from rollout.ports import HistorySource, Observer


def observer() -> Observer:
    """What reads a plan's Prometheus, with little patience: a person waits for it."""
    from rollout.observe.prometheus import PrometheusObserver

    return PrometheusObserver(timeout=2.0)


def history_source() -> HistorySource:
    """What reads half a day of a plan's Prometheus, with the patience that this takes."""
    from rollout.observe.prometheus import PrometheusObserver

    return PrometheusObserver(timeout=30.0)


def doctor_tools(context: str | None = None) -> Tools:
    """What `surefoot doctor` looks through; a cluster is connected to when it is asked."""
    from rollout.doctor.examine import Tools
    from rollout.doctor.mesh import Envoy
    from rollout.observe.prometheus import PrometheusObserver

    def unknown(plan: Plan) -> str:
        from rollout.route.envoy.proxy import unknown

        return unknown(plan)

    def against(plan: Plan) -> str:
        from rollout.route.envoy.proxy import against

        return against(plan)

    def cluster() -> Cluster:
        from rollout.kube.client import connect

        return connect(context)

    query = PrometheusObserver().vector
    return Tools(query, clock.SystemClock().now, router(context), Envoy(unknown, against), cluster)
