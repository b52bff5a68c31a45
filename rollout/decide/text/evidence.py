"""Texts about evidence: shown harm, shown safety, and what is still missing."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.verdict.verdict import Judgement
from rollout.decide.evidence.unlabelled import describe_unlabelled
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.error_rates import is_independent
from rollout.decide.text.measurement import harmed, measured, proven, unproven
from rollout.decide.text.numbers import chance, join
from rollout.plan.fields.units import percent
from rollout.plan.model.guardrail import Guardrail

_NAMED = 2  # guardrails that are named when only all of them together show harm


def describe_harm(state: RolloutState, name: str, judgement: Judgement) -> str:
    """Describe the harm that a rollback rests on, and how unlikely it is by chance alone.

    The joint evidence is an e-process: with a version within every margin it ever reaches e with
    chance 1/e at most (Ville's inequality).
    """
    guardrails, readouts = _by_name(state), judgement.readouts
    if name == "crash":
        where = "on its copies" if state.split.way == "mirror" else "in its warm-up"
        harm = f"the canary fails outright {where}"
    elif name == "joint":
        worst = sorted(readouts.items(), key=lambda item: -item[1].harm)[:_NAMED]
        texts = "; ".join(measured(guardrails[n], readout) for n, readout in worst)
        harm = f"the guardrails together are worse than allowed ({texts})"
    elif guardrails[name].never is not None:  # no evidence, so there is no chance of an error
        return harmed(guardrails[name], readouts[name])
    else:
        harm = harmed(guardrails[name], readouts[name])
    return f"{harm}; {describe_chance(state, judgement)}"


def describe_chance(state: RolloutState, judgement: Judgement) -> str:
    """Describe how unlikely the joint evidence is from a version within its margins."""
    accepted = percent(state.plan.spec.confidence.false_rollback)
    condition = ", if requests are independent" if _assumes_independence(state) else ""
    return (
        "chance of this from a version within its margins: below "
        f"{chance(judgement.log_joint)} (the plan accepts {accepted}){condition}"
    )


def describe_proof(state: RolloutState, judgement: Judgement) -> str:
    """Describe the proven bound of every guardrail."""
    guardrails = _by_name(state)
    texts = [proven(guardrails[name], readout) for name, readout in judgement.readouts.items()]
    return f"every guardrail is within its margin: {join(texts)}"


def describe_missing_proof(state: RolloutState, names: Sequence[str], judgement: Judgement) -> str:
    """Describe what is measured of guardrails that are not proven safe."""
    guardrails = _by_name(state)
    return "; ".join(
        f"{unproven(guardrails[name], judgement.readouts[name])}{_note_unlabelled(state, name)}"
        for name in names
    )


def _by_name(state: RolloutState) -> dict[str, Guardrail]:
    return {guardrail.name: guardrail for guardrail in state.plan.spec.guardrails}


def _assumes_independence(state: RolloutState) -> bool:
    return any(is_independent(state, name) for name in state.guardrails)


def _note_unlabelled(state: RolloutState, name: str) -> str:
    """Note what counts against the canary because nobody can tell what came of it."""
    unlabelled, metric = state.guardrails[name].unlabelled, _by_name(state)[name].metric
    if unlabelled is None:
        return ""
    if metric.pairs is not None:
        return f"; {describe_unlabelled(unlabelled, metric)}, left out"
    return f"; {describe_unlabelled(unlabelled, metric)}, which counts against a promotion"
