"""Check what the mesh shows of a plan's route now: its weights, its reports and its writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rollout.decide.record.write_id import WriteId, find_rollout
from rollout.decide.text.arms import name_arms
from rollout.decide.text.comparison import format_split
from rollout.doctor.finding import Finding
from rollout.errors import RouteError
from rollout.kube.kinds import Json
from rollout.plan.model.plan import Plan
from rollout.plan.model.terms import FULL, only_observes
from rollout.ports import RouteStatus
from rollout.route.kube.conditions import git_tool_of

Recorded = Callable[[str], bool | None]
"""Tells whether the journal has the decision of a write id; None where there is no journal."""

_REPORTED = "mend the route or its owner: every step waits until the mesh reports nothing more"


def of_weight(plan: Plan, status: RouteStatus, recorded: Recorded) -> Finding:
    """Check that the route is at stable, or where this plan's own rollout has brought it."""
    split, writer = status.split, status.write_id
    weight = f"the route answers: {format_split(split)} for the canary now"
    if only_observes(plan.spec.authority or FULL):
        return _of_observed_weight(plan, status, weight)
    if not split.canary:
        return Finding("mesh", plan.name, "ok", weight + _describe_pins(status))
    write_id = WriteId.parse(writer)
    if write_id is None or not write_id.is_of(plan):
        return _build_not_at_stable(plan, status)
    if recorded(writer) is False:
        message = f"{weight}, written as {writer}, which this journal does not have"
        fix = "end the other controller of this plan, or name its journal with --journal"
        return Finding("mesh", plan.name, "warn", message, fix)
    return Finding("mesh", plan.name, "ok", f"{weight}, written as {writer}")


def _of_observed_weight(plan: Plan, status: RouteStatus, weight: str) -> Finding:
    """Check that the route, whose weights are others' to move, gives both versions something."""
    if status.split.canary and status.split.stable:
        return Finding("mesh", plan.name, "ok", f"{weight}; others move it")
    message = f"{weight}: until both versions have traffic there is nothing to compare"
    return Finding("mesh", plan.name, "warn", message, "give the canary a weight, or wait for it")


def of_unread(plan: Plan, error: RouteError) -> Finding:
    """Report a route that has no split: it cannot be read, or its routes have different shares."""
    if error.most:
        message = f"not-at-stable: {error}; the rollout would wait and write nothing"
        fix = (
            f"move all traffic to {name_arms(plan)[0]} first, or name the routes that are to move "
            "in spec.route"
        )
        return Finding("mesh", plan.name, "fail", message, fix)
    fix = "create the route that the plan names" if error.absent else "mend the route"
    return Finding(
        "mesh", plan.name, "fail", str(error), f"{fix}, or name the right one in spec.route"
    )


def of_reports(plan: Plan, status: RouteStatus) -> Iterator[Finding]:
    """Report what the mesh says against the route, and an owner that writes it back."""
    for condition in status.conditions:
        yield Finding("mesh", plan.name, "fail", condition, _REPORTED)
    if status.owner:
        message = f"{status.owner} owns the object and will write its weights back"
        fix = "name a route that no controller owns; docs/routing.md shows how"
        yield Finding("mesh", plan.name, "fail", message, fix)


def of_no_endpoints(plan: Plan) -> Finding:
    """Warn that the first weight will wait for the canary's endpoints."""
    message = f"{name_arms(plan)[1]}, the canary, has no ready endpoint: the first weight waits"
    fix = "start its pods, or set awaitEndpoints: false if it scales from zero"
    return Finding("mesh", plan.name, "warn", message, fix)


def of_git_tool(plan: Plan, name: str, manifest: Json) -> Iterator[Finding]:
    """Warn of a tool that applies the object from a repository, and may put weights back."""
    if tool := git_tool_of(manifest):
        message = f"{name} is applied by {tool}, which may put our weights back"
        fix = "let it ignore the weights; docs/routing.md shows how the two live together"
        yield Finding("mesh", plan.name, "warn", message, fix)


def _build_not_at_stable(plan: Plan, status: RouteStatus) -> Finding:
    """Return the failure of a route that gives the canary traffic before the plan begins."""
    stable, canary = name_arms(plan)
    split, writer = status.split, status.write_id
    rollout = find_rollout(writer)
    by = f", written by {f'rollout {rollout}' if rollout else writer}" if writer else ""
    message = (
        f"not-at-stable: the route sends {format_split(split)} to {canary}, which the plan calls "
        f"the canary{by}; the rollout would wait and write nothing"
    )
    move = f"move all traffic to {stable}"
    swap = f"swap the names {stable} and {canary} in spec.route, or " if not split.stable else ""
    return Finding("mesh", plan.name, "fail", message, f"{swap}{move} first")


def _describe_pins(status: RouteStatus) -> str:
    """Name the routes that lead to the canary as well, such as testers' pins."""
    if not status.pinned:
        return ""
    return f"; these lead to the canary as well and are not moved: {', '.join(status.pinned)}"
