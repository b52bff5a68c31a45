"""A plan in a few sentences."""

from __future__ import annotations

import click

from rollout.decide.text.comparison import compared_with, exposed, observational
from rollout.plan.fields.units import duration, percent
from rollout.plan.model.plan import Budget, Plan, Switch

_INDEPENDENT = "requests are taken as independent"


def in_words(plan: Plan) -> str:
    """What is moved, how far, as long as what holds, and what the error rates rest on."""
    spec = plan.spec
    names = [guardrail.name for guardrail in spec.guardrails]
    exposure = "".join(f"\n  {words}" for words in exposed(plan))
    return (
        f"{click.style(plan.name, bold=True)} moves {spec.service} "
        f"from {spec.stable.version} to {spec.canary.version} {_ramp(plan)}, "
        f"as long as {_and(names)} get{'' if names[1:] else 's'} no worse than allowed "
        f"(false rollback {percent(spec.confidence.false_rollback)}, "
        f"false promotion {percent(spec.confidence.false_promotion)})\n"
        f"  {_pods(plan)}{exposure}{_hooks(plan)}"
    )


def _pods(plan: Plan) -> str:
    """What the error rates rest on: stable's own past, or an assumption."""
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


def _ramp(plan: Plan) -> str:
    """How the traffic comes to the canary, and whose."""
    traffic, label = plan.spec.traffic, observational(plan)
    mirror, segment = (traffic.mirror, traffic.segment) if traffic else (None, None)
    told = [_steps(plan)]
    if mirror:
        told.insert(0, f"by copies of {percent(mirror.share)} for {duration(mirror.lasts)}, then ")
    if segment:
        kind, match = segment.key
        told += [f" of the requests with that {kind} `{match.name}`"]
    if label and not isinstance(plan.spec.ramp, Switch):
        told += [f", {label}"]
    if held := plan.spec.holdback:
        told += [f", then all but {percent(held.share)} for {duration(held.lasts)}"]
    return "".join(told)


_MOMENTS = {
    "before": "before the first step",
    "promoted": "when promoted",
    "rolledBack": "when rolled back",
    "undone": "when undone",
}


def _hooks(plan: Plan) -> str:
    """Which hooks are called when."""
    called = [f"{hook.name} {_MOMENTS[hook.when]}" for hook in plan.spec.hooks or []]
    return f"\n  calls {_and(called)}" if called else ""


def _steps(plan: Plan) -> str:
    ramp = plan.spec.ramp
    bake = duration(ramp.bake)
    if isinstance(ramp, Switch):
        return f"by one switch to {percent(ramp.most)}, {compared_with(plan)}"
    if isinstance(ramp, Budget):
        return f"from {percent(ramp.min)} to {percent(ramp.max)} as the evidence allows"
    return f"over {_and([percent(step) for step in ramp.steps])} ({bake} at least each)"


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
