"""Report one rollout as plain values, for `status`, `watch` and the demo.

All of them take their values from here, so they never disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from analysis.verdict.readout import Readout
from rollout.decide.evidence.baseline import baseline_complete
from rollout.decide.evidence.exposure import mirror_of
from rollout.decide.fold import fold
from rollout.decide.record.facts import of_rollout
from rollout.decide.record.reasons import Reason, first_reason
from rollout.decide.record.split import Split
from rollout.decide.rules.ramp import held_back, next_split
from rollout.decide.rules.view import View, view
from rollout.decide.state.hooks import describe_hooks
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import compared_with, format_split, observational
from rollout.plan.fields.units import duration, percent
from rollout.ports import Entry
from rollout.tick.fleet import recorded_stable, service_key


@dataclass(frozen=True)
class Line:
    """One guardrail: its verdict and the numbers behind it."""

    name: str
    verdict: str
    reason: str
    readout: Readout


@dataclass(frozen=True)
class LiveRoute:
    """What the mesh showed of the route when it was last recorded."""

    weight: float
    problem: str
    writer: str
    has_endpoints: bool | None
    conditions: tuple[str, ...]
    owner: str


@dataclass(frozen=True)
class Report:
    """One rollout at one moment; shares are 0 to 1, times unix seconds.

    The field names are the keys of `status --json`. `weight` is the share that the mesh showed or
    confirmed, `wanted` the share of the last decision; they differ until the mesh has confirmed it.
    """

    rollout: str
    name: str
    service: str
    stable: str
    canary: str
    phase: str
    weight: float
    wanted: float
    shown: str
    confirmed: bool
    started_at: float
    guardrails: tuple[Line, ...]
    joint: float
    said: str
    next: str
    route_problem: str
    basis: str
    observational: bool
    hooks: tuple[str, ...] = ()  # each hook that was called, and its outcome
    recorded_stable: str | None = None  # of the service; None before its first rollout ends
    route: LiveRoute | None = None  # None before the first look

    def as_json(self) -> dict[str, Any]:
        """Return the object of `status --json`, whose keys are stable."""
        return asdict(self)


def states_of(entries: Iterable[Entry]) -> dict[str, RolloutState]:
    """Return every rollout's state by id, in order of their starts."""
    states: dict[str, RolloutState] = {}
    for entry in entries:
        if not of_rollout(entry.fact):
            continue
        rollout = entry.fact.rollout
        states[rollout] = fold(states.get(rollout), entry.fact, entry.seq)
    return states


def report(
    rollout: str, state: RolloutState, now: float, among: Mapping[str, RolloutState] | None = None
) -> Report:
    """Report one rollout at `now`; `among` holds the states of all rollouts.

    An ended rollout is judged at its last look. At `now` its series would be stale, and every
    guardrail blind.
    """
    rollout_view = view(state, state.looked_at or now if state.is_terminal else now)
    judgement = rollout_view.judgement
    stable, canary = state.versions
    lines = tuple(
        Line(name, verdict.kind, verdict.reason, judgement.readouts[name])
        for name, verdict in judgement.verdicts.items()
    )
    return Report(
        rollout=rollout,
        name=state.plan.name,
        service=state.plan.spec.service,
        stable=stable,
        canary=canary,
        phase=state.phase,
        weight=state.live.served_share,
        wanted=state.wanted.served_share,
        shown=format_split(state.live),
        confirmed=not state.delivery.is_open,
        started_at=state.started_at,
        guardrails=lines,
        joint=judgement.log_joint,
        said=state.last.sentence if state.last else "",
        next="" if state.is_terminal else next_action(rollout_view),
        route_problem=state.route_problem,
        basis=compared_with(state.plan),
        observational=bool(observational(state.plan)),
        hooks=tuple(
            f"{hook}: {event}{f' ({problem})' if problem else ''}"
            for hook, event, problem in describe_hooks(state)
        ),
        recorded_stable=_find_recorded_stable(state, among or {}),
        route=_describe_route(state),
    )


