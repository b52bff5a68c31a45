"""The whole pipeline on real parts: Prometheus, Envoy, toy versions, and `surefoot` processes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import yaml

from rollout.demo.servers.process import Process, free_ports
from rollout.demo.servers.start import Envoy, Server, start_envoy, start_prometheus
from rollout.journal.location import JournalLocation
from rollout.plan.reading.files import load_file
from rollout.ports import RouteStatus
from rollout.route.envoy.proxy import EnvoyRouter
from tests.live.traffic import ToyTraffic, traffic

ROOT = Path(__file__).parents[2]
SERVICE, STABLE = "summarizer", "v1"
CANARIES = tuple(f"v{number}" for number in range(2, 10))  # each story has one of its own
DEAD = "v0"  # nobody listens on its port
ROUTER = EnvoyRouter()
_DIRECT = build_opener(ProxyHandler({}))
_REQUESTS = re.compile(r"^envoy_cluster_upstream_rq\{(.*)\} (\d+)$", re.MULTILINE)
_T = TypeVar("_T")


def until(condition: Callable[[], _T], what: str, seconds: float = 120.0) -> _T:
    """Wait for a condition and return what it gave; fails when it takes longer."""
    end = time.monotonic() + seconds
    while not (outcome := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
    return outcome


def surefoot(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A `surefoot` command from its start to its end."""
    command = [sys.executable, "-m", "rollout.cli", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@dataclass
class PipelineStage:
    """Prometheus, Envoy, versions and load; servers that a test killed can be started again."""

    folder: Path
    prometheus: Server = field(init=False)
    envoy: Envoy = field(init=False)
    traffic: ToyTraffic = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self._listen, self._admin, self._port, *backends = free_ports(5 + len(CANARIES))
        self._versions = dict(zip((STABLE, DEAD, *CANARIES), backends, strict=True))
        alive = {version: port for version, port in self._versions.items() if version != DEAD}
        self._stack.callback(self._stop)
        self.start_prometheus()  # first, because it takes seconds to discover its target
        self.start_envoy()
        self.traffic = self._stack.enter_context(traffic(self.envoy.url, alive))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_prometheus(self) -> None:
        targets = {"envoy": f"http://127.0.0.1:{self._admin}/stats/prometheus?usedonly"}
        self.prometheus = start_prometheus(self.folder / "prometheus", self._port, targets)

    def start_envoy(self) -> None:
        clusters = {f"{SERVICE}-{version}": port for version, port in self._versions.items()}
        folder = self.folder / "envoy"
        self.envoy = start_envoy(folder, self._listen, self._admin, clusters, SERVICE)

    def reset(self) -> None:
        """As at the start, whatever the last test left: all runs, all traffic to stable, no load.

        Envoy starts anew with its first route file and so with no counts, but for a few of stable.
        """
        self.traffic.stop()
        self.traffic.fail.clear()
        if not self.prometheus.process.running:
            self.start_prometheus()
        self.envoy.process.kill()
        self.envoy.file.unlink()
        self.start_envoy()
        self.traffic.flow()
        until(lambda: self.requests()[STABLE, 200] >= 20, "traffic on stable")
        self.traffic.stop()
        stopped = time.time()
        until(lambda: self._scraped() > stopped, "a scrape of the counts that stable starts with")
        self.traffic.served.clear()
        self.traffic.answers.clear()

    def requests(self) -> Counter[tuple[str, int]]:
        """Requests by (version, status), as Envoy itself counted them since its start."""
        with _DIRECT.open(self.envoy.metrics, timeout=5) as page:
            text = page.read().decode()
        counts: Counter[tuple[str, int]] = Counter()
        for labels, count in _REQUESTS.findall(text):
            named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            key = named["destination_version"], int(named["envoy_response_code"])
            counts[key] += int(count)
        return counts

    def _scraped(self) -> float:
        """Unix time of Prometheus' newest sample of stable; 0 when it has none."""
        query = f'timestamp(envoy_cluster_upstream_rq{{destination_version="{STABLE}"}})'
        url = f"{self.prometheus.url}/api/v1/query?{urlencode({'query': query})}"
        with _DIRECT.open(url, timeout=5) as answer:
            samples = json.load(answer)["data"]["result"]
        return max((float(sample["value"][1]) for sample in samples), default=0.0)

    def plan(self, canary: str, folder: Path, **spec: Any) -> Path:
        """A plan file of fast settings, with other values of `spec`."""
        route = {"file": str(self.envoy.file), "admin": self.envoy.admin}
        document = {
            "service": SERVICE,
            "stable": {"version": STABLE},
            "canary": {"version": canary},
            "route": {"envoy": route},
            "ramp": {"steps": ["10%", "50%"], "bake": "3s"},
            "guardrails": [
                {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "5%"}},
                {"name": "latency", "template": "envoy/latency", "tolerance": "100%"},
            ],
            "prometheus": {"url": self.prometheus.url, "scrape": "1s"},
            "interval": "2s",
            "warmup": "2s",
            "whenBlind": {"hold": "2m", "then": "pause"},
            "deadline": "5m",
            "followWithin": "0s",
            **spec,
        }
        head = {"apiVersion": "surefoot.dev/v1alpha1", "kind": "RolloutPlan"}
        path = folder / "plan.yaml"
        metadata = {"name": f"{SERVICE}-{canary}"}
        path.write_text(yaml.safe_dump({**head, "metadata": metadata, "spec": document}))
        return path

    def _stop(self) -> None:
        for name in ("envoy", "prometheus"):
            if hasattr(self, name):
                getattr(self, name).process.stop()


class ControllerProcess:
    """`surefoot run` as a process of its own, and what its mesh and its journal show."""

    def __init__(
        self, plan: Path, log: str = "run.log", journal: JournalLocation | None = None
    ) -> None:
        self.file, self.journal = plan, journal or plan.with_name("journal.db")
        (self.plan,) = load_file(plan)
        command = [sys.executable, "-m", "rollout.cli", "run", str(plan)]
        command += ["--journal", str(self.journal)]
        self.process = Process("surefoot", command, plan.with_name(log))

    def again(self) -> ControllerProcess:
        """The same command once more."""
        return ControllerProcess(self.file, journal=self.journal)

    def ended(self, seconds: float = 120.0) -> int:
        """Its exit code, once it ends by itself."""
        until(lambda: not self.process.running, "the end of the run", seconds)
        return int(self.process._popen.returncode)

    @property
    def mesh(self) -> RouteStatus:
        """What Envoy's own config dump shows."""
        return ROUTER.read(self.plan, 100)

    @property
    def weight(self) -> int:
        return self.mesh.split.canary

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
