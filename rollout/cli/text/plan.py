"""Describe a plan in a few sentences, and note times in it that do not fit."""

from __future__ import annotations

import click

from rollout.decide.text.comparison import compared_with, exposed, observational
from rollout.decide.text.measurement import describe_allowed
from rollout.decide.text.numbers import join
from rollout.plan.fields.units import duration, percent
from rollout.plan.model.plan import Budget, Plan, Steps, Switch
from rollout.plan.model.terms import only_observes

_INDEPENDENT = "error rates assume independent requests"


def in_words(plan: Plan) -> str:
    """Describe what moves, in which steps, under which guardrails and assumptions."""
    spec = plan.spec
    limits = [f"{guardrail.name} {describe_allowed(guardrail)}" for guardrail in spec.guardrails]
    exposure = "".join(f"\n  {words}" for words in exposed(plan))
    return (
        f"{click.style(plan.name, bold=True)} {_describe_course(plan)}\n"
        f"  allowed: {'; '.join(limits)}\n"
        f"  false rollback {percent(spec.confidence.false_rollback)}, "
        f"false promotion {percent(spec.confidence.false_promotion)}: "
        f"{_describe_pods(plan)}{_describe_segments(plan)}{_describe_experiment(plan)}{exposure}{_describe_hooks(plan)}{_format_notes(plan)}"
    )


def _describe_course(plan: Plan) -> str:
    """Describe what is done to the traffic, as far as the plan's authority goes."""
    spec = plan.spec
    stable, canary = spec.stable.version, spec.canary.version
    if _only_observes(plan):
        writes = "a rollback alone" if spec.authority == "abort-only" else "nothing"
        return (
            f"compares {canary} of {spec.service} with {stable} in the split that others give, and "
            f"writes {writes} (authority {spec.authority})"
        )
    then = "compares" if spec.experiment else "promotes"
    if spec.authority == "advance":
        then = "asks a person for the promotion (authority advance)"
    return f"moves {spec.service} from {stable} to {canary} {_describe_ramp(plan)}, then {then}"


def _only_observes(plan: Plan) -> bool:
    return plan.spec.authority is not None and only_observes(plan.spec.authority)


def _format_notes(plan: Plan) -> str:
    label = click.style("note", fg="yellow")
    return "".join(f"\n  {label}: {note}" for note in list_notes(plan))


def _describe_segments(plan: Plan) -> str:
    """Describe which parts of the units are judged by themselves."""
    lines = []
    for declared in plan.spec.segments or ():
        own = [s for s in plan.spec.segment_guardrails if s.label == declared.label]
        names = join([*dict.fromkeys(segment.of for segment in own)])
        least = f"numbers of fewer than {declared.at_least:,} units are not shown"
        values = ", ".join(declared.values)
        lines.append(f"\n  also by {declared.label} ({values}): {names}; {least}")
    return "".join(lines)


def _describe_experiment(plan: Plan) -> str:
    """Describe what is to get better, when an experiment ends, and what its end does."""
    spec, experiment = plan.spec, plan.spec.experiment
    if not spec.goals:
        return ""
    names = join([goal.guardrail for goal in spec.goals])
    goals = f"\n  to get better: {names}, a wrong conclusion on any {percent(spec.false_winner)}"
    if experiment is None:
        return f"{goals}; without `experiment` it is shown and decides nothing"
    end, shares = experiment.end, experiment.allocation
    ends = [
        f"{duration(end.after)}" if end.after is not None else "",
        f"{end.looks:,} looks" if end.looks is not None else "",
        f"{end.requests:,} units of both versions" if end.requests is not None else "",
        "every goal is concluded" if experiment.early else "",
    ]
    then = {
        "ask": "asks a person",
        "promote": "promotes a better and safe canary and takes back any other",
    }[experiment.winner]
    dealt = "fixed shares"
    if shares is not None:
        dealt = f"shares from {percent(shares.least)} to {percent(shares.most)} by the evidence"
    until = " or ".join(filter(None, ends))
    return f"{goals}\n  experiment at the last step, {dealt}, until {until}; its end {then}"