def _describe_route(state: RolloutState) -> LiveRoute | None:
    """Return what the mesh showed; None where no look has recorded it."""
    read = state.route_read
    if read is None:
        return None
    return LiveRoute(
        weight=state.live.served_share,
        problem=read.problem,
        writer=read.writer,
        has_endpoints=read.has_endpoints,
        conditions=read.conditions,
        owner=read.owner,
    )


def _find_recorded_stable(state: RolloutState, among: Mapping[str, RolloutState]) -> str | None:
    """Find the stable version that the rollouts of the same service have recorded."""
    key = service_key(state.plan)
    return recorded_stable(other for other in among.values() if service_key(other.plan) == key)


def next_action(rollout_view: View) -> str:
    """Describe the next action, when it comes, and on which condition.

    The checks are ordered: the first that applies is what the rollout waits for.
    """
    state = rollout_view.state
    if state.delivery.is_open:
        return f"the mesh confirms {format_split(state.wanted)}"
    if state.phase == "paused":
        return _describe_end_of_pause(state, rollout_view.now)
    if waiting := _describe_wait(rollout_view):
        return waiting
    if not state.stepped and not baseline_complete(state):
        return f"switch when enough samples of {state.versions[0]} are collected"
    if state.warm_at is None and state.wanted.served_share:
        return f"wait for the first request of {state.versions[1]}"
    goal = next_split(state)
    what, condition = _describe_goal(state, goal)
    wait = _compute_wait(rollout_view)
    return f"{what} in {duration(wait)} if {condition}" if wait >= 1 else f"{what} when {condition}"


def _describe_wait(rollout_view: View) -> str:
    """Describe what ends a wait for the route, for endpoints or for data; empty without one."""
    state = rollout_view.state
    is_waiting = state.last is not None and state.last.action == "hold"
    reason = first_reason(state.last.reasons) if is_waiting and state.last else None
    if reason in _OBSTACLES:
        return _OBSTACLES[reason]
    if rollout_view.blind:
        return "continue when every guardrail has data again (surefoot doctor names the cause)"
    return ""


_OBSTACLES: Mapping[Reason | None, str] = {
    Reason.NOT_AT_STABLE: "begin when all traffic is at stable",
    Reason.ROUTE_UNREAD: "begin when the route can be read",
    Reason.AWAITING_ENDPOINTS: "begin when the canary has a ready endpoint",
    Reason.ROUTE_CONDITIONS: "continue when nothing stands against the route",
}


def _describe_goal(state: RolloutState, goal: Split | None) -> tuple[str, str]:
    """Return the next change of the weight, and its condition."""
    if goal is not None:
        return f"advance to {format_split(goal)}", "no guardrail shows harm"
    if state.phase == "holding back":
        return "promote", "no guardrail shows harm"
    split = held_back(state)
    change = f"hold back {percent(1 - split.share)}" if split else "promote"
    return change, "every guardrail is safe"


def _describe_end_of_pause(state: RolloutState, now: float) -> str:
    left = state.plan.spec.patience - (now - (state.paused_at or now))
    return (
        f"surefoot resume, promote or abort {state.plan.name}, "
        f"without one it rolls back in {duration(max(left, 0))}"
    )


def _compute_wait(rollout_view: View) -> float:
    """Return the seconds until the current step may end at the earliest.

    Copies of a mirror and a holdback last a fixed time after they are confirmed. Any other step
    bakes from the moment at which its weight is steady, and not before the canary is warm.
    """
    state, now = rollout_view.state, rollout_view.now
    holdback = state.plan.spec.holdback
    if holdback and state.phase == "holding back":
        return (state.delivery.confirmed_at or now) + holdback.lasts - now
    mirror = mirror_of(state.plan)
    if mirror and state.wanted.way == "mirror":
        return (state.delivery.confirmed_at or now) + mirror.lasts - now
    if not state.wanted.canary or state.steady_at is None:
        return 0.0
    baked_at = state.steady_at + state.plan.spec.ramp.bake
    return max(baked_at, state.warm_at or 0.0) - now
