"""A decision's numbers as they are recorded in the journal."""

from __future__ import annotations

import math
from typing import Any

from analysis import sample_ratio
from analysis.verdict.readout import Readout
from analysis.verdict.verdict import Judgement
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import observational
from rollout.decide.text.evidence import list_segment_numbers
from rollout.decide.text.experiment import list_numbers

_DIGITS = 6  # recorded numbers must replay to the same text on every machine


def numbers(state: RolloutState, judgement: Judgement) -> dict[str, Any]:
    """Return the judgement as plain data, rounded so that a replay gives the same text.

    `exposure` is the test of the share of traffic: the canary's requests of all, those due by its
    weight, and the evidence of a mismatch as a power of ten.
    """
    label = {"observational": True} if observational(state.plan) else {}
    return {
        **label,
        "exposure": {
            "canary": state.traffic_tally.canary,
            "requests": state.traffic_tally.requests,
            "due": _round(state.traffic_tally.due),
            "mismatch": _read_mismatch(state),
        },
        "joint": _round(judgement.log_joint / math.log(10)),
        "guardrails": {
            name: {
                "verdict": judgement.verdicts[name].kind,
                "reason": judgement.verdicts[name].reason,
                **_list_numbers(readout),
            }
            for name, readout in judgement.readouts.items()
        },
        **_list_goals(state),
        **_list_segments(state, judgement),
    }


def _list_goals(state: RolloutState) -> dict[str, Any]:
    """Return the numbers of goals, only where a plan has any."""
    goals = list_numbers(state) if state.goals else {}
    rounded = {
        name: {key: _round(value) for key, value in numbers.items()}
        for name, numbers in goals.items()
    }
    return {"goals": rounded} if rounded else {}


def _list_segments(state: RolloutState, judgement: Judgement) -> dict[str, Any]:
    """Return the numbers of segments, only where a plan has any."""
    rounded = {
        name: {key: _round(value) for key, value in numbers.items()}
        for name, numbers in list_segment_numbers(state, judgement).items()
    }
    return {"segments": rounded} if rounded else {}


def _read_mismatch(state: RolloutState) -> float:
    # Decimals, not digits: without traffic it is 0 but for the noise of a sum, which has digits.
    exponent = float(sample_ratio.log_mismatch(state.shares)) / math.log(10)
    return round(exponent, _DIGITS) + 0.0


def _list_numbers(readout: Readout) -> dict[str, Any]:
    """Return the numbers of one guardrail; those of a ratio of sums only where it has one."""
    fields = vars(readout).items()
    return {
        key: _round(value)
        for key, value in fields
        if value is not None or not key.startswith("ratio")
    }


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, tuple | list):
        return [_round(item) for item in value]
    return value
