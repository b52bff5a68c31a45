"""Client pods of a mesh with their counters, and the answers of a Prometheus that scrapes them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCRAPE, BEGUN = 15.0, 1_800_000_000.0
EDGES = (*(round(2 ** (i / 2), 3) for i in range(19)), float("inf"))
SERIES = 2 * (2 + len(EDGES))  # of one pod
VERSIONS = ("v1", "v2")
CODES = ("200", "503")
RATE, SHAPE = "envoy_cluster_upstream_rq", "envoy_cluster_upstream_rq_time_bucket"
UPTIME = "envoy_server_uptime"
WINDOW = 4  # samples of each series in an answer: production asks for 61 s
EVENT_AT = WINDOW + 2  # scrapes
MISSED = 5  # scrapes, of all pods in an outage of Prometheus
EVENTS = ("", "restarts", "replacement", "outage")
_UP_AFTER = 3.0  # seconds after a scrape a process begins


@dataclass
class Scrape:
    """What a pod's process showed at a scrape: codes and buckets by version, not cumulative."""

    number: int
    at: float
    counts: NDArray[np.int64]
    started: float


@dataclass
class CountingPod:
    """A pod, its process since it `started` (unix seconds), and its newest scrapes."""

    name: str
    number: int
    address: str
    offset: float
    counts: NDArray[np.int64]
    started: float
    scrapes: list[Scrape] = field(default_factory=list)

    def begin_again(self, started: float) -> None:
        """Restart the process."""
        self.counts, self.started = np.zeros_like(self.counts), started

    def list_target(self) -> dict[str, str]:
        """Return the labels that its target has."""
        return {
            "cluster": "eu-west-1",
            "instance": self.address,
            "job": "kubernetes-pods",
            "namespace": "clinical-ai",
            "node": f"node-{self.number % 40:02}",
            "pod": self.name,
            "source_app": "gateway",
            "source_workload": f"gateway-{self.number % 7}",
        }


@dataclass
class ClientPods:
    """Pods that are scraped at moments of their own; `served` are their units, by version.

    With churn one restarts and another is replaced before each scrape, from the third look on.
    """

    pods: int
    churn: bool = False
    event: str = ""
    dice: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
    served: int = 0

    def __post_init__(self) -> None:
        offsets = np.round(self.dice.uniform(0, SCRAPE - 1, self.pods), 3)
        counts = self.dice.integers(0, 10**6, (self.pods, len(VERSIONS), len(CODES) + len(EDGES)))
        self.alive = [
            CountingPod(
                f"client-{n:04}",
                n,
                f"10.{n // 250}.{n % 250}.7:15020",
                float(offsets[n]),
                counts[n],
                BEGUN - 86_400.0,
            )
            for n in range(self.pods)
        ]
        self.ended: list[CountingPod] = []
        self.scrapes = 0
        for _ in range(WINDOW):
            self.serve()

    def serve(self) -> None:
        """Let every pod serve for one scrape interval."""
        if self.scrapes == EVENT_AT:
            self._let_happen()
        if self.churn and self.scrapes > WINDOW + 1:
            number = self.scrapes % self.pods
            self.alive[number].begin_again(self._find_start(self.alive[number]))
            self._replace(self.pods - 1 - number)
        shape = len(self.alive), *self.alive[0].counts.shape
        for pod, units in zip(self.alive, self.dice.poisson(5, shape), strict=True):
            pod.counts = pod.counts + units
            self.served += int(units.sum())
            at = BEGUN + self.scrapes * SCRAPE + pod.offset
            pod.scrapes.append(Scrape(self.scrapes, at, pod.counts, pod.started))
        self.scrapes += 1
        for pod in (*self.alive, *self.ended):
            pod.scrapes = [own for own in pod.scrapes if own.number >= self.scrapes - WINDOW]
        self.ended = [pod for pod in self.ended if pod.scrapes]

    def _let_happen(self) -> None:
        if self.event == "restarts":
            for pod in self.alive:
                pod.begin_again(self._find_start(pod))
        if self.event == "replacement":
            for number in range(self.pods):
                self._replace(number)
        if self.event == "outage":
            self.scrapes += MISSED
            self._replace(0)

    def _find_start(self, pod: CountingPod) -> float:
        return BEGUN + (self.scrapes - 1) * SCRAPE + pod.offset + _UP_AFTER

    def _replace(self, number: int) -> None:
        """Let a pod end, and another one begin at an address of its own."""
        old = self.alive[number]
        self.ended.append(old)
        new = CountingPod(
            f"client-{self.scrapes}-{old.number:04}",
            old.number,
            old.address.replace(".7:", f".{8 + self.scrapes}:"),
            old.offset,
            np.zeros_like(old.counts),
            self._find_start(old),
        )
        self.alive[number] = new

    def answer(self, metric: str) -> bytes:
        """Return Prometheus' answer to a range selector of a metric."""
        return seal([*(self._read_rates() if metric == RATE else self._read_shapes())])

    def answer_targets(self, query: str) -> bytes:
        """Return the answer on scrapes and uptimes of the targets whose addresses a query names."""
        addresses = query.replace("\\", "")
        pods = [pod for pod in (*self.alive, *self.ended) if pod.address in addresses]
        return seal([row for pod in pods for row in _read_target(pod)])

    def _read_rates(self) -> Iterator[dict[str, Any]]:
        for pod in (*self.alive, *self.ended):
            for arm, version in enumerate(VERSIONS):
                for column, code in enumerate(CODES):
                    more = {"envoy_response_code": code}
                    yield _read(pod, RATE, version, more, lambda c: c[arm, column])  # noqa: B023

    def _read_shapes(self) -> Iterator[dict[str, Any]]:
        for pod in (*self.alive, *self.ended):
            for arm, version in enumerate(VERSIONS):
                for column, edge in enumerate(EDGES):
                    more = {"le": "+Inf" if edge == float("inf") else f"{edge:g}"}
                    yield _read(
                        pod,
                        SHAPE,
                        version,
                        more,
                        lambda c: c[arm, len(CODES) : len(CODES) + column + 1].sum(),  # noqa: B023
                    )


def _read_target(pod: CountingPod) -> Iterator[dict[str, Any]]:
    """Yield that a target was up, and the uptime of its process in whole seconds."""
    target = pod.list_target()
    up = [[own.at, "1"] for own in pod.scrapes]
    uptimes = [[own.at, str(int(own.at - own.started))] for own in pod.scrapes]
    yield {"metric": {"__name__": "up", **target}, "values": up}
    yield {"metric": {"__name__": UPTIME, **target}, "values": uptimes}


def _read(
    pod: CountingPod,
    name: str,
    version: str,
    more: Mapping[str, str],
    read: Callable[[NDArray[np.int64]], int],
) -> dict[str, Any]:
    own = {"destination_service": "reviews", "destination_version": version, **more}
    labels = sorted({**pod.list_target(), **own}.items())
    values = [[scrape.at, str(read(scrape.counts))] for scrape in pod.scrapes]
    return {"metric": {"__name__": name, **dict(labels)}, "values": values}


def seal(rows: list[dict[str, Any]]) -> bytes:
    """Return the compressed answer with these rows."""
    body = {"status": "success", "data": {"resultType": "matrix", "result": rows}}
    return gzip.compress(json.dumps(body, separators=(",", ":")).encode(), 1)
