"""Two replicas in one process with real doors, a virtual clock, a world that follows the mesh."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rollout.errors import SurefootError
from rollout.journal.sql.store import SqlJournal
from rollout.kube.client import connect
from rollout.metrics.meter import Meter
from rollout.plan.model.plan import Plan
from rollout.simulate import Behaviour, MemoryRouter, SimulatedService, VirtualClock
from rollout.wire import clock as clocks
from rollout.wire.replica import Replica
from rollout.wire.shard import Shard
from tests.live.replicas import ISTIO
from tests.support.reaper import Killed
from tests.support.routes import plan as plan_of
from tests.support.routes import to, virtual_service

GOOD, BAD = Behaviour(), Behaviour(errors=0.1)
MARK = "mark.surefoot.dev/"


@dataclass(frozen=True)
class Change:
    """A VirtualService as a watch showed it."""

    name: str
    version: str
    canary: int
    mark: str


class Audit:
    """Every version of every VirtualService of a namespace, seen past the proxy."""

    def __init__(self, cluster: Any, namespace: str) -> None:
        self.changes: list[Change] = []
        self._path, self._version = ISTIO.format(namespace), ""
        self._cluster, self._over, self._watching = cluster, False, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        assert self._watching.wait(120), "no watch of the VirtualServices within 120 s"

    def _watch(self) -> None:
        """Watch from the version that was seen last, however often the server ends the watch.

        A kind that was defined just now is served a moment later, and its first watches may end at
        once. So that no change is missed, nothing is made before the namespace was listed.
        """
        while not self._over:
            if not self._version:
                with suppress(json.JSONDecodeError):  # a plain 404
                    listed = self._cluster.ask("GET", self._path)
                    self._version = listed["metadata"].get("resourceVersion", "")
            if not self._version or not self._follow():
                time.sleep(0.1)

    def _follow(self) -> bool:
        """Read one watch to its end; tell whether the server opened it."""
        secured = ssl.create_default_context(cafile=str(self._cluster.ca))
        address = "127.0.0.1", self._cluster.port
        query = f"watch=true&timeoutSeconds=300&resourceVersion={self._version}"
        with closing(http.client.HTTPSConnection(*address, context=secured)) as line:
            headers = {"Authorization": "Bearer admin-token"}
            line.request("GET", f"{self._path}?{query}", headers=headers)
            with line.getresponse() as answer:
                if answer.status != http.HTTPStatus.OK:
                    return False
                self._watching.set()
                self._read(answer)
        return True

    def end(self) -> None:
        """One more change wakes the watch up, so that it can see that it is over."""
        self._over = True
        last = virtual_service([to("x", 100, "v1"), to("x", 0, "v2")])
        last |= {"apiVersion": "networking.istio.io/v1beta1", "metadata": {"name": "last"}}
        self._cluster.ask("POST", self._path, last)
        self._thread.join(10)

    def _read(self, answer: http.client.HTTPResponse) -> None:
        for text in answer:
            if self._over:
                return
            event = json.loads(text)
            live = event["object"]
            if event["type"] == "ERROR":  # the server begins its cache of the kind anew
                assert live["code"] != http.HTTPStatus.GONE, "changes were missed"
                time.sleep(0.1)
                return
            name, metadata = live["metadata"]["name"], live["metadata"]
            routes = live["spec"]["http"][0]["route"]
            canary = sum(e.get("weight", 0) for e in routes if e["destination"]["subset"] == "v2")
            mark = (metadata.get("annotations") or {}).get(MARK + name, "")
            self._version = metadata["resourceVersion"]
            self.changes.append(Change(name, self._version, canary, mark))

    def of(self, name: str) -> list[Change]:
        return [change for change in self.changes if change.name == name]


class StormMesh(MemoryRouter):
    """Traffic goes where the VirtualServices say."""

    def __init__(self, audit: Audit) -> None:
        super().__init__()
        self._audit = audit

    def share(self, plan: Plan) -> float:
        changes = self._audit.of(plan.spec.service)
        return changes[-1].canary / 100 if changes else 0.0


@dataclass
class SimulatedServices:
    """The Observer port: each service has a world of its own."""

    mesh: StormMesh
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    _worlds: dict[str, SimulatedService] = field(default_factory=dict)

    def observe(self, asks: Any, now: float) -> Mapping[str, Any]:
        answers: dict[str, Any] = {}
        for ask in asks:
            answers |= self._world(ask.plan.spec.service).observe([ask], now)
        return answers

    def _world(self, service: str) -> SimulatedService:
        if service not in self._worlds:
            both = {"v1": GOOD, "v2": self.behaviours[service]}
            self._worlds[service] = SimulatedService(
                self.mesh, both, len(self._worlds), 1000.0, coarse=True
            )
        return self._worlds[service]


@dataclass
class StormReplica:
    """One replica that is started, ticked, killed and started again."""

    shard: Shard
    clock: VirtualClock
    ticks: int = 0
    problems: list[str] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)
    _next: float = 0.0

    def start(self) -> None:
        self.stack = ExitStack()
        meter = Meter("test", self.clock.now, self.clock.now)
        self.replica = Replica(
            self.shard, connect(), None, meter, lambda _entry: None, self.problems.append
        )
        self.candidate = self.replica.candidate()
        self.loop = self.replica.duty(self.candidate)
        for informer in self.replica._informers.values():
            informer.start()
            self.stack.callback(informer.stop)

    def tick(self) -> None:
        """Campaign when it is due, tick, show; as the three threads of a process do."""
        self.ticks += 1
        for work in (self._campaign, self.loop.tick, self.replica._show):
            try:
                work()
            except SurefootError as error:
                self.problems.append(str(error))

    def _campaign(self) -> None:
        if self.clock.now() >= self._next:
            self._next = self.clock.now() + self.candidate.times.retry
            self.candidate.try_acquire_or_renew()

    def kill(self) -> None:
        """No Lease is given back; the server sees the line to the journal end."""
        self.loop.end()
        self.stack.close()

    def restart(self) -> None:
        self.kill()
        self.start()


@dataclass
class Storm:
    """A namespace under two replicas, and who wrote what.

    `current` ticks now. While it waits for the API server, the other one may tick in a thread of
    the proxy; where that takes longer than it waits, both do: each thread knows its own (`own`).
    A process ticks in one thread: nobody ticks or kills a node that ticks already (`turn`).
    """

    cluster: Any
    namespace: str
    journal: str
    proxy: Any
    clock: VirtualClock
    audit: Audit
    worlds: SimulatedServices
    nodes: list[StormReplica]
    writers: dict[int, str] = field(default_factory=dict)
    current: StormReplica | None = None
    doomed: bool = False
    own: threading.local = field(default_factory=threading.local)

    def tick(self, node: StormReplica) -> None:
        """One tick of a node, which may be killed in it; none while it ticks in another thread."""
        if not node.turn.acquire(blocking=False):
            return
        before, self.current = self.current, node
        self.own.node = node
        try:
            node.tick()
        except Killed:
            self.doomed = False
            node.restart()
        finally:
            self.current, self.own.node = before, None
            node.turn.release()

    def kill(self, node: StormReplica) -> bool:
        """Kill a node between its ticks and start it again; return whether it was between them."""
        if not node.turn.acquire(blocking=False):
            return False
        try:
            node.restart()
        finally:
            node.turn.release()
        return True

    def roll_out(self, name: str, behaviour: Behaviour) -> Plan:
        """One more service with a plan for it."""
        self.worlds.behaviours[name] = behaviour
        route = virtual_service([to(name, 100, "v1"), to(name, 0, "v2")])
        route |= {"apiVersion": "networking.istio.io/v1beta1", "metadata": {"name": name}}
        self.cluster.ask("POST", ISTIO.format(self.namespace), route)
        document = plan_of({"istio": {"virtualService": name}}, self.namespace, name).document()
        document["spec"] |= {"interval": "2s", "prometheus": {"scrape": "1s"}, "warmup": "2s"}
        document["spec"] |= {"ramp": {"steps": ["5%", "25%", "50%"], "bake": "4s"}}
        document["spec"] |= {"followWithin": "0s"}
        document["spec"] |= {"whenBlind": {"hold": "1h", "then": "pause"}, "onDrift": "pause"}
        document["spec"]["guardrails"] = [
            {"name": "errors", "template": "istio/errors", "margin": {"absolute": "2%"}}
        ]
        path = f"/apis/surefoot.dev/v1alpha1/namespaces/{self.namespace}/rolloutplans"
        created = self.cluster.ask("POST", path, document)
        assert created["kind"] == "RolloutPlan", created
        return Plan.model_validate(document)

    def entries(self) -> list[Any]:
        journal = SqlJournal(self.journal, readonly=True)
        try:
            return [*journal.read()]
        finally:
            journal.close()


@contextmanager
def storm(cluster: Any, namespace: str, journal: str, proxy: Any, patch: Any) -> Iterator[Storm]:
    """Two replicas ready to tick; only time and the metrics are not real."""
    clock, audit = VirtualClock(), Audit(cluster, namespace)
    worlds = SimulatedServices(StormMesh(audit))
    patch.setenv("KUBECONFIG", str(proxy.config("surefoot")))
    patch.setenv("NO_PROXY", "127.0.0.1")
    patch.setattr(clocks, "SystemClock", lambda: clock)
    patch.setattr(clocks, "timer", clock.now)
    patch.setattr("rollout.observe.prometheus.PrometheusObserver", lambda *_, **__: worlds)
    nodes = [StormReplica(Shard(journal, namespace, "surefoot"), clock) for _ in range(2)]
    running = Storm(cluster, namespace, journal, proxy, clock, audit, worlds, nodes)
    append = SqlJournal.append

    def noted(self: SqlJournal, facts: Any, after: int) -> Any:
        entries = append(self, facts, after)
        node = getattr(running.own, "node", None)
        for entry in entries:
            if node is not None:
                running.writers[entry.seq] = node.candidate.identity
        if running.doomed and node is running.current is not None:
            raise Killed
        return entries

    patch.setattr(SqlJournal, "append", noted)
    for node in nodes:
        node.start()
    try:
        yield running
    finally:
        for node in nodes:
            with suppress(SurefootError):
                node.kill()
        audit.end()


def dice(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
