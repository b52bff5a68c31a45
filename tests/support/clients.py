"""Client pods that report a canary's and stable's requests, scraped into a written Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rollout.journal.memory import MemoryJournal
from rollout.observe.prometheus import PrometheusObserver
from rollout.plan.model.plan import Plan
from rollout.ports import Journal, Ports
from rollout.simulate import MemoryRouter, VirtualClock
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet
from tests.support.scraped import WrittenPrometheus, connect
from tests.support.tallied import KEY
from tests.support.worlds import plan

URL = "http://written:9090"
RATE, SHAPE = "envoy_cluster_upstream_rq", "envoy_cluster_upstream_rq_time_bucket"
EDGES = (*(f"{10 * 1.2**n:.2f}" for n in range(12)), "+Inf")
SHARES = [0.02, 0.05, 0.1, 0.15, 0.18, 0.15, 0.1, 0.08, 0.06, 0.05, 0.03, 0.02, 0.01]
SPEC: dict[str, Any] = {
    "guardrails": [
        {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}},
        {"name": "latency", "template": "envoy/latency", "tolerance": "25%"},
    ],
    "prometheus": {"url": URL, "scrape": "1s"},
}


@dataclass
class ClientPod:
    """One pod with its counters by version: good, bad, and by bucket."""

    name: str
    labels: Mapping[str, str]
    counts: np.ndarray[Any, Any]


@dataclass
class ClientLab:
    """A production observer and controller on traffic that follows the mesh's weights."""

    seed: int = 1
    pods: int = 3
    labels: Mapping[str, str] = field(default_factory=dict)
    plan: Plan = field(default_factory=lambda: plan(**SPEC))
    journal: Journal = field(default_factory=MemoryJournal)
    key: bytes = KEY
    happen: Callable[[ClientLab, int], None] = lambda _lab, _scrape: None
    errors: float = 0.002
    starts: int = 0

    def __post_init__(self) -> None:
        self.dice, self.server = np.random.default_rng(self.seed), WrittenPrometheus()
        self.router, self.clock = MemoryRouter(), VirtualClock()
        self.begun, self.scrapes = self.clock.now(), 0
        self.clients = [self.make_pod(f"client-{n}") for n in range(self.pods)]
        self.restart()

    def make_pod(self, name: str) -> ClientPod:
        counts = np.zeros((2, 2 + len(EDGES)), dtype=np.int64)
        return ClientPod(name, {"job": "clients", "instance": f"{name}:1", **self.labels}, counts)

    def restart(self) -> None:
        """Begin anew as a process does, with the journal and the server as they are."""
        self.starts += 1
        observer = PrometheusObserver(key=self.key)
        connect(observer, URL, self.server)
        ports = Ports(observer, self.router, self.journal, self.clock)
        self.controller = Controller(ports, "test", fleet=Fleet())
        self.controller.start([self.plan])

    def run(self, seconds: int) -> None:
        """Scrape every second, and tick after each scrape."""
        for _ in range(seconds):
            self.scrape()
            self.clock.sleep(0.5)
            self.happen(self, self.scrapes)
            self.controller.tick()
            self.clock.sleep(0.5)

    def scrape(self) -> None:
        """Let a second's requests come, and scrape every pod."""
        self.scrapes += 1
        share, at = self.router.share(self.plan), self.clock.now()
        for pod in self.clients:
            for arm, own_share in enumerate((1 - share, share)):
                requests = int(self.dice.poisson(40 * own_share))
                bad = int(self.dice.binomial(requests, self.errors))
                shape = self.dice.multinomial(requests, SHARES)
                pod.counts[arm] += np.array([requests - bad, bad, *shape])
            self._write(pod, at)

    def _write(self, pod: ClientPod, at: float) -> None:
        for arm, version in enumerate(("v1", "v2")):
            own = {"destination_service": "summarizer", "destination_version": version}
            good, bad, *shape = map(int, pod.counts[arm])
            for code, value in (("200", good), ("503", bad)):
                labels = {**own, "envoy_response_code": code, **pod.labels}
                self.server.write(RATE, labels, at, value)
            for edge, below in zip(EDGES, np.cumsum(shape).tolist(), strict=True):
                self.server.write(SHAPE, {**own, "le": edge, **pod.labels}, at, below)
