"""State from facts: the journal is replayed, nothing is stored beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from analysis import sample_ratio
from analysis.fast_replace import replace
from rollout.backoff import backoff
from rollout.decide.evidence.update import apply_observation
from rollout.decide.record.facts import (
    AGAIN,
    REFUSED,
    Confirmed,
    Decided,
    Drifted,
    Fact,
    HookAnswered,
    HookCalled,
    HumanSaid,
    Learned,
    Observed,
    RouteFailed,
    Started,
    of_rollout,
)
from rollout.decide.state.rollout import (
    MOVES,
    TERMINAL,
    HookAttempt,
    Phase,
    RolloutState,
    begin_rollout,
)
from rollout.decide.state.traffic_tally import TrafficTally

_SLOWEST_RETRY = {"reverting": 5.0, "undoing": 5.0}  # a rollback is never far from its next attempt
_ANEW: set[Phase] = {"holding back", "promoting"}  # what is decided here has the deadline anew


def fold(state: RolloutState | None, fact: Fact, seq: int) -> RolloutState:
    """The state after one more fact. Raises ValueError when the first is not `started`."""
    if isinstance(fact, Started):
        return begin_rollout(fact)
    if state is None:
        raise ValueError(f"entry {seq} speaks of {fact.rollout}, which was never started")
    return _HANDLERS[type(fact)](state, fact, seq)


def fold_all(facts: Iterable[tuple[int, Fact]]) -> RolloutState:
    """The state after all facts of one rollout, given as (sequence number, fact)."""
    state = None
    for seq, fact in facts:
        state = fold(state, fact, seq) if of_rollout(fact) else state
    if state is None:
        raise ValueError("no facts")
    return state


def _learned(state: RolloutState, fact: Learned, _seq: int) -> RolloutState:
    """Rules that know how pods differ; a guardrail of which nothing is known keeps its rule."""
    known = fact.dispersions
    gauges = {
        name: replace(gauge, rule=replace(gauge.rule, dispersion=known[name]), waits=False)
        for name, gauge in state.gauges.items()
        if name in known and name not in fact.unknown
    }
    return replace(state, learned=fact, gauges={**state.gauges, **gauges})


def _decided(state: RolloutState, fact: Decided, seq: int) -> RolloutState:
    phase = MOVES.get((state.phase, fact.action), state.phase)
    if phase != state.phase and phase in _ANEW:
        state = replace(state, resumed_at=fact.at)
    state = replace(state, phase=phase, last=fact, asked=None, drifted=False, looked_at=fact.at)
    if fact.action == "hold back":
        gauges = {name: gauge.held_back() for name, gauge in state.gauges.items()}
        state = replace(state, gauges=gauges)
    if fact.action == "pause":
        state = replace(_given_up(state, fact), pause=fact)
        return replace(state, paused_at=fact.at if state.paused_at is None else state.paused_at)
    if fact.action == "resume":
        state = replace(state, paused_at=None, resumed_at=fact.at, route_problem="")
        if AGAIN not in fact.reasons:
            return state
        return replace(_to_bring(_untold(state), fact, seq), unseen=False)
    return state if fact.action == "hold" else _to_bring(state, fact, seq)


def _to_bring(state: RolloutState, fact: Decided, seq: int) -> RolloutState:
    """The mesh is to show the decided split."""
    return replace(
        state,
        wanted=fact.split,
        awaiting=seq,
        unread=False,
        decision=seq,
        stepped=state.stepped or fact.action != "make route",
        attempts=0,
        refused=False,
        retry_at=fact.at,
        paused_at=None,
    )


def _given_up(state: RolloutState, fact: Decided) -> RolloutState:
    """After a refusal nothing is wanted but what the mesh has confirmed."""
    if REFUSED not in fact.reasons:
        return state
    return replace(state, wanted=fact.split, awaiting=None, attempts=0, refused=False)


def _confirmed(state: RolloutState, fact: Confirmed, _seq: int) -> RolloutState:
    if fact.decision != state.awaiting:
        return state
    over = state.split.way == "mirror" and fact.split.way != "mirror"
    keeps = state.unread or state.plan.spec.on_drift == "adopt"
    return replace(
        state,
        mirrored_until=fact.at if over else state.mirrored_until,
        phase=MOVES.get((state.phase, "confirmed"), state.phase),
        split=fact.split,
        awaiting=None,
        unread=False,
        unseen=False,
        attempts=0,
        refused=False,
        route_problem="",
        policy_drift=state.policy_drift if keeps else "",
        confirmed_at=fact.at,
        steady_at=None,
    )


def _route_failed(state: RolloutState, fact: RouteFailed, _seq: int) -> RolloutState:
    if fact.decision != state.decision:
        return state
    shown = state.awaiting is None or state.unread  # what is wanted was confirmed before
    slowest = _SLOWEST_RETRY.get(state.phase, 30.0)
    return replace(
        state,
        awaiting=None if shown and fact.refused else fact.decision,
        unread=shown and fact.unread and not fact.refused,
        unseen=fact.unread,
        refused=fact.refused,
        attempts=fact.attempt,
        retry_at=fact.at + backoff(fact.attempt, 1.0, slowest),
        route_problem=fact.problem,
    )


def _human_said(state: RolloutState, fact: HumanSaid, _seq: int) -> RolloutState:
    if state.phase in TERMINAL and (state.phase, fact.command) != ("promoted", "undo"):
        return state
    return replace(state, asked=fact)


def _drifted(state: RolloutState, fact: Drifted, _seq: int) -> RolloutState:
    state = _untold(state) if fact.anew else state
    if state.awaiting is not None:
        state = replace(state, awaiting=None, attempts=0, route_problem="")
    state = replace(state, unread=False, unseen=False)
    if state.plan.spec.on_drift == "revert":
        return replace(state, awaiting=state.decision, retry_at=fact.at)
    return replace(
        state,
        drifted=True,
        policy_drift=fact.policy,
        split=fact.seen,
        wanted=fact.seen,
        confirmed_at=fact.at,
        steady_at=None,
    )


def _untold(state: RolloutState) -> RolloutState:
    """Without what the traffic told of the split: the mesh may have held another one."""
    gauges = {name: replace(gauge, expected=0.0) for name, gauge in state.gauges.items()}
    return replace(state, shares=sample_ratio.start(), parted=TrafficTally(), gauges=gauges)


def _hook_called(state: RolloutState, fact: HookCalled, _seq: int) -> RolloutState:
    call = HookAttempt(attempt=fact.attempt, calling=True, again_at=fact.at)
    return replace(state, calls={**state.calls, fact.hook: call})


def _hook_answered(state: RolloutState, fact: HookAnswered, _seq: int) -> RolloutState:
    call = HookAttempt(
        attempt=fact.attempt,
        ok=not fact.problem,
        problem=fact.problem,
        at=fact.at,
        again_at=fact.at + backoff(fact.attempt, 2.0, 30.0),
    )
    return replace(state, calls={**state.calls, fact.hook: call})


_HANDLERS: dict[type, Callable[[RolloutState, Any, int], RolloutState]] = {
    Observed: apply_observation,
    Learned: _learned,
    Decided: _decided,
    Confirmed: _confirmed,
    RouteFailed: _route_failed,
    HumanSaid: _human_said,
    Drifted: _drifted,
    HookCalled: _hook_called,
    HookAnswered: _hook_answered,
}