def _describe_pods(plan: Plan) -> str:
    """Describe what the error rates rest on: stable's own past, or an assumption."""
    pods = plan.spec.declared_pods
    if pods is None:
        if not (plan.spec.learns_totals or plan.spec.finds_pods):
            return f"{_INDEPENDENT}; declare `pods` to measure how requests and pods differ"
        totals = "measured from stable's totals of the last 24 h"
        rest = totals if plan.spec.learns_totals else _INDEPENDENT
        unknown = "differences between pods for good count as the version's"
        if not plan.spec.finds_pods:
            return f"{rest}; {unknown}"
        return (
            f"{rest}; where a label of the servers' series tells pods apart, from how these "
            f"differ; without one {unknown}; declare `pods` to name the label"
        )
    unknown = {
        "assume": _INDEPENDENT,
        "pause": "the rollout pauses",
        "refuse": "the rollout does not start",
    }[pods.when_unknown]
    calibrated = "; it starts only with a calibration" if pods.require_calibration else ""
    return (
        f"bursts and differences between pods are measured in {duration(pods.history)} of stable's "
        f"history (label `{pods.label}`); without a valid test {unknown}{calibrated}"
    )


def _describe_ramp(plan: Plan) -> str:
    """Describe how traffic moves to the canary, and which requests move."""
    traffic, label = plan.spec.traffic, observational(plan)
    mirror, segment = (traffic.mirror, traffic.segment) if traffic else (None, None)
    phrases = [_describe_steps(plan)]
    if mirror:
        phrases.insert(
            0, f"with copies of {percent(mirror.share)} for {duration(mirror.lasts)}, then "
        )
    if segment:
        kind, match = segment.key
        phrases += [f" of the requests with the {kind} `{match.name}`"]
    if label and not isinstance(plan.spec.ramp, Switch):
        phrases += [f", {label}"]
    if held := plan.spec.holdback:
        phrases += [f", then {percent(1 - held.share)} for {duration(held.lasts)}"]
    return "".join(phrases)


_MOMENTS = {
    "before": "before the first step",
    "promoted": "when promoted",
    "rolledBack": "when rolled back",
    "undone": "when undone",
    "notFollowed": "when traffic does not follow",
}


def _describe_hooks(plan: Plan) -> str:
    """Describe which hooks are called and when."""
    called = [f"{hook.name} {_MOMENTS[hook.when]}" for hook in plan.spec.hooks or []]
    return f"\n  calls {join(called)}" if called else ""


def _describe_steps(plan: Plan) -> str:
    ramp = plan.spec.ramp
    bake = duration(ramp.bake)
    if isinstance(ramp, Switch):
        return f"with one switch to {percent(ramp.most)}, {compared_with(plan)}"
    if isinstance(ramp, Budget):
        return f"in steps from {percent(ramp.min)} to {percent(ramp.max)} as the evidence allows"
    return f"in steps of {join([percent(step) for step in ramp.steps])} (each for at least {bake})"


def list_notes(plan: Plan) -> list[str]:
    """Return a sentence for each time of a plan that its deadline does not leave room for."""
    spec = plan.spec
    deadline = duration(spec.deadline)
    otherwise = {"promote": "without proof", "pause": "in a pause", "rollback": "in a rollback"}
    end = "without a verdict" if _only_observes(plan) else otherwise[spec.when_inconclusive]
    notes = []
    least = _least_seconds(plan)
    if least >= spec.deadline and not _only_observes(plan):  # which has no ramp
        notes.append(
            f"the way to all traffic takes at least {duration(least)}, the deadline comes after "
            f"{deadline}: it ends {end}; a longer deadline, fewer steps or a shorter bake cure it"
        )
    late = [g.name for g in spec.guardrails if g.lag and g.lag >= spec.deadline]
    if late:
        notes.append(
            f"counts of {join(late)} are complete only after their lag, when the deadline of "
            f"{deadline} has passed: it ends {end}; a longer deadline cures it"
        )
    return notes


def _least_seconds(plan: Plan) -> float:
    """Return the least time until a promotion: copies, warm-up and the bake of each step.

    The first step's bake may pass while the canary warms up. An evidence ramp may need one step.
    """
    spec = plan.spec
    bakes = len(spec.ramp.steps) if isinstance(spec.ramp, Steps) else 1
    mirror = spec.traffic.mirror if spec.traffic else None
    copies = mirror.lasts if mirror else 0.0
    return copies + max(spec.warmup, spec.ramp.bake) + (bakes - 1) * spec.ramp.bake
