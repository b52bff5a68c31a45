"""Texts about evidence: shown harm, shown safety, and what is still missing.

Of a segment with few units no numbers are told, see `suppression`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.verdict.readout import Readout
from analysis.verdict.verdict import Judgement
from rollout.decide.evidence.judges import describe_judge
from rollout.decide.evidence.unlabelled import describe_unlabelled
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.error_rates import is_independent
from rollout.decide.text.measurement import NEAR, harmed, measured, name_units, proven, unproven
from rollout.decide.text.numbers import chance, join
from rollout.decide.text.suppression import Suppression, find_suppressed
from rollout.plan.fields.units import percent
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.trial.segments import SegmentGuardrail

_NUMBERS = ("canary", "canary_bad", "stable", "stable_bad", "estimate", "low", "high", "harm")
_NOTICED = 0.005  # share of a rollback's evidence below which no guardrail is worth naming
_NAMED = 2  # guardrails that are named when only all of them together show harm


def describe_harm(state: RolloutState, name: str, judgement: Judgement) -> str:
    """Describe the harm that a rollback rests on, and how unlikely it is by chance alone.

    The joint evidence is an e-process: with a version within every margin it ever reaches e with
    chance 1/e at most (Ville's inequality).
    """
    guardrails, readouts = list_measured(state), judgement.readouts
    if name == "crash":
        where = "on its copies" if state.split.way == "mirror" else "in its warm-up"
        harm = f"the canary fails outright {where}"
    elif name == "joint":
        worst = sorted(readouts.items(), key=lambda item: -item[1].harm)[:_NAMED]
        texts = "; ".join(measured(guardrails[n], readout) for n, readout in worst)
        if segment := _find_worst_segment(judgement, least=worst[-1][1].harm):
            texts += f"; {describe_segment_harm(state, segment, judgement)}"
        harm = f"the guardrails together are worse than allowed ({texts})"
    elif name in judgement.segments:
        harm = describe_segment_harm(state, name, judgement)
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
    guardrails = list_measured(state)
    texts = [proven(guardrails[name], readout) for name, readout in judgement.readouts.items()]
    return f"every guardrail is within its margin: {join(texts)}"


def describe_missing_proof(state: RolloutState, names: Sequence[str], judgement: Judgement) -> str:
    """Describe what is measured of guardrails that are not proven safe."""
    guardrails = list_measured(state)
    return "; ".join(
        f"{unproven(guardrails[name], judgement.readouts[name])}"
        f"{_note_unlabelled(state, name)}{_note_judge(state, name)}"
        for name in names
    )


def describe_nothing_harmful(state: RolloutState, _: str, judgement: Judgement) -> str:
    """Say that nothing is harmful, and what is closest to it."""
    return f"no guardrail shows harm{_describe_closest(state, judgement)}"


def describe_nearness(state: RolloutState, _: str, judgement: Judgement) -> str:
    """Describe evidence of harm that is close to a rollback's, and what it must fall to."""
    return (
        f"{judgement.joint_share * 100:.0f} % of the evidence for a rollback is there"
        f"{_describe_closest(state, judgement)}, and a step up asks for at most {percent(NEAR)}"
    )


def _describe_closest(state: RolloutState, judgement: Judgement) -> str:
    """Name the guardrail with the most evidence of harm; empty where there is hardly any."""
    harms = {name: readout.harm for name, readout in judgement.readouts.items()}
    harms |= {name: judgement.harm_of(name) for name in judgement.segments}
    name = max(harms, key=lambda own: harms[own])
    if harms[name] < _NOTICED:
        return ""
    segment = find_segment(state, name)
    why = find_suppressed(state).get(name)
    if segment is not None and why is not None:
        return f" (closest: {name}, {describe_suppressed(segment, why)})"
    return f" (closest: {name}, {harms[name] * 100:.0f} % of the evidence for a rollback)"


def _find_worst_segment(judgement: Judgement, least: float) -> str:
    """Return the segment with the most evidence of harm, where it has more than `least`."""
    worst = max(judgement.segments, key=judgement.harm_of, default="")
    return worst if worst and judgement.harm_of(worst) > least else ""


def _assumes_independence(state: RolloutState) -> bool:
    return any(is_independent(state, name) for name in state.guardrails)


def _note_judge(state: RolloutState, name: str) -> str:
    words = describe_judge(state.guardrails[name], state.looked_at or state.clock)
    return f"; {words}" if words else ""


def _note_unlabelled(state: RolloutState, name: str) -> str:
    """Note what counts against the canary because nobody can tell what came of it."""
    unlabelled, metric = state.guardrails[name].unlabelled, list_measured(state)[name].metric
    if unlabelled is None:
        return ""
    if metric.pairs is not None:
        return f"; {describe_unlabelled(unlabelled, metric)}, left out"
    return f"; {describe_unlabelled(unlabelled, metric)}, which counts against a promotion"


def list_measured(state: RolloutState) -> dict[str, Guardrail]:
    """Return the guardrails by name, and those of single segments."""
    spec = state.plan.spec
    segments = {segment.name: segment.guardrail for segment in spec.segment_guardrails}
    return {guardrail.name: guardrail for guardrail in spec.guardrails} | segments


def find_segment(state: RolloutState, name: str) -> SegmentGuardrail | None:
    """Return the segment of a guardrail; None for one that counts all units."""
    return next((s for s in state.plan.spec.segment_guardrails if s.name == name), None)


def describe_suppressed(segment: SegmentGuardrail, why: Suppression) -> str:
    """Say why a segment has no numbers."""
    units = name_units(segment.guardrail.metric)
    if why == "tells another":
        return f"its numbers would give away a segment with few {units}"
    if segment.at_least == 1:
        return f"no {units} of a version"
    return f"fewer than {segment.at_least:,} {units} of a version"


def describe_segment_harm(state: RolloutState, name: str, judgement: Judgement) -> str:
    """Describe the harm to one segment."""
    segment, why = find_segment(state, name), find_suppressed(state).get(name)
    if segment is None or why is None:
        return harmed(list_measured(state)[name], judgement.read_segment(name))
    return f"{name} is worse than allowed (not told: {describe_suppressed(segment, why)})"


def describe_segment(
    segment: SegmentGuardrail, readout: Readout, suppressed: Mapping[str, Suppression]
) -> str:
    """Describe what is measured of one segment, as far as it may be told."""
    if (why := suppressed.get(segment.name)) is not None:
        return describe_suppressed(segment, why)
    return measured(segment.guardrail, readout).removeprefix(f"{segment.name}: ")


def list_segment_numbers(state: RolloutState, judgement: Judgement) -> dict[str, dict[str, Any]]:
    """Return each segment's verdict, and its numbers where they are told."""
    suppressed = find_suppressed(state)
    return {
        segment.name: {
            "verdict": judgement.segment_verdicts[segment.name].kind,
            **_list_numbers(segment, judgement, suppressed.get(segment.name)),
        }
        for segment in state.plan.spec.segment_guardrails
        if segment.name in judgement.segments
    }


def _list_numbers(
    segment: SegmentGuardrail, judgement: Judgement, why: Suppression | None
) -> dict[str, Any]:
    if why == "few":
        return {"at_least": segment.at_least}
    if why is not None:
        return {"suppressed": why}
    readout = judgement.read_segment(segment.name)
    return {key: getattr(readout, key) for key in _NUMBERS}
