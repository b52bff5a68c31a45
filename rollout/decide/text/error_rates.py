"""Texts about what the declared error rates assume: independent requests, or pods' history."""

from __future__ import annotations

from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.measurement import spread

INDEPENDENT = "error rates assume independent requests"


def is_independent(state: RolloutState, name: str) -> bool:
    """Return whether a guardrail's error rates assume independent requests."""
    return state.learned is None or name in state.unknown or name not in state.learned.dispersions


def rests_on(state: RolloutState, name: str) -> str:
    """Describe what a guardrail's error rates assume: independence, or its pods' history."""
    if state.learned is None or is_independent(state, name):
        why = f" ({state.unknown[name]})" if name in state.unknown else ""
        return f"{INDEPENDENT}{why}"
    return f"error rates allow for {spread(state.learned.dispersions[name])}"


def assumptions(state: RolloutState) -> list[str]:
    """Describe what the error rates assume; stated once, with the first step."""
    if state.plan.spec.pods is None:
        return [f"{INDEPENDENT}, since the plan declares no pods"]
    if state.learned is None or not (state.unknown or state.learned.dispersions):
        return [f"{INDEPENDENT}, since nothing of the pods' history is known"]
    return [f"{INDEPENDENT} for {name} ({why})" for name, why in sorted(state.unknown.items())]
