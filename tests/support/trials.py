"""A plan with all that analysts read, and people who speak while it runs."""

from __future__ import annotations

from typing import Any

from rollout.cli.act.again import record_undo_or_retry
from rollout.cli.act.command import worded
from rollout.decide.record.facts import HumanSaid
from tests.support.worlds import Lab

GUARDRAILS: list[dict[str, Any]] = [
    {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}},
    {
        "name": "preferred",
        "pairs": {"series": "summary_pairs_total"},
        "margin": {"absolute": "20%"},
    },
    {
        "name": "judged",
        "template": "quality/verdict",
        "margin": {"absolute": "5%"},
        "lag": "8s",
        "labels": {"judge": "judge"},
    },
    {
        "name": "people",
        "human": {"of": "judged", "series": "summary_label_pairs_total", "judge": "judge"},
        "labels": {"version": "version"},
    },
]
ALL: dict[str, Any] = {
    "guardrails": GUARDRAILS,
    "segments": [{"label": "site", "values": ["a", "b", "c"], "guardrails": ["errors", "judged"]}],
    "goals": [{"guardrail": "errors"}, {"guardrail": "preferred"}],
    "deadline": "9m",
}


def say(lab: Lab, command: Any) -> None:
    """Record what a person says of the rollout."""
    if command in {"undo", "retry"}:
        spoken = worded(command, actor="ada@host", reason="", now=lab.clock.now())
        record_undo_or_retry(lab.journal, lab.plan.name, spoken)
        return
    spoken = HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command=command, actor="ada")
    lab.journal.append([spoken], lab.entries[-1].seq)
