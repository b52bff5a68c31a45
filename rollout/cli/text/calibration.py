"""The outcome of a calibration, as plain data and in words."""

from __future__ import annotations

import math
from typing import Any

from rollout.calibrate.draw import Recording
from rollout.calibrate.runs import Calibration
from rollout.plan.fields.units import duration, percent


def usual_runs(alpha: float) -> int:
    """Enough replays for the bound to pass with a rate of half the declared one."""
    return min(max(math.ceil(10 / alpha), 200), 2000)


def as_document(past: Recording, found: Calibration, seed: int) -> dict[str, Any]:
    """The stable shape of `--json`: shares are 0 to 1, times seconds; rate is null without runs."""
    fact = found.fact(past, 0.0, seed)
    return {
        "plan": past.plan.name,
        **fact.model_dump(exclude={"at", "kind"}),
        "rate": found.rate,
        "holds": fact.holds,
        "outcomes": found.outcomes,
        "reasons": found.reasons,
        "interval": past.plan.spec.interval,
        "stretches": int(fact.history // fact.window),
    }


def text(told: dict[str, Any]) -> str:
    """The outcome for people."""
    head = (
        f"{told['rolled_back']} of {told['runs']:,} replays were rolled back, each falsely: a rate "
        f"of at most {percent(told['bound'])} ({told['level']:.0%} confidence), "
        f"declared {percent(told['alpha'])}: {'holds' if told['holds'] else 'DOES NOT HOLD'}"
    )
    ends = ", ".join(f"{count:,} {outcome}" for outcome, count in told["outcomes"].items())
    why = ", ".join(f"{reason} {count:,}" for reason, count in told["reasons"].items())
    past = (
        f"{duration(told['history'])} of {told['pods']} pods, {told['canary_pods']} of them play "
        f"the canary, for {duration(told['window'])} at most"
    )
    limits = (
        f"the past holds {told['stretches']} stretches that do not overlap: the bound is about "
        "this past, not about a worse day"
    )
    lines = [
        f"{told['plan']}: {head}",
        f"  past     {past}",
        f"  replays  {ends}{f' ({why})' if why else ''}",
        f"  limits   {limits}",
    ]
    if not told["holds"] and (advice := _advice(told)):
        lines.append(f"  advice   {advice}")
    lines.append(f"  journal  {_kept(told)}")
    return "\n".join(lines)


def _advice(told: dict[str, Any]) -> str:
    if not told["runs"]:
        return "no replay could be judged: the reasons above say what is missing"
    if told["rate"] <= told["alpha"] / 2:
        return f"the rate itself is low: --runs {usual_runs(told['alpha'])} or more may show it"
    return "wider margins, a longer history or more canary pods; see docs/calibration.md"


def _kept(told: dict[str, Any]) -> str:
    if "entry" in told:
        return f"recorded as entry {told['entry']}"
    return "not recorded: give --journal, where a plan asks for a calibration"
