"""What stands between an exporter and whoever asks: pairs, federation, late writes, caches.

Each takes the samples that an exporter shows at its scrapes, and answers as such a set-up does.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tests.support.scraped import WrittenPrometheus

_UPTIME = "envoy_server_uptime"


class Front(WrittenPrometheus):
    """A Prometheus whose answers are changed, by chance from a seed.

    Until `calm`, in unix seconds, they are not: so it is known from where on units count.
    """

    def __init__(self, seed: int, calm: float = 0.0) -> None:
        super().__init__()
        self.dice, self.calm = random.Random(seed), calm

    def custom_query(self, query: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """Answer what is left of the samples."""
        rows = self.read(query, params)
        return [row for row in rows if row["values"]]

    def read(self, query: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return all rows, of which some may have no samples left."""
        return super().custom_query(query, params)


class _Replicas(Front):
    """Two servers that scrape the same targets at moments of their own."""

    def __init__(self, seed: int, calm: float = 0.0) -> None:
        super().__init__(seed, calm)
        self.others, self.offset = WrittenPrometheus(), self.dice.uniform(0.5, 13)

    def write(self, name: str, labels: Mapping[str, str], at: float, value: float) -> None:
        """Let both scrape, at times of their own."""
        super().write(name, labels, at, value)
        later = value + int(self.offset) if name == _UPTIME else value
        self.others.write(name, labels, at + self.offset, later)


class LaggingPair(_Replicas):
    """A balancer before both, one of which is some scrapes behind: any of them answers a query."""

    def __init__(self, seed: int, calm: float = 0.0) -> None:
        super().__init__(seed, calm)
        self.lag = self.dice.choice([0, 15, 40, 100])

    def read(self, query: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """Ask one of both."""
        if float(params["time"]) <= self.calm or self.dice.random() < 0.5:
            return super().read(query, params)
        rows = self.others.custom_query(query, params)
        last = float(params["time"]) - self.lag
        return [
            row | {"values": [pair for pair in row["values"] if pair[0] <= last]} for row in rows
        ]


class Deduplicated(_Replicas):
    """One series of both, by the samples of one server up to a time, and of the other after it."""

    def read(self, query: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """Join what both have at a time of this query's own."""
        now = float(params["time"])
        if now <= self.calm:
            return super().read(query, params)
        switch = self.dice.choice([0, now, now - self.dice.uniform(0, 120)])
        is_first = self.dice.random() < 0.5
        merged: dict[tuple[tuple[str, str], ...], list[list[Any]]] = {}
        for server, is_before in (
            (super().read, is_first),
            (self.others.custom_query, not is_first),
        ):
            for row in server(query, params):
                own = merged.setdefault(tuple(row["metric"].items()), [])
                own += [pair for pair in row["values"] if (pair[0] <= switch) is is_before]
        return [{"metric": dict(k), "values": sorted(pairs)} for k, pairs in merged.items()]


class Caching(Front):
    """A proxy that answers a query of the same text as it did lately, for some time."""

    def __init__(self, seed: int, calm: float = 0.0) -> None:
        super().__init__(seed, calm)
        self.lasting = self.dice.choice([10, 30, 60, 200])
        self.answers: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    def read(self, query: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """Answer as before, unless that is too old."""
        now = float(params["time"])
        at, rows = self.answers.get(query, (now, []))
        if not rows or not 0 <= now - at <= self.lasting or self.dice.random() < 0.3:
            at, rows = self.answers[query] = now, super().read(query, params)
        return rows


class OutOfOrder(Front):
    """Scrapes that are written remotely: some come late, and after later ones of their target."""

    def __init__(self, seed: int, calm: float = 0.0) -> None:
        super().__init__(seed, calm)
        self.late, self.share = self.dice.choice([5, 20, 60, 200]), self.dice.choice([0.1, 0.5, 1])
        self.visible: dict[tuple[str, float], float] = {}

    def write(self, name: str, labels: Mapping[str, str], at: float, value: float) -> None:
        """Write a sample of a scrape that may become visible late."""
        super().write(name, labels, at, value)
        is_late = at > self.calm and self.dice.random() < self.share
        late = self.dice.uniform(0, self.late) * is_late
        self.visible.setdefault((labels.get("instance", ""), at), at + late)

    def read(self, query: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """Leave out what has not come yet."""
        now = float(params["time"])
        return [
            row
            | {
                "values": [
                    pair
                    for pair in row["values"]
                    if self.visible[row["metric"].get("instance", ""), pair[0]] <= now
                ]
            }
            for row in super().read(query, params)
        ]


class Federated(Front):
    """A Prometheus that scrapes another one: without `up`, with gaps, under labels of its own."""

    def __init__(self, seed: int, calm: float = 0.0) -> None:
        super().__init__(seed, calm)
        self.honors, self.has_uptime = self.dice.random() < 0.5, self.dice.random() < 0.5
        self.missed = self.dice.choice([0, 0.1, 0.3])
        self.scraped, self.lost = set[float](), set[float]()

    def write(self, name: str, labels: Mapping[str, str], at: float, value: float) -> None:
        """Take a sample over, unless its scrape is one of those that are missed."""
        own = {"job": "federate", "instance": "prometheus:9090"}
        if at not in self.scraped:
            self.scraped.add(at)
            if at > self.calm and self.dice.random() < self.missed:
                self.lost.add(at)
            super().write("up", own, at, 1)
        if at in self.lost or name == "up" or (name == _UPTIME and not self.has_uptime):
            return
        if not self.honors:
            exported = {f"exported_{key}": labels[key] for key in own if key in labels}
            labels = {**labels, **exported, **own}
        super().write(name, labels, at, value)


FRONTS = (LaggingPair, Deduplicated, Caching, OutOfOrder, Federated)
