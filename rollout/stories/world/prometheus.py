"""A Prometheus that scrapes the simulated exporters, and answers the queries that we send.

It stands where the HTTP client of the production observer does, so the production parsing and
counting run on its answers. It answers range selectors, and which series there are now: we send no
other queries.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import requests

from rollout.errors import ObserveError, QueryRefusedError
from rollout.observe.access.address import name_host
from rollout.observe.prometheus import PrometheusClient, PrometheusObserver
from rollout.plan.model.prometheus import PrometheusServer
from rollout.stories.setting import CANARY, STABLE
from rollout.stories.world.exporters import Labels, SimulatedExporter
from rollout.stories.world.hanging import GroupedWaiting, HangingServers

_QUERY = re.compile(r"(\w*)\{(.*)\}\[(\d+)s\]")
_MATCHER = re.compile(r'(\w+)(=~?)("(?:[^"\\]|\\.)*")')
_KEPT = 120.0  # seconds of samples
_TIMEOUT = 5.0
_LOOKBACK = 300  # seconds until a series without samples is none of now
_KEY = b"the key of every simulated journal"
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_HIDDEN = frozenset({"empty", "nan", "same-arms", "garbled"})  # answers that look whole
_STATUSES = {"busy": 503, "unreadable": 422, "denied": 401}


class VisibleSample(NamedTuple):
    """One sample: the time of its scrape, when it can be read, and its value as text."""

    at: float
    visible_at: float
    text: str


@dataclass
class SimulatedPrometheus:
    """Samples by labels. `now` is the true time; `sleep` lets it pass while an answer is slow.

    `faults` are those of its answers by name, with the true time until which each lasts: `down`,
    `slow`, `busy`, `unreadable`, `denied`, `partial`, `empty`, `garbled`, `nan`, `one-series`,
    `same-arms`, `shuffled`, `blink`. `delay` is the time from a scrape until its samples are there.
    """

    now: Callable[[], float]
    dice: np.random.Generator
    scrape_every: float
    targets: list[SimulatedExporter] = field(default_factory=list)
    faults: dict[str, float] = field(default_factory=dict)
    delay: float = 0.05
    missed: float = 0.0
    samples: dict[Labels, list[VisibleSample]] = field(default_factory=lambda: defaultdict(list))
    newest: dict[str, float] = field(default_factory=dict)  # sample by version
    bad_since: float | None = None  # since when it has answered nothing that helps
    is_refusing: bool = False  # the newest answer was an error
    shift: float = 0.0  # seconds by which its scrapes come after the targets' phase
    hides: bool = False  # the newest answer lacks series
    twin: SimulatedPrometheus | None = None  # a second replica, which answers every other query
    _turn: int = 0

    def has(self, fault: str) -> bool:
        """Return whether a fault lasts now."""
        return self.now() < self.faults.get(fault, 0.0)

    def is_sick(self) -> bool:
        """Return whether any fault of the answers lasts now."""
        return any(self.now() < until for until in self.faults.values())

    def next_scrape(self, after: float) -> float:
        """Return when the next target is scraped."""
        times = [self._next(target, after) for target in self.targets]
        times += [self.twin.next_scrape(after)] if self.twin else []
        return min(times, default=after + self.scrape_every)

    def scrape(self, at: float) -> None:
        """Scrape every target that is due at a time."""
        if self.twin:
            self.twin.missed = self.missed
            self.twin.scrape(at)
        for target in self.targets:
            is_due = abs(self._next(target, at - 1e-6) - at) < 1e-6
            if is_due and not target.is_silent and self.dice.random() >= self.missed:
                self._store(target, at)

    def _next(self, target: SimulatedExporter, after: float) -> float:
        phase = target.phase + self.shift
        rounds = (after - phase) // self.scrape_every + 1
        return phase + rounds * self.scrape_every

    def add_twin(self) -> None:
        """Let a second replica scrape the same targets, at other times, and share the answers."""
        shift = self.scrape_every / 2
        self.twin = SimulatedPrometheus(
            self.now, self.dice, self.scrape_every, self.targets, delay=self.delay, shift=shift
        )

    def _takes_turn(self) -> bool:
        """Return whether the second replica answers this query."""
        self._turn += 1
        return self.twin is not None and self._turn % 2 == 0

    def _store(self, target: SimulatedExporter, at: float) -> None:
        for labels, value in target.samples():
            version = next((text for name, text in labels if name == "destination_version"), "")
            self.newest[version] = at
            points = self.samples[labels]
            points.append(
                VisibleSample(at, at + self.delay, f"{value:g}" if value < 1e6 else f"{value:.0f}")
            )
            if points[0].at < at - _KEPT:
                del points[0]

    def answer(self, query: str, end: float) -> list[dict[str, Any]]:
        """Return the matrix of a range selector, read at a time by the asker's clock."""
        name, rules, window = _parse(query)
        rows = []
        now = self.now()
        source = self.twin if self.twin and self._takes_turn() else self
        for labels, points in source.samples.items():
            if not _fits(labels, name, rules):
                continue
            values = [
                [point.at, point.text]
                for point in points
                if end - window < point.at <= end and point.visible_at <= now
            ]
            if values:
                rows.append({"metric": dict(labels), "values": values})
        return self._spoil(rows)

    def list_now(self, query: str, at: float) -> list[dict[str, Any]]:
        """Return the vector of a selector, or of how many buckets each of its histograms has."""
        counted = re.fullmatch(r"count without \(le\) \((.*)\)", query)
        rows = self.answer(f"{counted[1] if counted else query}[{_LOOKBACK}s]", at)
        if counted is None:
            return [{"metric": row["metric"], "value": row["values"][-1]} for row in rows]
        groups = Counter(
            tuple(own for own in row["metric"].items() if own[0] not in {"le", "__name__"})
            for row in rows
        )
        return [{"metric": dict(own), "value": [at, str(size)]} for own, size in groups.items()]

    def _spoil(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return an answer with the faults that do not look like any."""
        self.hides = self.has("one-series") and len(rows) > 1
        if self.has("empty"):
            return []
        if self.has("nan"):
            for row in rows:
                row["values"][-1][1] = "NaN"
        if self.has("same-arms"):
            return _copy_stable(rows)
        if self.has("one-series"):
            return rows[:1]
        if self.has("shuffled"):
            rows = [{**row, "values": [*reversed(row["values"]), row["values"][0]]} for row in rows]
        if self.has("blink"):
            rows = [{**row, "values": row["values"][:-1] or row["values"]} for row in rows]
        return rows


class SimulatedObserver(PrometheusObserver):
    """The production observer of one process, whose HTTP client is the simulated server."""

    def __init__(
        self,
        server: SimulatedPrometheus,
        effect: Callable[[str], None],
        sleep: Callable[[float], None],
        hanging: HangingServers,
    ) -> None:
        self._waiting = GroupedWaiting(server.now, sleep)
        super().__init__(_TIMEOUT, key=_KEY, timer=self._waiting.read)
        self._simulated, self._effect, self._hanging = server, effect, hanging

    def _get_client(self, server: PrometheusServer) -> PrometheusClient:
        client = self._clients.get(server)
        if client is None:
            host = name_host(server.url).partition(":")[0]
            service = host.partition("-")[2]

            def find_wait() -> float:
                return self._hanging.find_wait("servers", service)

            connection: Any = SimulatedConnection(
                self._simulated, self._effect, self._waiting.wait, find_wait
            )
            client = PrometheusClient(connection, host, _TIMEOUT, (), self._simulated.now)
            self._clients[server] = client
        return client

    def _read_apart(
        self, items: Iterable[tuple[Hashable, _Item]], read: Callable[[_Item], _Result]
    ) -> Iterator[_Result]:
        """Ask several servers one after the other, as if it were at the same time."""
        by_server: dict[Hashable, list[_Item]] = {}
        for server, query in items:
            by_server.setdefault(server, []).append(query)
        if len(by_server) < 2:
            for group in by_server.values():
                yield from map(read, group)
            return
        results: list[_Result] = []
        for group in by_server.values():
            self._waiting.begin_group()
            results += map(read, group)
        self._waiting.end()
        yield from results


@dataclass(frozen=True)
class SimulatedConnection:
    """What stands for the client library."""

    server: SimulatedPrometheus
    effect: Callable[[str], None]
    sleep: Callable[[float], None]
    find_wait: Callable[[], float]

    def custom_query(self, query: str, params: Mapping[str, str]) -> Any:
        """Answer as the client library does, or raise as it and our session do."""
        self.effect("query")
        server = self.server
        self._wait()
        server.is_refusing = True
        server.bad_since = server.now() if server.bad_since is None else server.bad_since
        rows = self._query(query, params)
        server.is_refusing = False
        if rows and not server.hides and not any(map(server.has, _HIDDEN)):
            server.bad_since = None
        return rows

    def custom_query_range(
        self, query: str, start: object, end: object, step: str, params: Mapping[str, str]
    ) -> Any:
        """Answer with the same faults, of a server that has just begun: it has no past."""
        del query, start, end, step
        self.effect("query")
        self._wait()
        return self._query("nothing{}[1s]", {**params, "time": "0"})

    def _wait(self) -> None:
        """Wait for nothing where this very server hangs: the others' answers are none of it."""
        seconds = self.find_wait()
        if seconds:
            self.sleep(seconds)
            raise requests.Timeout(f"no answer in {seconds:g} s")

    def _query(self, query: str, params: Mapping[str, str]) -> Any:
        server = self.server
        if server.has("down"):
            raise requests.ConnectionError("[Errno 111] Connection refused")
        if server.has("slow"):
            self.sleep(_TIMEOUT)
            raise requests.Timeout("timed out")
        for fault, status in _STATUSES.items():
            if server.has(fault):
                raise QueryRefusedError(f"Prometheus refuses (HTTP {status})", "", status)
        if server.has("partial"):
            raise ObserveError("Prometheus warns that its answer is incomplete")
        if server.has("garbled"):
            return [{"metric": 7, "values": None}]
        at = float(params["time"])
        return server.answer(query, at) if query.endswith("]") else server.list_now(query, at)


@lru_cache(maxsize=4096)
def _parse(query: str) -> tuple[str, tuple[tuple[str, re.Pattern[str]], ...], float]:
    match = _QUERY.fullmatch(query)
    if match is None:
        raise ValueError(f"the simulated Prometheus answers range selectors only, not {query}")
    name, matchers, window = match.groups()
    rules = tuple(
        (label, re.compile(_unquote(text) if op == "=~" else re.escape(_unquote(text))))
        for label, op, text in _MATCHER.findall(matchers)
    )
    return name, rules, float(window)


@lru_cache(maxsize=65536)
def _fits(labels: Labels, name: str, rules: tuple[tuple[str, re.Pattern[str]], ...]) -> bool:
    own = dict(labels)
    if name and own["__name__"] != name:
        return False
    return all(rule.fullmatch(own.get(label, "")) for label, rule in rules)


def _copy_stable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows in which the canary's series are stable's under another label."""
    stable = [row for row in rows if row["metric"].get("destination_version") == STABLE]
    copies = [{**row, "metric": row["metric"] | {"destination_version": CANARY}} for row in stable]
    return stable + copies if stable else rows


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
