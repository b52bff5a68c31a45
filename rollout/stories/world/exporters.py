"""Processes that count requests and show their counters: clients' proxies, and a judge.

A proxy counts what it sent to each version. It routes by the object that it got last, so two
proxies may disagree: one of them may be cut off from its control plane.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from rollout.stories.setting import CANARY

Labels = tuple[tuple[str, str], ...]

EDGES = ("10", "50", "100", "500", "+Inf")  # milliseconds
REQUESTS = "istio_requests_total"
DURATIONS = "istio_request_duration_milliseconds_bucket"
VERDICTS = "gen_ai_evaluation_verdicts_total"
_OF_CANARY = ("destination_version", CANARY)
PRIVATE = "jane.roe@example.org"  # a label's value that nothing may show


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
