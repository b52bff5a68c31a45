"""A rollout on samples that carry times in the past decides as any other, within its `lag`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rollout.ports import Answer, Ask, Observer, Ports
from tests.support.worlds import BAD, GOOD, Lab, plan

GUARDRAILS: list[dict[str, Any]] = [
    {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}},
    {"name": "latency", "template": "envoy/latency", "tolerance": "25%"},
]
LATE = 20.0  # seconds


@dataclass
class LateObserver:
    """Shows what another observer has, so many seconds later."""

    inner: Observer
    answers: list[tuple[float, Mapping[str, Answer]]] = field(default_factory=list)

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        everything = [replace(ask, since={}) for ask in asks]
        self.answers.append((now, self.inner.observe(everything, now)))
        late = [answer for at, answer in self.answers if at <= now - LATE]
        return late[-1] if late else {ask.rollout: Answer() for ask in asks}


def run(lag, canary):
    guardrails = [{**guardrail, "lag": lag} for guardrail in GUARDRAILS]
    lab = Lab(
        canary=canary,
        plan=plan(guardrails=guardrails, deadline="20m", whenBlind={"hold": "40s"}),
        wrap=lambda ports: Ports(
            LateObserver(ports.observer), ports.router, ports.journal, ports.clock
        ),
    )
    lab.run(1200.0)
    return lab


def test_late_samples_lead_to_the_same_ends():
    assert run("30s", GOOD).state.phase == "promoted"
    assert run("30s", BAD).state.phase == "rolled back"


def test_later_than_declared_is_blind_as_before():
    assert "blind" in " ".join(reason for d in run("0s", GOOD).decisions for reason in d.reasons)
