"""Evidence against the servers' own counts: resets, missed scrapes, births, late and double looks.

A real Prometheus answers for a past that is written here scrape by scrape, as servers would have
counted it; the production observer and cursor look at it in several ways, and a look in doubt is
judged again at the next one. Exit code 1 if any count differs, or is still in doubt at the end.
Every second service shows how long its servers are up, and they restart at any time; of the others
nothing is known of starts, and they restart so rarely that no restart looks like a second process.
The limit of every counter is kept: what a server counts between its last scrape and its
restart nobody can know, and a restart shows when its counters are lower at the next sample.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from analysis.counting.belief import count_look
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Cursor, Series
from analysis.counting.origin import Origins
from analysis.counting.walk import AGAIN
from rollout.observe.evidence import UPTIME
from rollout.observe.prometheus import PrometheusObserver
from rollout.plan.model.plan import Plan
from rollout.ports import Ask
from tests.live.prom import RATE, SHAPE, past
from tests.support.worlds import plan

START, SCRAPE = 1_700_000_000.0, 1.0
CODES, EDGES = ("200", "404", "500", "503"), ("10", "50", "250", "+Inf")
ERRORS, LATENCY = "errors", "latency"
CANARY, STABLE = "v2", "v1"
MOST, GAP = 9, 6  # requests per series and scrape; scrapes missed in a row
GROWN = MOST * (GAP + 2)  # a counter this high is lower at its first sample after a restart
BASELINE = 5  # the scrape before the first look; those before it show at what pace servers serve
RARE = (AGAIN + 1) * (GAP + 1)  # scrapes after a restart in which another fall may be doubted

Key = tuple[str, str]
Samples = dict[str, list[tuple[str, float, int]]]


@dataclass
class CountingServer:
    """One version of one service: the counters it shows, and its true counts."""

    service: str
    version: str
    dice: np.random.Generator
    shows_start: bool
    began: float = -1000.5
    """When its process started, in scrapes."""
    counters: Counter[Key] = field(default_factory=Counter)
    truth: Counter[Key] = field(default_factory=Counter)
    missing: int = 0
    scraped: bool = True

    def live(self, scrape: int, samples: Samples, events: Counter[str], *, last: bool) -> None:
        """Simulate an interval: maybe a restart, then traffic, then a scrape, maybe missed."""
        if self._is_restarting(scrape):
            self.counters, self.began = Counter(), scrape - 0.5
            events["resets that a start shows" if self.shows_start else "resets"] += 1
        for key in self._choose_series(scrape):
            units = int(self.dice.integers(0, MOST + 1))
            events["births"] += key not in self.truth and scrape > BASELINE
            self.counters[key] += units
            self.truth[key] += units if scrape > BASELINE else 0
        if not self.missing and self.dice.random() < 0.03:
            self.missing = int(self.dice.integers(1, GAP + 1))
        self.scraped = last or scrape <= BASELINE or not self.missing
        self.missing = max(self.missing - 1, 0)
        events["missed scrapes"] += not self.scraped
        if self.scraped:
            self._write(START + SCRAPE * scrape, samples)

    def _is_restarting(self, scrape: int) -> bool:
        """Decide whether to restart: only if the restart will be visible in every counter.

        That needs a scrape of everything counted, and counters so high that their first value after
        the restart is lower. No observer can detect other restarts. Where nothing tells of starts,
        a second fall soon after one looks like another process, and so does one soon after the
        baseline.
        """
        grown = bool(self.counters) and min(self.counters.values()) > GROWN
        is_seen = self.shows_start or scrape - max(self.began, BASELINE) > RARE
        return self.scraped and grown and is_seen and self.dice.random() < 0.1

    def _choose_series(self, scrape: int) -> Iterator[Key]:
        """Yield the series that get requests now; rare codes appear late, with a burst."""
        for number, code in enumerate(CODES):
            if scrape >= 20 * number:
                yield RATE, code
        yield from ((SHAPE, edge) for edge in EDGES)

    def _write(self, at: float, samples: Samples) -> None:
        for code in CODES:
            if (RATE, code) in self.counters:
                text = self._format_labels("envoy_response_code", code)
                samples[RATE].append((text, at, self.counters[RATE, code]))
        if self.shows_start:
            uptime = int(at - START - SCRAPE * self.began)  # Envoy shows whole seconds
            samples[UPTIME].append((f"{{{self._format_target()}}}", at, uptime))
        counts = accumulate(self.counters[SHAPE, edge] for edge in EDGES)
        for edge, count in zip(EDGES, counts, strict=True):
            samples[SHAPE].append((self._format_labels("le", edge), at, count))

    def _format_labels(self, name: str, value: str) -> str:
        arm = f'destination_service="{self.service}",destination_version="{self.version}"'
        return f'{{{arm},{self._format_target()},{name}="{value}"}}'

    def _format_target(self) -> str:
        return f'job="envoy",instance="{self.service}-{self.version}:9901"'

    @property
    def errors(self) -> tuple[int, int]:
        """Return (requests, failed requests)."""
        counts = {code: self.truth[RATE, code] for code in CODES}
        return sum(counts.values()), sum(n for code, n in counts.items() if code[0] == "5")

    @property
    def latency(self) -> tuple[int, ...]:
        """Return requests per bucket."""
        return tuple(self.truth[SHAPE, edge] for edge in EDGES)


def ways(scrapes: int, dice: np.random.Generator) -> dict[str, list[float]]:
    """Return times of looks by way, in seconds from the first scrape.

    Every way ends with a look after the last scrape, so all must reach the same counts.
    """
    end = SCRAPE * scrapes
    steady = [SCRAPE * n + 0.3 for n in range(1, scrapes)]
    late = np.sort(dice.uniform(0, end, scrapes // 8))
    return {
        "at every scrape": steady,
        "every 7.3 s": [7.3 * n for n in range(1, int(end / 7.3))],
        "twice each": [at for at in steady[::2] for _ in range(2)],
        "late by anything": [float(at) for at in late],
        "by a clock that jumps": [float(at) for at in dice.permutation(late)],
        "once, at the end": [],
    }


class ServerFleet:
    """One controller's cursors and running totals of every service, as a tick has them."""

    def __init__(self, url: str, services: Sequence[str]) -> None:
        self.plans = {service: _build_plan(service, url) for service in services}
        self.observer = PrometheusObserver(in_past=True)
        keys = [(service, name) for service in services for name in (ERRORS, LATENCY)]
        self.cursors = dict.fromkeys(keys, Cursor())
        self.totals = dict.fromkeys(self.cursors, Counts())
        self.doubts: dict[Key, str] = {}  # of the last look, by service and guardrail
        self.doubted = 0

    def look(self, now: float) -> None:
        asks = [
            Ask(service, plan, self._find_since(service), self._list_cursors(service))
            for service, plan in self.plans.items()
        ]
        for service, answer in self.observer.observe(asks, now).items():
            assert not answer.problems, answer.problems
            for name, series in answer.series.items():
                self._count(service, name, series, answer.origins.get(name))

    def _count(
        self, service: str, name: str, series: Sequence[Series], origins: Origins | None
    ) -> None:
        """Count a guardrail's look; one in doubt moves nothing, and the next look judges again."""
        key = (service, name)
        self.doubts.pop(key, None)
        try:
            belief = count_look(self.cursors[key], series, origins)
        except EvidenceError as error:
            self.doubts[key], self.doubted = str(error), self.doubted + 1
            return
        self.cursors[key] = belief.cursor
        self.totals[key] += belief.counts

    def _list_cursors(self, service: str) -> dict[str, Cursor]:
        return {name: self.cursors[service, name] for name in (ERRORS, LATENCY)}

    def _find_since(self, service: str) -> dict[str, float]:
        newest = {name: self.cursors[service, name].newest("stable") for name in (ERRORS, LATENCY)}
        return {name: at for name, at in newest.items() if at is not None}


