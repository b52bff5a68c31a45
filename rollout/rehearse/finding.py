"""One thing worth saying of a plan before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PlanFinding:
    """A warning (the plan will not do what it is for) or a note (how to read what it does).

    `code` is stable; `guardrail` is empty where it is about the plan as a whole.
    """

    level: Literal["warning", "note"]
    code: str
    guardrail: str
    text: str


def warning(code: str, text: str, guardrail: str = "") -> PlanFinding:
    return PlanFinding("warning", code, guardrail, text)


def note(code: str, text: str, guardrail: str = "") -> PlanFinding:
    return PlanFinding("note", code, guardrail, text)
