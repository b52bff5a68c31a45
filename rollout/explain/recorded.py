"""What a rollout's last decision recorded of each guardrail, without the evidence behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from analysis.verdict.readout import Readout
from rollout.decide.state.rollout import RolloutState
from rollout.explain.status import Line

_READOUT = TypeAdapter(Readout)


def list_recorded_lines(state: RolloutState) -> tuple[Line, ...]:
    """Return each guardrail as the last decision recorded it, in the plan's order.

    Folding a rollout's evidence takes about a millisecond a look; this takes nothing.
    """
    recorded = state.last.numbers.get("guardrails", {}) if state.last else {}
    names = [guardrail.name for guardrail in state.plan.spec.guardrails]
    return tuple(_read_line(name, recorded[name]) for name in names if name in recorded)


def _read_line(name: str, numbers: Mapping[str, Any]) -> Line:
    verdict, reason = (str(numbers.get(key, "")) for key in ("verdict", "reason"))
    try:
        readout = _READOUT.validate_python(dict(numbers))
    except ValidationError:  # of a version that recorded other kinds: the verdict is left
        readout = Readout()
    return Line(name, verdict or "unknown", reason, readout)
