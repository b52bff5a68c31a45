"""The state of a rollout, computed from its facts; nothing else is stored.

How it works: the journal is a list of facts, and `fold` is a pure function from a state and the
next fact to the next state, with one handler for each kind of fact. A controller that starts
replays the journal; one that runs folds every fact that it appends. Both therefore reach the same
state. Times come from the facts and never from a clock.

Delivery to the mesh uses a few fields together. `wanted` is the split that the mesh must show;
`awaiting` is the sequence number of the decision that the mesh has not confirmed yet (None: all is
confirmed); `split` is what it confirmed last. `unread` and `unseen` mark a mesh that could not be
read, `refused` one that rejects the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from analysis import sample_ratio
from analysis.fast_replace import replace
from rollout.backoff import backoff
from rollout.decide.evidence.update import apply_observation
from rollout.decide.record.facts import (
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
from rollout.decide.record.reasons import Reason
from rollout.decide.state.rollout import (
    MOVES,
    TERMINAL,
    HookAttempt,
    Phase,
    RolloutState,
    begin_rollout,
)
from rollout.decide.state.traffic_tally import TrafficTally

# Seconds: a rollback takes traffic away from a bad version, so its retries never get slow.
_SLOWEST_RETRY = {"reverting": 5.0, "undoing": 5.0}
# Actions that take no step: hooks and pods' past still come before the first one.
_BEFORE_THE_FIRST_STEP = {"make route", "resume"}
# Entering one of these phases starts the deadline again: the ramp's time is not counted.
_RESTARTS_DEADLINE: set[Phase] = {"holding back", "promoting"}


def fold(state: RolloutState | None, fact: Fact, seq: int) -> RolloutState:
    """Return the state after one more fact.

    Raises ValueError when the first fact of a rollout is not `started`.
    """
    if isinstance(fact, Started):
        return begin_rollout(fact)
    if state is None:
        raise ValueError(f"entry {seq} speaks of {fact.rollout}, which was never started")
    return _HANDLERS[type(fact)](state, fact, seq)


def fold_all(facts: Iterable[tuple[int, Fact]]) -> RolloutState:
    """Return the state after all facts of one rollout, given as (sequence number, fact)."""
    state = None
    for seq, fact in facts:
        state = fold(state, fact, seq) if of_rollout(fact) else state
    if state is None:
        raise ValueError("no facts")
    return state


def _apply_learned(state: RolloutState, fact: Learned, _seq: int) -> RolloutState:
    """Put the pods' dispersion into the rules; a guardrail without a valid one keeps its rule."""
    dispersions = fact.dispersions
    # `waits=False`: only tests that take requests as independent have late bets (`GuardrailState`).
    gauges = {
        name: replace(gauge, rule=replace(gauge.rule, dispersion=dispersions[name]), waits=False)
        for name, gauge in state.gauges.items()
        if name in dispersions and name not in fact.unknown
    }
    return replace(state, learned=fact, gauges={**state.gauges, **gauges})


def _apply_decided(state: RolloutState, fact: Decided, seq: int) -> RolloutState:
    phase = MOVES.get((state.phase, fact.action), state.phase)
    if phase != state.phase and phase in _RESTARTS_DEADLINE:
        state = replace(state, resumed_at=fact.at)
    # Every decision answers the command that was open, so the command is done with.
    state = replace(state, phase=phase, last=fact, asked=None, drifted=False, looked_at=fact.at)
    if fact.action == "hold back":
        gauges = {name: gauge.held_back() for name, gauge in state.gauges.items()}
        state = replace(state, gauges=gauges)
    if fact.action == "pause":
        state = replace(_drop_refused_split(state, fact), pause=fact)
        return replace(state, paused_at=fact.at if state.paused_at is None else state.paused_at)
    if fact.action == "resume":
        state = replace(state, paused_at=None, resumed_at=fact.at, route_problem="")
        if Reason.ROUTE_AGAIN not in fact.reasons:
            return state
        # After a refusal nobody knows which split the mesh held meanwhile: write again, count anew.
        return replace(_await_delivery(_reset_traffic_evidence(state), fact, seq), unseen=False)
    return state if fact.action == "hold" else _await_delivery(state, fact, seq)