def _build_plan(service: str, url: str) -> Plan:
    errors = {"name": ERRORS, "template": "envoy/errors", "margin": {"absolute": "1%"}}
    latency = {"name": LATENCY, "template": "envoy/latency", "tolerance": "25%"}
    prometheus = {"url": url, "scrape": "1s"}
    return plan(service=service, guardrails=[errors, latency], prometheus=prometheus)


def world(
    services: Sequence[str], scrapes: int, dice: np.random.Generator
) -> tuple[Samples, dict[tuple[str, str], Counts], Counter[str]]:
    """Return the written past, the servers' counts by (service, guardrail), and the events."""
    samples: Samples = {RATE: [], SHAPE: [], UPTIME: []}
    events: Counter[str] = Counter()
    truth = {}
    for number, service in enumerate(services):
        canary, stable = (
            CountingServer(service, version, dice, shows_start=number % 2 == 0)
            for version in (CANARY, STABLE)
        )
        for scrape in range(scrapes + 1):
            for server in (canary, stable):
                server.live(scrape, samples, events, last=scrape == scrapes)
        edges = tuple(map(float, EDGES))
        truth[service, ERRORS] = Counts(canary.errors, stable.errors)
        truth[service, LATENCY] = Counts(canary.latency, stable.latency, edges)
    return samples, truth, events


