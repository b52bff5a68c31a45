"""A decision's numbers as they are recorded in the journal."""

from __future__ import annotations

import math
from typing import Any

from analysis.verdict.verdict import Judgement
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import observational

_DIGITS = 6  # recorded numbers must replay to the same text on every machine


def numbers(state: RolloutState, judgement: Judgement) -> dict[str, Any]:
    """Return the judgement as plain data, rounded so that a replay gives the same text."""
    label = {"observational": True} if observational(state.plan) else {}
    return {
        **label,
        "joint": _round(judgement.log_joint / math.log(10)),
        "guardrails": {
            name: {
                "verdict": judgement.verdicts[name].kind,
                "reason": judgement.verdicts[name].reason,
                **{key: _round(value) for key, value in vars(readout).items()},
            }
            for name, readout in judgement.readouts.items()
        },
    }


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, tuple | list):
        return [_round(item) for item in value]
    return value
