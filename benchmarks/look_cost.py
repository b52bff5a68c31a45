"""What a look costs by the number of pods: CPU of the controller, and bytes of its journal.

Client pods report requests and latencies of both versions, as a mesh's sidecars do: 44 series each,
two codes and a histogram of 20 buckets for each version, with a dozen labels. The production
controller asks a server on this machine, in a process of its own, that answers as Prometheus does
(JSON, compressed), and each pod is scraped at a moment of its own. With churn a pod restarts and
another one is new before each look. In an event all pods restart, or all are replaced, before the
third look, or Prometheus is away for five scrapes during which one pod is replaced.

CPU is that of the controller's process for the whole tick: reading, counting, deciding, sealing.
The first look, which makes every series known, and the first one after a restart, which reads the
last samples again, are printed by themselves.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from numpy.typing import NDArray

from rollout.decide.record.facts import Observed
from rollout.journal.hash_chain import seal
from rollout.journal.memory import MemoryJournal
from rollout.observe.prometheus import PrometheusObserver
from rollout.plan.model.plan import Plan
from rollout.ports import Ports
from rollout.simulate import MemoryRouter, VirtualClock
from rollout.tick.controller import Controller

PODS = (10, 200, 1000)
SCRAPE, BEGUN = 15.0, 1_800_000_000.0
EDGES = (*(round(2 ** (i / 2), 3) for i in range(19)), float("inf"))
SERIES = 2 * (2 + len(EDGES))  # of one pod
VERSIONS = ("v1", "v2")
RATE, SHAPE = "envoy_cluster_upstream_rq", "envoy_cluster_upstream_rq_time_bucket"
_WINDOW = 4  # samples of each series in an answer: production asks for 61 s
_EVENT_AT = _WINDOW + 2  # scrapes
_MISSED = 5  # scrapes, of all pods in an outage of Prometheus
EVENTS = ("", "restarts", "replacement", "outage")
_KEY = b"a key of the benchmark, 32 bytes"


def plan(url: str) -> Plan:
    """Return a plan with a rate and a histogram that stays at its first step."""
    spec = {
        "service": "reviews",
        "stable": {"version": VERSIONS[0]},
        "canary": {"version": VERSIONS[1]},
        "route": {"envoy": {"file": "rds.json", "admin": "http://127.0.0.1:1"}},
        "ramp": {"steps": ["10%"], "bake": "1h"},
        "guardrails": [
            {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}},
            {"name": "latency", "template": "envoy/latency", "tolerance": "25%"},
        ],
        "prometheus": {"url": url, "scrape": f"{SCRAPE:.0f}s"},
        "interval": f"{SCRAPE:.0f}s",
        "deadline": "2h",
    }
    head = {"apiVersion": "surefoot.dev/v1alpha1", "kind": "RolloutPlan"}
    return Plan.model_validate({**head, "metadata": {"name": "reviews-v2"}, "spec": spec})


@dataclass
class ClientPods:
    """Client pods with their counters at every scrape, by arm."""

    pods: int
    churn: bool = False
    event: str = ""
    dice: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def __post_init__(self) -> None:
        self.offsets = np.round(self.dice.uniform(0, SCRAPE - 1, 2 * self.pods), 3)
        self.names = [f"client-{n:04}" for n in range(self.pods)]
        self.counts = self.dice.integers(0, 10**6, (self.pods, 2, 2 + len(EDGES)))
        self.born = np.full(self.pods, -_WINDOW)
        self.rows: list[tuple[int, NDArray[np.int64]]] = []  # by scrape
        self.scrapes = 0
        for _ in range(_WINDOW):
            self.serve()

    def serve(self) -> None:
        """Let every pod serve for one scrape interval."""
        if self.scrapes == _EVENT_AT:
            self._let_happen()
        if self.churn and self.scrapes > _WINDOW + 1:
            at = self.scrapes % self.pods
            self.counts[at] = 0
            self.names[-1 - at], self.born[-1 - at] = f"client-new-{self.scrapes}", self.scrapes
            self.counts[-1 - at] = 0
        self.counts += self.dice.poisson(5, self.counts.shape)
        self.rows.append((self.scrapes, self.counts.copy()))
        self.rows, self.scrapes = self.rows[-_WINDOW:], self.scrapes + 1

    def _let_happen(self) -> None:
        if self.event in {"restarts", "replacement"}:
            self.counts[:] = 0
        if self.event == "replacement":
            self.names, self.born[:] = [f"{name}-b" for name in self.names], self.scrapes
        if self.event == "outage":  # during which one pod was replaced
            self.scrapes += _MISSED
            self.names[0], self.born[0], self.counts[0] = "client-b", self.scrapes, 0

    def answer(self, text: str) -> bytes:
        """Return Prometheus' answer to a range selector."""
        if '__name__=~"up|' in text or "_created" in text:
            return _seal([])
        return _seal(list(self._read_shapes() if SHAPE in text else self._read_rates()))

    def _read_rates(self) -> Iterator[dict[str, Any]]:
        for pod in range(self.pods):
            for arm, version in enumerate(VERSIONS):
                for column, code in enumerate(("200", "503")):
                    more = {"envoy_response_code": code}
                    yield self._read(RATE, pod, version, more, lambda r: r[pod, arm, column])  # noqa: B023

    def _read_shapes(self) -> Iterator[dict[str, Any]]:
        for pod in range(self.pods):
            for arm, version in enumerate(VERSIONS):
                for column, edge in enumerate(EDGES):
                    more = {"le": "+Inf" if edge == float("inf") else f"{edge:g}"}
                    yield self._read(
                        SHAPE,
                        pod,
                        version,
                        more,
                        lambda r: r[pod, arm, 2 : column + 3].sum(),  # noqa: B023
                    )

    def _read(
        self,
        name: str,
        pod: int,
        version: str,
        more: Mapping[str, str],
        read: Callable[[NDArray[np.int64]], int],
    ) -> dict[str, Any]:
        values = [
            [BEGUN + n * SCRAPE + float(self.offsets[pod]), str(read(row))]
            for n, row in self.rows
            if n >= max(self.born[pod], self.scrapes - _WINDOW)
        ]
        name_of_pod = self.names[pod]
        metric = {
            "__name__": name,
            "cluster": "eu-west-1",
            "destination_service": "reviews",
            "destination_version": version,
            "instance": f"10.{pod // 250}.{pod % 250}.7:15020",
            "job": "kubernetes-pods",
            "namespace": "clinical-ai",
            "node": f"node-{pod % 40:02}",
            "pod": name_of_pod,
            "source_app": "gateway",
            "source_workload": f"gateway-{pod % 7}",
        }
        return {"metric": metric | dict(more), "values": values}


