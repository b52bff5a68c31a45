"""Starts and stops the demo's processes: Envoy, Prometheus, summarizers, evaluator, load."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.request import ProxyHandler, build_opener

from rollout.demo.costs import Cost, Edges, costs
from rollout.demo.servers.process import Process, answers, free_ports
from rollout.demo.servers.start import Envoy, Server, start_envoy, start_prometheus
from rollout.demo.services.versions import ALGORITHMS, SERVICE

RATE = 100  # requests per second
FAULTS: dict[str, list[str]] = {
    "none": [],
    "errors": ["--errors", "0.04"],
    "latency": ["--tail-share", "0.15", "--tail-factor", "3"],
    "accuracy": ["--score-drop", "0.08"],
    "crash": ["--crash"],
}
FAULTS["all"] = [*FAULTS["errors"], *FAULTS["latency"], *FAULTS["accuracy"]]

PLAN = """\
apiVersion: surefoot.dev/v1alpha1
kind: RolloutPlan
metadata: {{name: {service}-{canary}, namespace: clinical-ai}}
spec:
  service: {service}
  stable: {{version: {stable}}}
  canary: {{version: {canary}}}
  route:
    envoy: {{file: "{file}", admin: "{admin}"}}
  ramp: {{steps: [5%, 25%, 50%], bake: 8s}}
  guardrails:
    - {{name: errors, template: envoy/errors, margin: {{absolute: 1%}}}}
    - {{name: latency, template: envoy/latency, tolerance: 25%}}
    - {{name: accuracy, template: quality/score, tolerance: 0.04, lag: 8s}}
  confidence: {{falseRollback: 1%, falsePromotion: 5%}}
  prometheus: {{url: "{prometheus}", scrape: 1s}}
  interval: 2s
  drain: 2s
  warmup: 4s
  whenBlind: {{hold: 30s, then: rollback}}
  deadline: 3m
  whenInconclusive: rollback
"""


@dataclass
class Stage:
    """Every process of the demo except the controller; leaving the context stops them."""

    folder: Path
    seed: int
    _stack: ExitStack = field(default_factory=ExitStack)
    _running: dict[str, Process] = field(default_factory=dict)

    def __enter__(self) -> Self:
        names = ("listen", "admin", "prometheus", "evaluator", *ALGORITHMS)
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        try:
            self._start_all()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_all(self) -> None:
        """Start the servers; Prometheus first, because it takes seconds to discover targets."""
        admin = f"http://127.0.0.1:{self.ports['admin']}"
        jobs = {name: self._build_url(name, "/metrics") for name in ("evaluator", *ALGORITHMS)}
        targets = {"envoy": f"{admin}/stats/prometheus?usedonly", **jobs}
        self.prometheus: Server = self._stack.enter_context(
            start_prometheus(self.folder / "prometheus", self.ports["prometheus"], targets)
        )
        clusters = {f"{SERVICE}-{version}": self.ports[version] for version in ALGORITHMS}
        self.envoy: Envoy = self._stack.enter_context(
            start_envoy(
                self.folder / "envoy", self.ports["listen"], self.ports["admin"], clusters, SERVICE
            )
        )
        options = ["--port", str(self.ports["evaluator"]), "--share", "0.6", "--delay", "6"]
        self._start(
            "evaluator", "rollout.demo.services.evaluator", [*options, "--seed", str(self.seed)]
        )
        self.serve("v1")
        self.serve("v2")
        self._wait("evaluator", "v1", "v2")

    def load(self) -> None:
        """Send traffic through Envoy until the context is left."""
        options = ["--url", self.envoy.url, "--rate", str(RATE), "--seconds", "3600"]
        evaluator = ["--evaluator", self._build_url("evaluator", "")]
        counts = ["--json", str(self.folder / "load.json"), "--seed", str(self.seed)]
        self._start("load", "rollout.demo.services.load", [*options, *evaluator, *counts])

    def serve(self, version: str, faults: str = "none", *, wait: bool = False) -> None:
        """Start one version of the summarizer with a named fault."""
        options = ["--version", version, "--algorithm", ALGORITHMS[version]]
        port = ["--port", str(self.ports[version]), "--seed", str(self.seed)]
        self._start(version, "rollout.demo.services.service", [*options, *port, *FAULTS[faults]])
        if wait:
            self._wait(version)

    def retire(self, version: str) -> None:
        """Stop a version that no longer has traffic."""
        self._running.pop(version).stop()

    def plan(self, stable: str, canary: str) -> Path:
        """Write the plan file of one rollout and return its path."""
        path = self.folder / f"plan-{canary}.yaml"
        text = PLAN.format(
            service=SERVICE,
            stable=stable,
            canary=canary,
            file=self.envoy.file,
            admin=self.envoy.admin,
            prometheus=self.prometheus.url,
        )
        path.write_text(text)
        return path

    def costs(self, edges: Edges) -> Mapping[str, Cost]:
        """Return every version's costs since the start, as counted by Envoy and the judge.

        They are read from the sources themselves, so the demo's summary does not depend on the
        controller that it reports on.
        """
        return costs(
            _fetch(self.envoy.metrics), _fetch(self._build_url("evaluator", "/metrics")), edges
        )

    def _start(self, name: str, module: str, options: list[str]) -> None:
        command = [sys.executable, "-m", module, *options]
        process = Process(name, command, self.folder / f"{name}.log")
        self._running[name] = self._stack.enter_context(process)

    def _wait(self, *names: str) -> None:
        for name in names:
            url = self._build_url(name, "/metrics")
            self._running[name].wait_until(lambda url=url: answers(url), 30.0)  # type: ignore[misc]

    def _build_url(self, name: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"


def _fetch(url: str) -> str:
    with build_opener(ProxyHandler({})).open(url, timeout=5) as response:
        return str(response.read().decode())
