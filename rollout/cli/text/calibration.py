"""Render the outcome of a calibration as plain data and as text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from analysis.counting.beyond import past_beyond
from rollout.calibrate.draw import Recording
from rollout.calibrate.runs import Calibration
from rollout.decide.text.numbers import join
from rollout.plan.fields.units import duration, percent


def usual_runs(alpha: float) -> int:
    """Return enough replays for the upper bound to pass at half the declared rate.

    With fewer, the bound can exceed the declared rate although the rate itself is half of it.
    """
    return min(max(math.ceil(10 / alpha), 200), 2000)


def as_document(past: Recording, calibration: Calibration, seed: int) -> dict[str, Any]:
    """Return the object of `--json`, whose keys are stable.

    Shares are 0 to 1, times are seconds, and the rate is null without runs. `stretches` is how many
    windows of a replay fit into the past without overlap.
    """
    fact = calibration.fact(past, 0.0, seed)
    return {
        "plan": past.plan.name,
        **fact.model_dump(exclude={"at", "kind"}),
        "rate": calibration.rate,
        "holds": fact.holds,
        "outcomes": calibration.outcomes,
        "reasons": calibration.reasons,
        "interval": past.plan.spec.interval,
        "stretches": int(fact.history // fact.window),
        "remarks": [*_remark_limits(past), *_remark_never(past)],
    }


def _remark_limits(past: Recording) -> Iterator[str]:
    """Yield where stable itself is beyond a limit, so that a rollback would be right."""
    for guardrail in past.plan.spec.guardrails:
        if guardrail.bound is None:
            continue
        own, metric = past.pods[guardrail.name], guardrail.metric
        if metric.edge is not None:
            own = past_beyond(own, metric.edge, metric.worse)
        share = float(own.counts[..., 1].sum()) / max(float(own.exposures.sum()), 1.0)
        if share > guardrail.bound:
            bad = f"{percent(share)} bad {metric.unit if metric.kind == 'rate' else 'values'}"
            yield (
                f"{guardrail.name}: stable itself has {bad}, more than the limit of "
                f"{percent(guardrail.bound)}: its rollbacks are no false ones"
            )


def _remark_never(past: Recording) -> Iterator[str]:
    declared = past.declared.spec.guardrails
    for kind, names in (
        ("what must not happen", [own.name for own in declared if own.never is not None]),
        ("a ratio of sums", [own.name for own in declared if own.metric.kind == "ratio"]),
        ("exposure", [own.name for own in declared if own.metric.kind == "exposure"]),
    ):
        if names:
            yield f"{join(names)} left out: {kind} is in no error rate"


def text(document: dict[str, Any]) -> str:
    """Format the document of one plan as text."""
    head = (
        f"{document['rolled_back']:,} of {document['runs']:,} replays were rolled back, where "
        f"nothing was rolled out: false rollbacks at most {percent(document['bound'])} "
        f"({percent(document['level'])} confidence), declared {percent(document['alpha'])}: "
        f"{'confirmed' if document['holds'] else 'NOT CONFIRMED'}"
    )
    ends = ", ".join(f"{count:,} {outcome}" for outcome, count in document["outcomes"].items())
    why = ", ".join(f"{reason} {count:,}" for reason, count in document["reasons"].items())
    past = (
        f"{duration(document['history'])} of {document['pods']} pods, "
        f"{document['canary_pods']} of them as the canary, each replay at most "
        f"{duration(document['window'])}"
    )
    limits = (
        f"only {document['stretches']:,} replays fit into this history without overlap: the bound "
        "is about this history, a worse day may be worse"
    )
    lines = [
        f"{document['plan']}: {head}",
        f"  history  {past}",
        f"  replays  {ends}{f' ({why})' if why else ''}",
        f"  limits   {limits}",
        *(f"  remark   {remark}" for remark in document["remarks"]),
    ]
    if not document["holds"] and (advice := _suggest_fix(document)):
        lines.append(f"  next     {advice}")
    lines.append(f"  journal  {_describe_entry(document)}")
    return "\n".join(lines)


def _suggest_fix(document: dict[str, Any]) -> str:
    if not document["runs"]:
        return "add what the reasons above name: no replay could be judged"
    if document["rate"] <= document["alpha"] / 2:
        return f"repeat with --runs {usual_runs(document['alpha'])} or more: the rate itself is low"
    return "declare wider margins, a longer history or more canary pods (docs/calibration.md)"


def _describe_entry(document: dict[str, Any]) -> str:
    if "entry" in document:
        return f"recorded as entry {document['entry']:,}"
    return "not recorded; a plan with requireCalibration needs --journal"
