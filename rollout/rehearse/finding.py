"""Defines a finding about a plan before it runs: a warning or a note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PlanFinding:
    """A warning (the plan will not serve its purpose) or a note (how to read its results).

    `code` does not change between releases; `guardrail` is empty for a finding about the plan
    as a whole.
    """

    level: Literal["warning", "note"]
    code: str
    guardrail: str
    text: str


def warning(code: str, text: str, guardrail: str = "") -> PlanFinding:
    return PlanFinding("warning", code, guardrail, text)


def note(code: str, text: str, guardrail: str = "") -> PlanFinding:
    return PlanFinding("note", code, guardrail, text)
