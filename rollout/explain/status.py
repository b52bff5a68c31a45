"""Report one rollout as plain values, for `status`, `watch` and the demo.

All of them take their values from here, so they never disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from analysis.verdict.readout import Readout
from analysis.verdict.verdict import Judgement
from rollout.decide.fold import fold
from rollout.decide.record.facts import of_rollout
from rollout.decide.record.reasons import Reason, split_reason
from rollout.decide.rules.authority import act_as_full
from rollout.decide.rules.experiment import is_running
from rollout.decide.rules.view import View, view
from rollout.decide.state.hooks import describe_hooks
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import compared_with, format_split, observational
from rollout.decide.text.evidence import describe_segment
from rollout.decide.text.experiment import (
    condition_of,
    describe_progress,
    list_numbers,
    measure_goal,
)
from rollout.decide.text.following import describe_following
from rollout.decide.text.sentence import explain
from rollout.decide.text.suppression import find_suppressed
from rollout.explain.forecast import (
    Forecast,
    Timer,
    describe_step,
    forecast_proof,
    list_timers,
)
from rollout.explain.next_action import next_action
from rollout.ports import Entry
from rollout.redact import redact_values


@dataclass(frozen=True)
class Line:
    """One guardrail: its verdict and the numbers behind it.

    `forecast` is what its proof still takes, None where that is not known; `blind_since` is in unix
    seconds.
    """

    name: str
    verdict: str
    reason: str
    readout: Readout
    forecast: Forecast | None = None
    blind_since: float | None = None


@dataclass(frozen=True)
class GoalLine:
    """One goal: what is concluded of it, and what is measured, in words and numbers.

    `low` and `high` bound the difference of shares at all looks at once; None before any look.
    `condition` says under what a conclusion holds; empty without one.
    """

    name: str
    conclusion: str
    said: str
    difference: float | None
    low: float | None
    high: float | None
    condition: str = ""


@dataclass(frozen=True)
class SegmentLine:
    """One segment of one guardrail: verdict, what is measured in words, and numbers.

    The numbers are None where they are not told, see `suppression`.
    """

    name: str
    verdict: str
    said: str
    difference: float | None
    low: float | None
    high: float | None


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
class LastWrite:
    """How far the last write has come: written, taken, or seen in the counted requests."""

    end: str
    state: str
    requests: int
    losing: int
    said: str


@dataclass(frozen=True)
class RolloutStanding:
    """Which rollout it is, and where it stands; shares are 0 to 1.

    `weight` is the share that the mesh showed or confirmed, `wanted` the share of the last
    decision; they differ until the mesh has confirmed it.
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


@dataclass(frozen=True)
class Report(RolloutStanding):
    """One rollout at one moment; shares are 0 to 1, times unix seconds.

    The field names are the keys of `status --json`.
    """

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
    traffic: LastWrite | None = None  # None before the write of an end
    lived: float = 0.0  # seconds from the start to the newest entry in which somebody looked
    elapsed: float = 0.0  # the same by the wall clock
    release: Mapping[str, str] | None = None  # its digest, and what it is of; None if not declared
    authority: str = "full"
    step: str = ""  # which of the plan's steps it is at
    timers: tuple[Timer, ...] = ()  # what acts by itself, the soonest first
    counted: str = ""  # how requests were split, against what the weights make expect
    goals: tuple[GoalLine, ...] = ()  # what is to get better
    experiment: str = ""  # how far an experiment has come; empty before its last step
    segments: tuple[SegmentLine, ...] = ()  # parts of the guardrails' units
    would: str = ""  # what full authority would do, where less holds and the rollout goes on

    def as_json(self) -> dict[str, Any]:
        """Return the object of `status --json`, whose keys are stable."""
        return asdict(self)


def states_of(
    entries: Iterable[Entry], earlier: Mapping[str, RolloutState] | None = None
) -> dict[str, RolloutState]:
    """Return every rollout's state by id, in order of their starts; `earlier` are those before."""
    states = {**(earlier or {})}
    for entry in entries:
        if not of_rollout(entry.fact):
            continue
        rollout = entry.fact.rollout
        states[rollout] = fold(states.get(rollout), entry.fact, entry.seq)
    return states


