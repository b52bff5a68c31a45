"""A Prometheus of samples that a test wrote, for the production observer: range selectors only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from analysis.counting.belief import count_look
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Cursor
from rollout.observe.prometheus import PrometheusClient, PrometheusObserver
from rollout.plan.model.prometheus import PrometheusServer
from tests.support.asking import ask

_QUERY = re.compile(r"(\w*)\{(.*)\}\[(\d+)s\]")
_MATCHER = re.compile(r'(\w+)(=~?)("(?:[^"\\]|\\.)*")')
Labels = tuple[tuple[str, str], ...]


@dataclass
class WrittenPrometheus:
    """Samples by labels; `custom_query` answers as the client of a real server does."""

    samples: dict[Labels, list[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    asked: list[str] = field(default_factory=list)

    def write(self, name: str, labels: Mapping[str, str], at: float, value: float) -> None:
        """Add one sample."""
        self.samples[tuple(sorted({"__name__": name, **labels}.items()))].append((at, value))

    def custom_query(self, query: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """Answer a range selector."""
        self.asked.append(query)
        match = _QUERY.fullmatch(query)
        assert match is not None, query
        name, matchers, window = match.groups()
        now = float(params["time"])
        rules = [(label, op, _unquote(text)) for label, op, text in _MATCHER.findall(matchers)]
        rules += [("__name__", "=", name)] if name else []
        rows = []
        for labels, points in self.samples.items():
            own = dict(labels)
            begin = now - float(window)
            values = [[at, repr(value)] for at, value in sorted(points) if begin < at <= now]
            if values and all(_matches(own.get(label, ""), op, text) for label, op, text in rules):
                rows.append({"metric": own, "values": values})
        return rows

    def custom_query_range(self, *_range: object, params: Mapping[str, str]) -> list[object]:
        """Answer that nothing is known of the past."""
        return []

    def close(self) -> None:
        """Do nothing, as there is no connection."""


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _matches(value: str, op: str, text: str) -> bool:
    return bool(re.fullmatch(text, value)) if op == "=~" else value == text


def connect(observer: PrometheusObserver, url: str, server: WrittenPrometheus) -> None:
    """Let an observer read what is written as if it answered at a URL."""
    client = PrometheusClient(server, url.partition("://")[2], 5.0, ())
    observer._clients[PrometheusServer(url=url)] = client


class ObservedRollout:
    """Looks at one guardrail as a rollout does, through the production observer."""

    def __init__(self, server: WrittenPrometheus, guardrail: Mapping[str, Any], scrape: float):
        url = "http://written:9090"
        self.observer, self.name = PrometheusObserver(in_past=True), guardrail["name"]
        connect(self.observer, url, server)
        self.words = {"guardrails": [guardrail], "url": url, "scrape": f"{scrape:g}s"}
        self.cursor, self.total = Cursor(), Counts()
        self.unbelieved: list[str] = []
        self.problem = ""

    def look(self, now: float) -> Counts:
        """Take one look; return what it counted, and keep in `problem` why it is blind."""
        newest = self.cursor.newest("stable")
        asked = ask({} if newest is None else {self.name: newest}, **self.words)
        asked = replace(asked, cursors={self.name: self.cursor})
        answer = self.observer.observe([asked], now)[asked.rollout]
        self.problem = answer.problems.get(self.name, "")
        self.unbelieved += answer.unbelieved.get(self.name, ())
        series = answer.series.get(self.name, ())
        try:
            belief = count_look(self.cursor, series, answer.origins.get(self.name))
        except EvidenceError as error:
            self.problem = str(error)
            return Counts()
        self.cursor, self.total = belief.cursor, self.total + belief.counts
        return belief.counts
