"""What a look costs by the number of pods: CPU of the controller, and bytes of its journal.

Client pods report requests and latencies of both versions, as a mesh's sidecars do: 44 series each,
two codes and a histogram of 20 buckets for each version, with a dozen labels. The production
controller asks a server on this machine, in a process of its own, that answers as Prometheus does
(JSON, compressed), and each pod is scraped at a moment of its own. It has the targets' scrapes and
the proxies' uptimes too, so that births and restarts are believed: what was counted is printed
beside what was served, with the reason where it is less. With churn a pod restarts and another one
is replaced before each look. In an event all pods restart, or all are replaced, before the third
look, or Prometheus is away for five scrapes during which one pod is replaced.

CPU is that of the controller's process for the whole tick: reading, counting, deciding, sealing.
The first look, which makes every series known, and the first one after a restart, which reads the
last samples again, are printed by themselves.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.worlds.client_pods import (
    BEGUN,
    EVENT_AT,
    EVENTS,
    MISSED,
    RATE,
    SCRAPE,
    SERIES,
    SHAPE,
    UPTIME,
    VERSIONS,
    WINDOW,
    ClientPods,
    seal,
)
from rollout.decide.record.facts import Observed
from rollout.journal import hash_chain
from rollout.journal.memory import MemoryJournal
from rollout.observe.prometheus import PrometheusObserver
from rollout.plan.model.plan import Plan
from rollout.ports import Ports
from rollout.simulate import MemoryRouter, VirtualClock
from rollout.tick.controller import Controller

PODS = (10, 200, 1000)
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


def _serve(fleet: ClientPods, port: Any) -> None:
    """Answer queries; a POST to /serve lets one scrape interval pass, and tells what was served."""
    ready: dict[str, bytes] = {}

    class FleetHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            query = parse_qs(text).get("query", [""])[0]
            if self.path == "/serve":
                fleet.serve()
                ready.update({name: fleet.answer(name) for name in (RATE, SHAPE)})
                self._send(str(fleet.served).encode())
            # Prometheus adds up the past itself; here there is none. Envoy has no creation times.
            elif self.path.endswith("query_range") or "_created" in query:
                self._send(seal([]), "gzip")
            elif UPTIME in query:
                self._send(fleet.answer_targets(query), "gzip")
            else:
                self._send(ready[SHAPE if SHAPE in query else RATE], "gzip")

        def _send(self, body: bytes, encoding: str = "identity") -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", encoding)
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
    """Return CPU seconds and journal bytes of each look; the first looks are a baseline.

    `units` are what all looks counted of what was `served` since the first one, and `problems` what
    any of them did not believe.
    """
    import requests

    with serving(ClientPods(pods, churn, event)) as url:
        clock = VirtualClock(BEGUN + (WINDOW - 1) * SCRAPE)
        journal = MemoryJournal()
        controller = _begin(journal, clock)
        controller.start([plan(url)])
        seconds, sizes, served, observed = [], [], [], []
        for look in range(looks + 2):
            served.append(int(requests.post(f"{url}/serve", timeout=60).text))
            if look > looks:
                controller = _begin(journal, clock)
            is_missed = event == "outage" and look == EVENT_AT - WINDOW
            clock.time += SCRAPE * (1 + MISSED * is_missed)
            head, began = len(journal.rows()), time.process_time()
            _look(controller, clock)
            seconds.append(time.process_time() - began)
            facts = [entry.fact for entry in journal.read(head)]
            sizes.append(sum(len(hash_chain.seal("", 1, fact).text) for fact in facts))
            observed += [fact for fact in facts if isinstance(fact, Observed)]
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
        "units": sum(map(_count_units, observed)),
        "served": served[-1] - served[0],
        "problems": sorted({text for fact in observed for text in _list_problems(fact)}),
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


def _list_problems(fact: Observed) -> list[str]:
    """Return what was not believed in a look, or could not be read."""
    unbelieved = (text for texts in fact.unbelieved.values() for text in texts)
    return [*fact.problems.values(), *unbelieved]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, nargs="*", default=PODS)
    parser.add_argument("--looks", type=int, default=8)
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    measure(2, 1)  # what is imported once is no look's cost
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
            f"(most {row['most_bytes']:,}), {row['units']:,} of {row['served']:,} units "
            f"counted{': ' * bool(row['problems'])}{'; '.join(row['problems'])}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