def report(
    rollout: str, state: RolloutState, now: float, recorded_stable: str | None = None
) -> Report:
    """Report one rollout at `now`; `recorded_stable` is its service's stable version, if known.

    An ended rollout is judged at its last look. At `now` its series would be stale, and every
    guardrail blind.
    """
    rollout_view = judge_now(state, now)
    judgement = rollout_view.judgement
    lines = tuple(
        Line(
            name,
            verdict.kind,
            verdict.reason,
            judgement.readouts[name],
            None if state.is_terminal else forecast_proof(rollout_view, name),
            rollout_view.blind[name].since if name in rollout_view.blind else None,
        )
        for name, verdict in judgement.verdicts.items()
    )
    rollout_report = Report(
        **vars(find_standing(rollout, state)),
        started_at=state.started_at,
        guardrails=lines,
        joint=judgement.log_joint,
        said=_describe_now(state, rollout_view),
        next="" if state.is_terminal else next_action(rollout_view),
        route_problem=state.route_problem,
        basis=compared_with(state.plan),
        observational=bool(observational(state.plan)),
        hooks=tuple(
            f"{hook}: {event}{f' ({problem})' if problem else ''}"
            for hook, event, problem in describe_hooks(state)
        ),
        recorded_stable=recorded_stable,
        route=_describe_route(state),
        traffic=_describe_last_write(state),
        lived=round(state.lived, 3),
        release=state.plan.spec.release.described if state.plan.spec.release else None,
        authority=state.authority,
        step="" if state.is_terminal else describe_step(state),
        timers=tuple(list_timers(rollout_view)),
        counted=str(state.traffic_tally) if state.traffic_tally.requests else "",
        goals=tuple(_list_goals(state)),
        experiment=describe_progress(state, rollout_view.clock) if is_running(state) else "",
        would=find_wish(state),
        segments=tuple(_list_segments(state, rollout_view.judgement)),
        elapsed=round(state.noted_at - state.started_at if state.is_lived else state.lived, 3),
    )
    return redact_values(rollout_report)


def _list_goals(state: RolloutState) -> Iterator[GoalLine]:
    """Yield every goal with what is known of it."""
    for name, numbers in (list_numbers(state) if state.goals else {}).items():
        said = measure_goal(state, name)
        conclusion = numbers["conclusion"]
        yield GoalLine(
            name,
            conclusion,
            said,
            difference=numbers["difference"],
            low=numbers["low"],
            high=numbers["high"],
            condition=condition_of(state, name, conclusion),
        )


def _list_segments(state: RolloutState, judgement: Judgement) -> Iterator[SegmentLine]:
    """Yield every segment with what is known of it."""
    suppressed = find_suppressed(state)
    for segment in state.plan.spec.segment_guardrails if state.segments else ():
        readout, name = judgement.read_segment(segment.name), segment.name
        is_told = name not in suppressed
        bounds = (readout.estimate, readout.low, readout.high) if is_told else (None, None, None)
        verdict = judgement.segment_verdicts[name].kind
        yield SegmentLine(name, verdict, describe_segment(segment, readout, suppressed), *bounds)


def judge_now(state: RolloutState, now: float) -> View:
    """Return a rollout's view at `now`, of one that has ended at its last look."""
    if state.is_terminal:
        return view(state, state.looked_at or now, state.lived)
    return view(state, now, state.estimate_clock(now) - state.started_at)


def find_standing(rollout: str, state: RolloutState) -> RolloutStanding:
    """Return where a rollout stands, which needs none of its evidence."""
    stable, canary = state.versions
    return RolloutStanding(
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
    )


def find_wish(state: RolloutState) -> str:
    """Return the action that full authority would take now; empty where nothing else is done."""
    last = state.last
    return last.would.action if last and last.would and not state.is_terminal else ""


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


def _describe_last_write(state: RolloutState) -> LastWrite | None:
    following = state.following
    if following is None:
        return None
    counts = following.requests, following.losing
    return LastWrite(following.end, state.written_as, *counts, describe_following(state))


def _describe_now(state: RolloutState, rollout_view: View) -> str:
    """Return the sentence of the last decision; a hold for blindness with the time until now.

    Such a hold is recorded once, so its own sentence has the time at which it began.
    """
    last = state.explanation
    if last is None:
        return ""
    names = [name for code, name in map(split_reason, last.reasons) if code == Reason.BLIND]
    is_now = len(names) == len(last.reasons) and rollout_view.blind.keys() >= set(names)
    if state.is_terminal or last.action != "hold" or not is_now:
        return last.sentence
    return explain(act_as_full(state), last, rollout_view)
