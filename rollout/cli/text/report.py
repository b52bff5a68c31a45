"""What a rollout looks like now, as plain values: the one source of status, watch and the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from analysis.verdict.readout import Readout
from rollout.decide.evidence.baseline import baseline_complete
from rollout.decide.evidence.exposure import mirror_of
from rollout.decide.fold import fold
from rollout.decide.record.facts import of_rollout
from rollout.decide.rules.ramp import held_back, next_split
from rollout.decide.rules.view import View, view
from rollout.decide.state.hooks import told
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import compared_with, observational, shown
from rollout.plan.fields.units import duration, percent
from rollout.ports import Entry
from rollout.tick.fleet import place_of, recorded_stable


@dataclass(frozen=True)
class Line:
    """One guardrail: its verdict, and the numbers behind it."""

    name: str
    verdict: str
    reason: str
    readout: Readout


@dataclass(frozen=True)
class Report:
    """One rollout at one moment; shares are 0 to 1, times unix seconds."""

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
    hooks: tuple[str, ...] = ()  # each that was called, and how that went
    recorded_stable: str | None = None  # of the service, by the journal; None before its first end

    def as_json(self) -> dict[str, Any]:
        """The stable shape of `status --json`."""
        return asdict(self)


def states_of(entries: Iterable[Entry]) -> dict[str, RolloutState]:
    """Every rollout's state, by id, in the order of their start."""
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
    """What there is to say of one rollout at `now`, `among` all; of an ended one, at its end."""
    seen = view(state, state.looked_at or now if state.terminal else now)
    judgement = seen.judgement
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
        weight=state.split.answered,
        wanted=state.wanted.answered,
        shown=shown(state.split),
        confirmed=state.awaiting is None,
        started_at=state.started_at,
        guardrails=lines,
        joint=judgement.log_joint,
        said=state.last.sentence if state.last else "",
        next="" if state.terminal else next_action(seen),
        route_problem=state.route_problem,
        basis=compared_with(state.plan),
        observational=bool(observational(state.plan)),
        hooks=tuple(f"{n}: {e}{f' ({p})' if p else ''}" for n, e, p in told(state)),
        recorded_stable=_recorded(state, among or {}),
    )


def _recorded(state: RolloutState, among: Mapping[str, RolloutState]) -> str | None:
    place = place_of(state.plan)
    return recorded_stable(each for each in among.values() if place_of(each.plan) == place)


def next_action(seen: View) -> str:
    """What comes next if nothing speaks against it, and when."""
    state = seen.state
    if state.awaiting is not None:
        return f"confirm {shown(state.wanted)} at the mesh"
    if state.phase == "paused":
        return "waits for resume, promote or abort"
    if seen.blind:
        return "hold until the evidence comes back"
    if not state.stepped and not baseline_complete(state):
        return f"switch when enough of {state.versions[0]} is seen"
    if state.warm_at is None and state.wanted.answered:
        return "waits for the canary's first request"
    goal = next_split(state)
    what = f"advance to {shown(goal)}" if goal else _last_step(state)
    wait = _wait(seen)
    return f"{what} in {duration(wait)}" if wait >= 1 else what


def _last_step(state: RolloutState) -> str:
    if state.phase == "holding back":
        return "promote"
    split = held_back(state)
    goal = f"hold back {percent(1 - split.share)}" if split else "promote"
    return f"{goal} when every guardrail is safe"


def _wait(seen: View) -> float:
    """Seconds until the step may end at the earliest."""
    state, holdback = seen.state, seen.state.plan.spec.holdback
    if holdback and state.phase == "holding back":
        return (state.confirmed_at or seen.now) + holdback.lasts - seen.now
    mirror = mirror_of(state.plan)
    if mirror and state.wanted.way == "mirror":
        return (state.confirmed_at or seen.now) + mirror.lasts - seen.now
    if not state.wanted.canary or state.steady_at is None:
        return 0.0
    baked = state.steady_at + state.plan.spec.ramp.bake
    return max(baked, state.warm_at or 0.0) - seen.now