def compare(
    way: str, evidence: Mapping[tuple[str, str], Counts], truth: Mapping[tuple[str, str], Counts]
) -> dict[str, Any]:
    """Print both sums and each pair that differs; return the row of results."""
    wrong = [key for key in truth if evidence[key] != truth[key]]
    row: dict[str, Any] = {"way": way, "unequal": len(wrong), "of": len(truth)}
    for name in (ERRORS, LATENCY):
        for side, counts in (("servers", truth), ("evidence", evidence)):
            parts = [counted for (_, of), counted in counts.items() if of == name]
            units = sum(counted.canary_exposures + counted.stable_exposures for counted in parts)
            row[f"{name}_{side}"] = units
        equal = "=" if row[f"{name}_servers"] == row[f"{name}_evidence"] else "DIFFERS FROM"
        print(
            f"{way:22} {name:8} evidence {row[f'{name}_evidence']:>12,} {equal} "
            f"servers {row[f'{name}_servers']:>12,}"
        )
    for key in wrong:
        print(f"  {' '.join(key)}: evidence {evidence[key]} servers {truth[key]}")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="100 services for half an hour")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--seed", type=int, default=1, help="of what happens, and of the looks")
    options = parser.parse_args()
    count, scrapes = (100, 1800) if options.full else (10, 300)
    services = [f"service-{number}" for number in range(count)]
    dice = np.random.default_rng(options.seed)
    samples, truth, events = world(services, scrapes, dice)
    happened = ", ".join(f"{n:,} {what}" for what, n in sorted(events.items()))
    print(f"seed {options.seed}: {count} services, {scrapes} scrapes, {happened}")
    rows = []
    with tempfile.TemporaryDirectory() as folder, past(Path(folder), samples) as url:
        for way, times in ways(scrapes, dice).items():
            fleet, began = ServerFleet(url, services), time.perf_counter()
            first = SCRAPE * BASELINE + 0.5
            looks = [first, *(at for at in times if at > first), SCRAPE * scrapes + 0.5]
            for at in looks:
                fleet.look(START + at)
            fleet.observer.close()
            took = (time.perf_counter() - began) / len(looks)
            row = {"looks": len(looks), "seconds_per_look": took, "doubts": fleet.doubted}
            rows.append(compare(way, fleet.totals, truth) | row)
            for key, doubt in fleet.doubts.items():
                print(f"  {' '.join(key)}: still in doubt: {doubt}")
    unequal = sum(row["unequal"] for row in rows)
    print(f"{unequal} of {sum(row['of'] for row in rows)} counts differ")
    if options.json:
        result = {"seed": options.seed, "events": dict(events), "ways": rows}
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if unequal else 0)


if __name__ == "__main__":
    main()
