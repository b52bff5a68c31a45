"""Whether goals and an experiment fit the rest of their plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import PydanticCustomError

from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.units import duration, percent
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.ramp import Steps, Switch
from rollout.plan.model.trial.terms import MOST_GOALS, Goal, Trial

_Fault = tuple[tuple[str | int, ...], PydanticCustomError]


def check_goals_fit(goals: Sequence[Goal], guardrails: Sequence[Guardrail]) -> None:
    """Check that each goal names a guardrail whose counts tell good units from bad ones."""
    by_name = {guardrail.name: guardrail for guardrail in guardrails}
    faults: list[_Fault] = []
    before: set[str] = set()
    for index, goal in enumerate(goals):
        guardrail = by_name.get(goal.guardrail)
        if goal.guardrail in before:
            message = f"the goal `{goal.guardrail}` is given twice"
            faults.append(((index, "guardrail"), fault("P010", message)))
        elif guardrail is None:
            message = f"there is no guardrail `{goal.guardrail}`: a goal is guarded too"
            problem = fault("P006", message, choices=sorted(by_name))
            faults.append(((index, "guardrail"), problem))
        else:
            faults += [((index, *path), problem) for path, problem in _find_faults(goal, guardrail)]
        before.add(goal.guardrail)
    if len(goals) > MOST_GOALS:
        faults.append(((MOST_GOALS,), fault("P006", f"there are at most {MOST_GOALS} goals")))
    if faults:
        raise_at("goals", *faults)


def _find_faults(goal: Goal, guardrail: Guardrail) -> list[_Fault]:
    name, metric = guardrail.name, guardrail.metric
    is_compared = metric.needs_stable and metric.kind in {"rate", "shape"}
    if not is_compared and metric.pairs is None:
        message = f"`{name}` is not compared with stable by its bad units, so it cannot get better"
        return [(("guardrail",), fault("P029", message))]
    if guardrail.tolerance is None and goal.edge is not None:
        return [(("edge",), fault("P029", f"`{name}` has its own bad units: remove `edge`"))]
    if guardrail.tolerance is not None and goal.edge is None:
        message = f"`{name}` is a histogram: say beyond which bucket's edge units are bad"
        return [((), fault("P004", message, hint=f"write `edge: {_EXAMPLES[metric.is_time]}`"))]
    if isinstance(goal.edge, str) and not metric.is_time:
        return [(("edge",), fault("P026", f"`{name}` has values in {metric.unit}, no times"))]
    return []


_EXAMPLES = {True: "2s", False: "0.8"}


def check_experiment_fits(experiment: Trial, spec: Mapping[str, Any]) -> None:
    """Check an experiment against the plan's other fields, of which only valid ones are given."""
    faults: list[_Fault] = []
    ramp, allocation = spec.get("ramp"), experiment.allocation
    if "goals" in spec and not spec["goals"]:
        hint = "write `goals: [{guardrail: NAME}]`"
        faults.append(((), fault("P029", "an experiment needs goals", hint=hint)))
    if isinstance(ramp, Switch) and ramp.blue_green.before is not None:
        message = "nothing is dealt by lot between a version and the time before it"
        faults.append(((), fault("P029", message)))
    elif ramp is not None and allocation is not None:
        least, most = allocation.least, allocation.most
        if not least <= ramp.most <= most:
            message = (
                f"the ramp's last step {percent(ramp.most)} is not within the canary's "
                f"{percent(least)} to {percent(most)}"
            )
            faults.append((("allocation",), fault("P029", message)))
    if spec.get("when_inconclusive") == "promote":
        message = "`whenInconclusive: promote` would promote a canary that has not won"
        hint = "write `whenInconclusive: pause` or `rollback`"
        faults.append(((), fault("P029", message, hint=hint)))
    faults += _find_late_end(experiment, spec)
    holdback = spec.get("holdback")
    if allocation is not None and holdback is not None and allocation.most > 1 - holdback.share:
        message = f"the canary may get {percent(allocation.most)}, the holdback would lower it"
        faults.append((("allocation", "cap"), fault("P008", message)))
    if faults:
        raise_at("experiment", *faults)


def _find_late_end(experiment: Trial, spec: Mapping[str, Any]) -> list[_Fault]:
    """Find a deadline that comes before the end."""
    after, deadline, ramp = experiment.end.after, spec.get("deadline"), spec.get("ramp")
    if after is None or deadline is None or ramp is None or "warmup" not in spec:
        return []
    steps = len(ramp.steps) if isinstance(ramp, Steps) else 1
    least = after + spec["warmup"] + steps * ramp.bake
    if deadline > least:
        return []
    message = (
        f"the deadline of {duration(deadline)} comes before the end, which takes "
        f"{duration(least)} with warm-up and bakes"
    )
    return [(("end", "after"), fault("P029", message, hint="raise `deadline`"))]
