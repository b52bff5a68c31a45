"""Texts about what the canary is compared with, and whether that is an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rollout.decide.record.split import Split
from rollout.plan.fields.units import duration, percent

if TYPE_CHECKING:  # `surefoot log` formats splits without building plans
    from rollout.plan.model.plan import Plan


def observational(plan: Plan) -> str:
    """Explain why a verdict on this plan is only observational; empty for an experiment."""
    reasons = [*_describe_unlike_requests(plan), *_describe_cold_start(plan)]
    return f"observational: {'; '.join(reasons)}" if reasons else ""


def _describe_unlike_requests(plan: Plan) -> Iterator[str]:
    stable, traffic, before = plan.spec.stable.version, plan.spec.traffic, plan.spec.before
    if before is not None:
        yield (
            f"compared with {stable} in the {duration(before)} before the switch, "
            "not at the same time"
        )
    elif traffic and traffic.segment and traffic.segment.assignment == "chosen":
        yield (
            f"the segment's requests were chosen, not drawn at random, and {stable} has others too"
        )


def _describe_cold_start(plan: Plan) -> Iterator[str]:
    """Warn of a cold start: errors of a starting process look like harm. Mirroring warms it up."""
    mirrored = plan.spec.traffic is not None and plan.spec.traffic.mirror is not None
    if not plan.spec.warmup and not mirrored:
        yield "without a warm-up, a cold start of the canary counts as harm"


def compared_with(plan: Plan) -> str:
    """Describe what the canary is compared with."""
    from rollout.plan.model.ramp import Switch  # loaded with the plan

    ramp, stable = plan.spec.ramp, plan.spec.stable.version
    if label := observational(plan):
        return label
    if isinstance(ramp, Switch) and ramp.blue_green.holdback is not None:
        return f"compared with the {percent(ramp.blue_green.holdback)} that {stable} keeps"
    return f"compared with {stable} at the same time"


def exposed(plan: Plan) -> list[str]:
    """Describe which users get the canary; empty where each request is assigned by chance."""
    traffic, remarks = plan.spec.traffic, []
    if traffic and traffic.segment and traffic.segment.share is None:
        remarks.append("the share of traffic is not checked, since segment.share is not declared")
    if traffic and traffic.affinity:
        remarks.append(
            "users keep their version: requests of one user are not independent, and the share of "
            "traffic may be half or twice the weight"
        )
    return remarks


def format_split(split: Split) -> str:
    """Format a split for people: `5 %`, `5 % of the segment`, `copies of 5 %`."""
    words = {"weights": "{}", "segment": "{} of the segment", "mirror": "copies of {}"}
    return words[split.way].format(percent(split.share))
