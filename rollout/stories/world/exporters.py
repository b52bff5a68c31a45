"""Processes that count requests and show their counters: clients' proxies, and a judge.

A proxy counts what it sent to each version. It routes by the object that it got last, so two
proxies may disagree: one of them may be cut off from its control plane.

A judge compares answers that are alike, so neither version wins more pairs than the other. It
prefers what it reads first, and a stricter one comes to the canary's answers before stable's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from rollout.stories.setting import CANARY, LABELS, PAIRS, STABLE, Setting

Labels = tuple[tuple[str, str], ...]

EDGES = ("10", "50", "100", "500", "+Inf")  # milliseconds
REQUESTS = "istio_requests_total"
DURATIONS = "istio_request_duration_milliseconds_bucket"
VERDICTS = "gen_ai_evaluation_verdicts_total"
_OF_CANARY = ("destination_version", CANARY)
PRIVATE = "jane.roe@example.org"  # a label's value that nothing may show

STRICTNESS: Mapping[str, float] = {"mild": 1.0, "strict": 15.0}
"""Times as many answers as the mild judge calls bad that each calls bad."""

_CHANGES: Mapping[str, float] = {CANARY: 40.0, STABLE: 52.0}
"""Seconds after the first requests from which on the strict judge scores a version's answers."""

_TIES = 0.1
_CANARY_FIRST = 0.7  # share of pairs of which the canary's answer is read first
_FIRST_WINS = 0.75  # share of decided pairs that the answer wins which is read first
_ORDERS = (("canary", "stable"), ("stable", "canary"))  # who is read first, and who then
_READ = 0.2  # share of scored answers that people read too
_AGREE = 0.9  # share of these of which they say the same


@dataclass
class SimulatedExporter:
    """One scraped process.

    `counters` are by labels, without those of the target. `job` and `instance` are Prometheus'
    names of it; `twin_job` scrapes it a second time; with `workers` above 1, scrapes show one
    worker's counters after another's. Series of the version `muted` are not shown.
    """

    job: str
    instance: str
    started_at: float
    phase: float
    pod: str
    counters: Counter[Labels] = field(default_factory=Counter)
    twin_job: str = ""
    workers: int = 1
    jitters: bool = False
    tells_start: bool = True
    is_silent: bool = False
    spells_floats: bool = False
    lacks_edge: str = ""  # the canary's buckets are without this edge
    extra: Labels = ()
    muted: str = ""
    scrapes: int = 0

    def add(self, name: str, labels: Labels, count: int) -> None:
        """Count; a counter that never counted is not shown."""
        if count:
            self.counters[(("__name__", name), *labels)] += count

    def restart(self, now: float) -> None:
        """Begin anew, with nothing counted."""
        self.counters.clear()
        self.started_at = now

    def forget(self, version: str) -> None:
        """Begin the series of one version anew, while the process goes on."""
        for labels in [key for key in self.counters if ("destination_version", version) in key]:
            del self.counters[labels]

    def unmute(self) -> None:
        """Show every version's series again."""
        self.muted = ""

    def samples(self) -> Iterator[tuple[Labels, float]]:
        """Yield every series that a scrape shows now, with the target's labels."""
        self.scrapes += 1
        jobs = [self.job, *([self.twin_job] if self.twin_job else [])]
        for job in jobs:
            target = (("instance", self.instance), ("job", job))
            yield (("__name__", "up"), *target), 1.0
            if self.tells_start:
                yield (("__name__", "process_start_time_seconds"), *target), self.started_at
            for labels, value in self._shown().items():
                if self._hides(labels):
                    continue
                own = (*labels, *target, ("pod", self.pod), *self.extra)
                yield self._spell(own), float(max(value - self._lag(), 0))

    def _hides(self, labels: Labels) -> bool:
        """Return whether a series is not shown now."""
        if self.muted and ("destination_version", self.muted) in labels:
            return True
        edge = ("le", self.lacks_edge)
        return bool(self.lacks_edge) and edge in labels and _OF_CANARY in labels

    def _lag(self) -> int:
        """Return by how much a second server behind this address is behind."""
        return 1 if self.jitters and self.scrapes % 2 else 0

    def _spell(self, labels: Labels) -> Labels:
        if not self.spells_floats:
            return labels
        return tuple(
            (key, f"{float(value):.1f}" if key == "le" and value != "+Inf" else value)
            for key, value in labels
        )

    def _shown(self) -> Counter[Labels]:
        """Return the counters of the worker that answers; all work is spread evenly."""
        if self.workers == 1:
            return self.counters
        turn = self.scrapes % self.workers
        return Counter({key: value * (2 + turn) // 5 for key, value in self.counters.items()})


def request_labels(service: str, version: str, code: str) -> Labels:
    """Return the labels by which a client's proxy counts requests."""
    return (
        ("destination_service_name", service),
        ("destination_service_namespace", "default"),
        ("destination_version", version),
        ("reporter", "source"),
        ("response_code", code),
    )


def duration_labels(service: str, version: str, edge: str) -> Labels:
    """Return the labels of one bucket of a client's proxy."""
    return (
        ("destination_service_name", service),
        ("destination_service_namespace", "default"),
        ("destination_version", version),
        ("le", edge),
        ("reporter", "source"),
    )


def sum_labels(service: str, version: str) -> Labels:
    """Return the labels of a client's proxy of what has no outcome."""
    return (
        ("destination_service_name", service),
        ("destination_version", version),
    )


def verdict_labels(service: str, version: str, verdict: str) -> Labels:
    """Return the labels by which a judge counts its verdicts."""
    return (
        ("gen_ai_evaluation_score_label", verdict),
        ("model_version", version),
        ("service", service),
    )


def find_judge(setting: Setting, version: str, seconds: float) -> str:
    """Return the judge that scores a version's answers so long after the beginning."""
    is_changed = setting.judges == "changing" and seconds >= _CHANGES[version]
    return "strict" if is_changed else "mild"


def compare_pairs(judge: SimulatedExporter, dice: np.random.Generator, pairs: int) -> int:
    """Let the judge compare both versions' answers; return how many pairs it decided."""
    if not pairs:
        return 0
    ties = int(dice.binomial(pairs, _TIES))
    judge.add(PAIRS, (("first", "canary"), ("winner", "tie")), ties)
    of_canary = int(dice.binomial(pairs - ties, _CANARY_FIRST))
    counts = (of_canary, pairs - ties - of_canary)
    for (first, other), count in zip(_ORDERS, counts, strict=True):
        won = int(dice.binomial(count, _FIRST_WINS))
        judge.add(PAIRS, (("first", first), ("winner", first)), won)
        judge.add(PAIRS, (("first", first), ("winner", other)), count - won)
    return pairs - ties


def ask_people(
    judge: SimulatedExporter, dice: np.random.Generator, version: str, verdict: str, count: int
) -> None:
    """Let people say whether some answers are good that the judge has scored alike."""
    read = int(dice.binomial(count, _READ))
    same = int(dice.binomial(read, _AGREE))
    other = "fail" if verdict == "pass" else "pass"
    for human, own in ((verdict, same), (other, read - same)):
        labels = (("human", human), ("said", verdict), ("version", version))
        judge.add(LABELS, labels, own)
