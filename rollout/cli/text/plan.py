"""Describe a plan in a few sentences."""

from __future__ import annotations

import click

from rollout.decide.text.comparison import compared_with, exposed, observational
from rollout.plan.fields.units import duration, percent
from rollout.plan.model.plan import Budget, Plan, Switch

_INDEPENDENT = "requests are taken as independent"


def in_words(plan: Plan) -> str:
    """Describe what moves, in which steps, under which guardrails and assumptions."""
    spec = plan.spec
    names = [guardrail.name for guardrail in spec.guardrails]
    exposure = "".join(f"\n  {words}" for words in exposed(plan))
    return (
        f"{click.style(plan.name, bold=True)} moves {spec.service} "
        f"from {spec.stable.version} to {spec.canary.version} {_describe_ramp(plan)}, "
        f"as long as {_join(names)} get{'' if names[1:] else 's'} no worse than allowed "
        f"(false rollback {percent(spec.confidence.false_rollback)}, "
        f"false promotion {percent(spec.confidence.false_promotion)})\n"
        f"  {_describe_pods(plan)}{exposure}{_describe_hooks(plan)}"
    )


def _describe_pods(plan: Plan) -> str:
    """Describe what the error rates rest on: stable's own past, or an assumption."""
    pods = plan.spec.pods
    if pods is None:
        return f"{_INDEPENDENT}: declare `pods` to learn it from stable's past"
    unknown = {
        "assume": _INDEPENDENT,
        "pause": "the rollout pauses",
        "refuse": "the rollout does not begin",
    }[pods.when_unknown]
    calibrated = "; it begins only when calibrated" if pods.require_calibration else ""
    return (
        f"bursts and differences between pods are learnt from {duration(pods.history)} of stable's "
        f"past (label `{pods.label}`); where that allows no valid test {unknown}{calibrated}"
    )


def _describe_ramp(plan: Plan) -> str:
    """Describe how traffic moves to the canary, and which requests move."""
    traffic, label = plan.spec.traffic, observational(plan)
    mirror, segment = (traffic.mirror, traffic.segment) if traffic else (None, None)
    phrases = [_describe_steps(plan)]
    if mirror:
        phrases.insert(
            0, f"by copies of {percent(mirror.share)} for {duration(mirror.lasts)}, then "
        )
    if segment:
        kind, match = segment.key
        phrases += [f" of the requests with that {kind} `{match.name}`"]
    if label and not isinstance(plan.spec.ramp, Switch):
        phrases += [f", {label}"]
    if held := plan.spec.holdback:
        phrases += [f", then all but {percent(held.share)} for {duration(held.lasts)}"]
    return "".join(phrases)


_MOMENTS = {
    "before": "before the first step",
    "promoted": "when promoted",
    "rolledBack": "when rolled back",
    "undone": "when undone",
}


def _describe_hooks(plan: Plan) -> str:
    """Describe which hooks are called and when."""
    called = [f"{hook.name} {_MOMENTS[hook.when]}" for hook in plan.spec.hooks or []]
    return f"\n  calls {_join(called)}" if called else ""


def _describe_steps(plan: Plan) -> str:
    ramp = plan.spec.ramp
    bake = duration(ramp.bake)
    if isinstance(ramp, Switch):
        return f"by one switch to {percent(ramp.most)}, {compared_with(plan)}"
    if isinstance(ramp, Budget):
        return f"from {percent(ramp.min)} to {percent(ramp.max)} as the evidence allows"
    return f"over {_join([percent(step) for step in ramp.steps])} ({bake} at least each)"


def _join(words: list[str]) -> str:
    """Join words as in a sentence: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