def _seal(rows: list[dict[str, Any]]) -> bytes:
    body = {"status": "success", "data": {"resultType": "matrix", "result": rows}}
    return gzip.compress(json.dumps(body, separators=(",", ":")).encode(), 1)


def _serve(fleet: ClientPods, port: Any) -> None:
    """Answer queries; a POST to /serve lets one scrape interval pass and prepares the answers."""
    ready: dict[str, bytes] = {}

    class FleetHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            query = parse_qs(text).get("query", [""])[0]
            if self.path == "/serve":
                fleet.serve()
                ready.update({name: fleet.answer(name + "{") for name in (RATE, SHAPE)})
                body = b""
            else:
                # Prometheus adds up the past itself; here there is none.
                query = "" if self.path.endswith("query_range") else query
                is_shape = SHAPE in query and "up|" not in query and "_created" not in query
                is_rate = not is_shape and query.startswith(RATE) and "_created" not in query
                body = ready[SHAPE if is_shape else RATE] if is_shape or is_rate else _seal([])
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", "gzip" if body else "identity")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), FleetHandler)
    port.send(server.server_port)
    server.serve_forever()


@contextmanager
def serving(fleet: ClientPods) -> Iterator[str]:
    """Serve a fleet's answers from another process; yield the URL."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(fleet, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


def measure(pods: int, looks: int, *, churn: bool = False, event: str = "") -> dict[str, Any]:
    """Return CPU seconds and journal bytes of each look; the first looks are a baseline."""
    import requests

    with serving(ClientPods(pods, churn, event)) as url:
        clock = VirtualClock(BEGUN + (_WINDOW - 1) * SCRAPE)
        journal = MemoryJournal()
        controller = _begin(journal, clock)
        controller.start([plan(url)])
        seconds, sizes, units = [], [], 0
        for look in range(looks + 2):
            requests.post(f"{url}/serve", timeout=60)
            if look > looks:
                controller = _begin(journal, clock)
            is_missed = event == "outage" and look == _EVENT_AT - _WINDOW
            clock.time += SCRAPE * (1 + _MISSED * is_missed)
            head, began = len(journal.rows()), time.process_time()
            _look(controller, clock)
            seconds.append(time.process_time() - began)
            facts = [entry.fact for entry in journal.read(head)]
            sizes.append(sum(len(seal("", 1, fact).text) for fact in facts))
            units += sum(_count_units(fact) for fact in facts if isinstance(fact, Observed))
    return {
        "pods": pods,
        "series": pods * SERIES,
        "churn": churn,
        "event": event,
        "first_look_s": seconds[0],
        "restart_s": seconds[-1],
        "look_s": statistics.median(seconds[1:-1]),
        "longest_s": max(seconds[1:-1]),
        "look_bytes": statistics.median(sizes[1:]),
        "most_bytes": max(sizes),
        "units": units,
    }


def _begin(journal: MemoryJournal, clock: VirtualClock) -> Controller:
    observer = PrometheusObserver(timeout=60.0, key=_KEY, in_past=True)
    return Controller(Ports(observer, MemoryRouter(), journal, clock), "benchmark")


def _look(controller: Controller, clock: VirtualClock) -> None:
    """Tick at the end of the scrape interval, whenever the looks would be due."""
    for rollout in controller.active:
        controller.fleet.looks.schedule(rollout, clock.time)
    controller.tick()


def _count_units(fact: Observed) -> int:
    return sum(
        tally.counts.canary_exposures + tally.counts.stable_exposures
        for tally in fact.tallies.values()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, nargs="*", default=PODS)
    parser.add_argument("--looks", type=int, default=8)
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    kinds = [(False, ""), (True, ""), *((False, event) for event in EVENTS[1:])]
    rows = [
        measure(pods, options.looks, churn=churn, event=event)
        for churn, event in kinds
        for pods in options.pods
    ]
    for row in rows:
        kind = row["event"] or ("churn" if row["churn"] else "calm")
        print(
            f"{row['pods']:>5} pods, {row['series']:>6,} series, {kind:11} "
            f"{row['look_s']:.3f} s CPU a look (longest {row['longest_s']:.3f}, the first "
            f"{row['first_look_s']:.2f}, after a restart {row['restart_s']:.2f}), "
            f"{row['look_bytes']:,.0f} bytes of journal "
            f"(most {row['most_bytes']:,}), {row['units']:,} units counted"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
