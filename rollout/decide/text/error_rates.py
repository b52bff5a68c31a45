"""Texts about what the declared error rates assume: independent requests, or pods' history."""

from __future__ import annotations

from analysis.verdict.pairs_test import PairsTest
from analysis.verdict.verdict import Verdict
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import observational
from rollout.decide.text.kinds.pairs import describe_orders
from rollout.decide.text.kinds.unweighed import explain_rule
from rollout.decide.text.measurement import spread
from rollout.decide.text.numbers import join
from rollout.plan.fields.units import percent

INDEPENDENT = "error rates assume independent requests"
_PROVEN = {"safe": "proven within its margin", "harmful": "worse than its margin allows"}
INDEPENDENCE = "if requests are independent"


def is_independent(state: RolloutState, name: str) -> bool:
    """Return whether a guardrail's error rates assume independent requests."""
    if not state.guardrails[name].test.weighs_evidence:
        return False
    return state.learned is None or name in state.unknown or name not in state.learned.dispersions


def rests_on(state: RolloutState, name: str) -> str:
    """Describe what a guardrail's error rates assume: independence, or its pods' history."""
    guardrail = next(own for own in state.plan.spec.guardrails if own.name == name)
    if not guardrail.metric.is_evidence:
        return explain_rule(guardrail)
    test = state.guardrails[name].test
    if isinstance(test, PairsTest):
        return describe_orders(test)
    if not test.weighs_evidence:
        return "one occurrence is judged by itself, outside of the error rates"
    if state.learned is None or is_independent(state, name):
        why = f" ({state.unknown[name]})" if name in state.unknown else ""
        return f"{INDEPENDENT}{why}"
    return f"error rates allow for {spread(state.learned.dispersions[name])}{_unshown(state, name)}"


def _unshown(state: RolloutState, name: str) -> str:
    """Say where a margin allows more bad units than stable's past has shown."""
    guardrail = next(own for own in state.plan.spec.guardrails if own.name == name)
    own = state.learned.dispersions[name] if state.learned else None
    margin = guardrail.bad_margin
    absolute = margin.absolute if margin else guardrail.bound
    if own is None or own.rate is None or absolute is None or absolute <= own.rate:
        return ""
    rate = percent(float(f"{own.rate:.2g}"))
    return f"; more than stable's {rate} counts for less, since its past shows too few of them"


def describe_condition(state: RolloutState, name: str) -> str:
    """Describe under what a verdict or a conclusion holds; of a segment, what holds for the whole.

    What no past shows is named with each of them, and not only where the rollout began: pods that
    differ for good pass for the version where no label tells them apart.
    """
    wholes = {segment.name: segment.of for segment in state.plan.spec.segment_guardrails}
    own = wholes.get(name, name)
    if isinstance(state.guardrails[own].test, PairsTest):
        return "if pairs do not depend on each other"
    if is_independent(state, own):
        return INDEPENDENCE
    past = "bad units come as in stable's past"
    past += f" of all {own}" if own != name else ""
    if is_of_totals(state, own):
        return f"if pods do not differ for good (no label tells them apart) and {past}"
    return f"if {past}"


def explain_verdict(state: RolloutState, name: str, verdict: Verdict) -> str:
    """Explain a verdict: under what it holds, or why there is none; empty where it is open."""
    words = _PROVEN.get(verdict.kind)
    if words is None or not state.measured[name].test.weighs_evidence:
        return verdict.reason
    basis = "; observational" if observational(state.plan) else ""
    return f"{words}, {describe_condition(state, name)}{basis}"


def assumptions(state: RolloutState) -> list[str]:
    """Describe what the error rates assume; stated once, with the first step."""
    if state.plan.spec.declared_pods is None:
        return [*describe_found_pods(state), *_assumptions_without_pods(state)]
    if state.learned is None or not (state.unknown or state.learned.dispersions):
        return [f"{INDEPENDENT}, since nothing of the pods' history is known"]
    return [f"{INDEPENDENT} for {name} ({why})" for name, why in sorted(state.unknown.items())]


def describe_found_pods(state: RolloutState) -> list[str]:
    """Name the labels by which pods were found, and why they are not used."""
    pods = state.learned.found_pods if state.learned else {}
    texts: dict[tuple[str, str], list[str]] = {}
    for name, own in sorted(pods.items()):
        texts.setdefault((own.label, own.unused), []).append(name)
    return [_describe_label(*key, names) for key, names in texts.items()]


def _describe_label(label: str, unused: str, names: list[str]) -> str:
    if not unused:
        return f"pods told apart by the label {label} ({join(names)})"
    return f"pods not told apart by the label {label} for {join(names)}: {unused}"


def is_of_totals(state: RolloutState, name: str) -> bool:
    """Return whether a guardrail's totals tell how its errors come, and not its pods."""
    own = state.learned.dispersions.get(name) if state.learned else None
    return own is not None and own.by == "totals"


def _assumptions_without_pods(state: RolloutState) -> list[str]:
    """Name what each guardrail's pods or totals allow for, and what totals cannot show."""
    names = [name for name, own in state.guardrails.items() if own.test.weighs_evidence]
    learned = [name for name in names if not is_independent(state, name)]
    if not learned:
        why = "; ".join(f"{name}: {why}" for name, why in sorted(state.unknown.items()))
        return [f"{INDEPENDENT}, since the plan declares no pods{f' ({why})' if why else ''}"]
    texts = [f"{rests_on(state, name)} ({name})" for name in learned]
    if any(is_of_totals(state, name) for name in learned):
        texts.append("differences between pods for good count as the version's: declare `pods`")
    others = [name for name in names if name not in learned]
    return [*texts, f"{INDEPENDENT} for {', '.join(others)}"] if others else texts
