"""Real rollouts in a cluster whose API server is stopped, paused and killed.

Two replicas carry out a plan that is a resource; sidecars go on with the weights that they were
told last. The API server goes away right after the first step, for longer than a Lease lasts, so
that nobody leads when it is back. What must hold is what `run` says.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.decide.record.facts import Decided
from rollout.decide.record.route_facts import Confirmed
from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from tests.chaos.victims import Victim
from tests.chaos.waiting import await_, describe
from tests.live.kube import Kube
from tests.live.operating import RIGHTS
from tests.live.postgres import LocalPostgres
from tests.live.record import Record
from tests.live.replicas import LEASE, MOVE, Replicas
from tests.live.sidecars import LastKnownTraffic, Sidecars
from tests.support.routes import plan

AWAY = 6.0  # seconds: longer than a Lease lasts
SERVICE = "reviews"
_WATCH = MOVE | {"verbs": ["get", "list", "watch", "patch"]}


@dataclass(frozen=True)
class ClusterFault:
    """What happens to the API server, in a rollout of which kind of version."""

    act: str  # a method of Victim
    is_bad: bool

    def __str__(self) -> str:
        words = {"end": "stopped", "stop": "paused", "kill": "killed"}[self.act]
        return f"the API server {words}, {'bad' if self.is_bad else 'good'} version"


CLUSTER_FAULTS = [
    ClusterFault(act, bad) for act in ("end", "stop", "kill") for bad in (False, True)
]


def play_in_cluster(
    fault: ClusterFault, cluster: Kube, database: LocalPostgres, folder: Path
) -> str:
    """Play one rollout with its fault; return what is told. Raises AssertionError."""
    namespace, journal = cluster.new_namespace(), database.new()
    folder = folder / namespace
    folder.mkdir()
    replicas = Replicas(cluster, namespace, journal, folder)
    cluster.allow("surefoot", namespace, *RIGHTS, _WATCH, *LEASE)
    traffic, record = LastKnownTraffic(replicas), Record(journal)
    errors = {SERVICE: {"v1": 0.01, "v2": 0.01}}
    (port,) = free_ports(1)
    with ExitStack() as stack:
        sidecars = stack.enter_context(Sidecars(traffic.shares, errors, namespace).serving())
        targets = {"sidecars": sidecars.url}
        stack.enter_context(start_prometheus(folder / "prometheus", port, targets))
        for _ in range(2):
            stack.callback(replicas.start().stop)
        cluster.apply(_declare(namespace, f"http://127.0.0.1:{port}"))
        await_(lambda: record.confirmed(10), "the first step")
        errors[SERVICE]["v2"] = 1.0 if fault.is_bad else 0.01
        traffic.cut.set()
        getattr(_find_victim(cluster), fault.act)(AWAY)
        traffic.cut.clear()
        over, at = time.monotonic(), time.time()
        try:
            again = await_(lambda: _is_told_again(record, at), "a write after the fault")
            await_(lambda: record.state.is_terminal, "the end")
            ended = time.monotonic() - over
            _check(fault, record, replicas)
        except AssertionError as error:
            raise AssertionError(f"{error}; {describe(record)}") from None
    return f"the mesh is told again after {again:.1f} s, has ended after {ended:.1f} s"


def _find_victim(cluster: Kube) -> Victim:
    return Victim(lambda: cluster.apiserver.pid, cluster.start, cluster.apiserver.stop)


def _declare(namespace: str, url: str) -> dict[str, Any]:
    document = plan({"istio": {"virtualService": SERVICE}}, namespace, SERVICE).document()
    margin = {"name": "errors", "template": "istio/errors", "margin": {"absolute": "5%"}}
    spec = {
        "prometheus": {"scrape": "1s", "url": url},
        "interval": "1s",
        "warmup": "2s",
        "followWithin": "30s",
        "drain": "1s",
        "ramp": {"steps": ["10%", "50%"], "bake": "6s"},
        "guardrails": [margin],
    }
    return document | {"spec": document["spec"] | spec}


def _is_told_again(record: Record, at: float) -> bool:
    """Return whether the mesh has shown a write of after the fault, or all is decided already."""
    return record.state.is_terminal or any(fact.at > at for fact in record.facts(Confirmed))


def _check(fault: ClusterFault, record: Record, replicas: Replicas) -> None:
    acts = [fact.action for fact in record.facts(Decided) if fact.action != "hold"]
    assert record.state.phase == ("rolled back" if fault.is_bad else "promoted"), acts
    await_(lambda: replicas.weights == ([100, 0] if fault.is_bad else [0, 100]), "weights")
    assert all(process.running for process in replicas.processes), "a replica has ended"
    assert record.replays()
