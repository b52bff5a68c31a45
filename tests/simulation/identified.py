"""A rollout whose exporters put identifiers into every label that no plan names.

Everything that makes a look talk happens to it: births, restarts, doubts, twins, targets that fall
behind, restarts of the controller, samples that cannot be read, units of an unknown outcome.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from analysis.counting.per_pod import PodCounts
from rollout.metrics.meter import Meter
from rollout.ports import Answer, Ask, PodHistory
from tests.support.clients import RATE, SPEC, ClientLab, ClientPod
from tests.support.pods import past_of
from tests.support.worlds import plan

PERSONS = (
    "Jane Q. Public-Doe",
    "jane.doe@hospital.example",
    "MRN 483-22-1907",
    "urn:nhs:9434765919",
)
LABELS = {
    "user": PERSONS[0],
    "email": PERSONS[1],
    "record": PERSONS[2],
    "pod": f"summarizer-{PERSONS[3]}",
    "job": f"clinic {PERSONS[1]}",
}
SCRAPES = 70
SENT, TOKENS = "decisions_total", "tokens_total"
ARMS = {"labels": {"version": "v", "service": None}}
GUARDRAILS: list[dict[str, Any]] = [
    *SPEC["guardrails"],
    {"name": "sent", "exposure": {"series": SENT, "unit": "decisions"}, **ARMS},
    {
        "name": "tokens",
        "ratio": {
            "sum": {"series": TOKENS},
            "count": {"series": SENT},
            "unit": "tokens",
            "per": "call",
        },
        **ARMS,
    },
]
"""Guardrails of every kind that there is, those that only show included."""


def disclosed(text: str) -> list[str]:
    """Return which identifiers a text holds, plain or in the usual encodings of journals."""
    forms = {name: _forms(name) for name in PERSONS}
    return [name for name, spellings in forms.items() if any(form in text for form in spellings)]


def _forms(name: str) -> set[str]:
    raw = name.encode()
    parts = {name, json.dumps(name)[1:-1], name.split(maxsplit=1)[0] if " " in name else name}
    return parts | {base64.b64encode(raw).decode().rstrip("="), binascii.hexlify(raw).decode()}


def identified_past() -> PodHistory:
    """Stable's past by pods that are called as persons are, found by a label of the series."""

    def rename(past: PodCounts) -> PodCounts:
        names = [f"{PERSONS[n % len(PERSONS)]} {n}" for n in range(len(past.pods))]
        return replace(past, pods=tuple(names))

    past = {name: rename(past) for name, past in past_of(ticks=600).items() if name == "errors"}
    return PodHistory(past, labels=dict.fromkeys(past, "pod"))


@dataclass
class IdentifiedPast:
    """An observer whose past and present name persons."""

    lab: IdentifiedLab

    def observe(self, asks: Sequence[Ask], _now: float) -> Mapping[str, Answer]:
        return self.lab.controller.ports.observer.observe(asks, self.lab.clock.now())

    def history(self, _ask: Ask, _now: float) -> PodHistory:
        return identified_past()


@dataclass
class IdentifiedLab(ClientLab):
    """A rollout in which everything happens that a look can tell of."""

    lines: set[Any] = field(default_factory=set)

    def restart(self) -> None:
        super().restart()
        controller, clock = self.controller, self.clock
        observer: Any = controller.ports.observer
        observer.history = lambda _ask, _now: identified_past()
        self.shown = Meter("1", clock.now, clock.now)
        controller.on_entry = self.shown.note
        controller.tick = self.shown.around(  # type: ignore[method-assign]
            controller.tick, controller.states, lambda: controller.head, controller.count_attempts
        )

    def make_pod(self, name: str) -> ClientPod:
        pod = super().make_pod(f"{PERSONS[0]}-{name}")
        pod.labels = {**pod.labels, "instance": f"{PERSONS[1]}/{name}:1"}
        return pod

    def _write(self, pod: ClientPod, at: float) -> None:
        super()._write(pod, at)
        for arm, version in enumerate(("v1", "v2")):
            calls = int(pod.counts[arm][:2].sum())
            self.server.write(SENT, {"v": version, **pod.labels}, at, calls)
            self.server.write(TOKENS, {"v": version, **pod.labels}, at, 90 * calls)


def disturb(lab: Any, scrape: int) -> None:
    """Let something happen to the exporters, or to the controller."""
    first, second, *_ = lab.clients
    match scrape:
        case 10:
            lab.clients.append(lab.make_pod("late"))
            lab.clients[-1].counts += 100_000
        case 14:
            second.counts[:] = 0
        case 32:
            first.counts -= first.counts // 4  # doubted
        case 44:
            first.counts += 500_000  # doubted again
        case 16:
            lab.clients.append(lab.make_pod("twin"))
            lab.clients[-1].labels = {**second.labels, "job": f"again {PERSONS[2]}"}
        case 20:
            lab.clients.pop(3)
        case 26:
            lab.restart()
        case 62:
            arm = {"destination_service": "summarizer", "destination_version": "v2"}
            lab.server.write(RATE, {**first.labels, **arm}, lab.clock.now(), 1)  # without a code
    lab.lines.add(lab.shown.rollouts())


def live() -> IdentifiedLab:
    """Return a rollout after all of it."""
    lab = IdentifiedLab(
        labels=LABELS, happen=disturb, plan=plan(**{**SPEC, "guardrails": GUARDRAILS})
    )
    lab.run(SCRAPES)
    return lab