def _await_delivery(state: RolloutState, fact: Decided, seq: int) -> RolloutState:
    """Make the decided split the one that the mesh must show next."""
    return replace(
        state,
        wanted=fact.split,
        awaiting=seq,
        unread=False,
        decision=seq,
        stepped=state.stepped or fact.action not in _BEFORE_THE_FIRST_STEP,
        attempts=0,
        refused=False,
        retry_at=fact.at,
        paused_at=None,
    )


def _drop_refused_split(state: RolloutState, fact: Decided) -> RolloutState:
    """After a refusal, want only the split that the mesh confirmed last."""
    if Reason.ROUTE_REFUSED not in fact.reasons:
        return state
    return replace(state, wanted=fact.split, awaiting=None, attempts=0, refused=False)


def _apply_confirmed(state: RolloutState, fact: Confirmed, _seq: int) -> RolloutState:
    if fact.decision != state.awaiting:
        return state
    # Metrics show mirrored requests for a while after mirroring ends; `may_hold_mirrored` counts
    # that lag from this time.
    mirroring_ended = state.split.way == "mirror" and fact.split.way != "mirror"
    # A policy drift survives where nothing was written (a read only) or the plan adopts it.
    keeps_drift = state.unread or state.plan.spec.on_drift == "adopt"
    return replace(
        state,
        mirrored_until=fact.at if mirroring_ended else state.mirrored_until,
        phase=MOVES.get((state.phase, "confirmed"), state.phase),
        split=fact.split,
        awaiting=None,
        unread=False,
        unseen=False,
        attempts=0,
        refused=False,
        route_problem="",
        policy_drift=state.policy_drift if keeps_drift else "",
        confirmed_at=fact.at,
        steady_at=None,
    )


def _apply_route_failed(state: RolloutState, fact: RouteFailed, _seq: int) -> RolloutState:
    if fact.decision != state.decision:
        return state
    # Then nothing new had to be written: a mesh that could not be read needs one read, no write,
    # and a refusal leaves nothing to deliver.
    was_confirmed = state.awaiting is None or state.unread
    slowest = _SLOWEST_RETRY.get(state.phase, 30.0)
    return replace(
        state,
        awaiting=None if was_confirmed and fact.refused else fact.decision,
        unread=was_confirmed and fact.unread and not fact.refused,
        unseen=fact.unread,
        refused=fact.refused,
        attempts=fact.attempt,
        retry_at=fact.at + backoff(fact.attempt, 1.0, slowest),
        route_problem=fact.problem,
    )


def _apply_human_said(state: RolloutState, fact: HumanSaid, _seq: int) -> RolloutState:
    # A promotion can be undone; any other command to an ended rollout has no effect.
    if state.phase in TERMINAL and (state.phase, fact.command) != ("promoted", "undo"):
        return state
    return replace(state, asked=fact)


def _apply_drifted(state: RolloutState, fact: Drifted, _seq: int) -> RolloutState:
    state = _reset_traffic_evidence(state) if fact.anew else state
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


def _reset_traffic_evidence(state: RolloutState) -> RolloutState:
    """Forget the counted traffic shares: the mesh may have held another split meanwhile."""
    gauges = {name: replace(gauge, expected=0.0) for name, gauge in state.gauges.items()}
    return replace(state, shares=sample_ratio.start(), parted=TrafficTally(), gauges=gauges)


def _apply_hook_called(state: RolloutState, fact: HookCalled, _seq: int) -> RolloutState:
    call = HookAttempt(attempt=fact.attempt, calling=True, again_at=fact.at)
    return replace(state, calls={**state.calls, fact.hook: call})


def _apply_hook_answered(state: RolloutState, fact: HookAnswered, _seq: int) -> RolloutState:
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
    Learned: _apply_learned,
    Decided: _apply_decided,
    Confirmed: _apply_confirmed,
    RouteFailed: _apply_route_failed,
    HumanSaid: _apply_human_said,
    Drifted: _apply_drifted,
    HookCalled: _apply_hook_called,
    HookAnswered: _apply_hook_answered,
}
