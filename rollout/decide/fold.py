"""State from facts: the journal is replayed, nothing is stored beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from analysis import shares
from analysis.counters import advance
from analysis.evidence import Evidence, EvidenceError
from analysis.guard import learn, look, problem, watch
from rollout.decide.before import began, paired
from rollout.decide.exposure import copied, share_of_all, sticky
from rollout.decide.facts import (
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
from rollout.decide.state import (
    MOVES,
    TERMINAL,
    Call,
    Gauge,
    Phase,
    State,
    begin,
    exposure_guardrail,
)
from rollout.plan.model import Guardrail

_SLOWEST_RETRY = {"reverting": 5.0, "undoing": 5.0}  # a rollback is never far from its next attempt
_ANEW: set[Phase] = {"holding back", "promoting"}  # what is decided here has the deadline anew


def fold(state: State | None, fact: Fact, seq: int) -> State:
    """The state after one more fact. Raises ValueError when the first is not `started`."""
    if isinstance(fact, Started):
        return begin(fact)
    if state is None:
        raise ValueError(f"entry {seq} speaks of {fact.rollout}, which was never started")
    return _HANDLERS[type(fact)](state, fact, seq)


def fold_all(facts: Iterable[tuple[int, Fact]]) -> State:
    """The state after all facts of one rollout, given as (sequence number, fact)."""
    state = None
    for seq, fact in facts:
        state = fold(state, fact, seq) if of_rollout(fact) else state
    if state is None:
        raise ValueError("no facts")
    return state


def _observed(state: State, fact: Observed, _seq: int) -> State:
    counted = exposure_guardrail(state.plan)
    since = began(state, state.gauges[counted])
    gauges = {}
    for guardrail in state.plan.spec.guardrails:
        gauge, evidence = _read(state.gauges[guardrail.name], fact, guardrail.name)
        gauge = _weigh(state, gauge, evidence, guardrail, fact.at)
        gauges[guardrail.name] = _troubled(gauge, fact.at)
        if guardrail.name == counted:
            exposures = evidence
    after = replace(state, gauges=gauges, looked_at=fact.at)
    return _share(_first_request(after, exposures, counted, since), exposures, since, fact.at)


def _read(gauge: Gauge, fact: Observed, name: str) -> tuple[Gauge, Evidence]:
    """The gauge with its cursor moved, and what came in; unusable samples move nothing."""
    said = fact.problems.get(name, "")
    try:
        cursor, evidence = advance(gauge.cursor, fact.series.get(name, ()))
    except EvidenceError as error:
        return replace(gauge, problem=str(error)), Evidence((0, 0), (0, 0))
    return replace(gauge, cursor=cursor, problem=said), evidence


def _troubled(gauge: Gauge, at: float) -> Gauge:
    """The gauge with the time since which it has a problem, its samples' or its statistic's."""
    if not (gauge.problem or problem(gauge.capital)):
        return replace(gauge, troubled_at=None)
    return gauge if gauge.troubled_at is not None else replace(gauge, troubled_at=at)


def _weigh(
    state: State, gauge: Gauge, evidence: Evidence, guardrail: Guardrail, at: float
) -> Gauge:
    """The gauge with its capital updated by the rule of the look's time, fixed in the plan."""
    before, lag = state.gauges[guardrail.name], guardrail.lag
    since = began(state, before)
    kept, evidence = paired(state, before, evidence, lag, at)
    gauge = replace(gauge, kept=kept.kept, used_up_at=kept.used_up_at)
    if not evidence.canary_exposures and not evidence.stable_exposures:
        return gauge
    if copied(state, since, lag):
        use = watch
    elif state.warm_at is None:
        use = learn
    else:
        use = look if since is not None and since >= state.warm_at else watch
    return replace(
        gauge,
        capital=use(gauge.rule, gauge.capital, evidence),
        expected=gauge.expected + _implied(state, gauge, evidence, since, lag),
    )


def _implied(
    state: State, gauge: Gauge, evidence: Evidence, since: float | None, lag: float
) -> float:
    """Canary exposures that stable's imply at the confirmed split, while none was ever seen."""
    routed = state.confirmed_at is not None and state.awaiting is None and state.split.canary
    share = share_of_all(state.plan, state.split)
    if not routed or not share or gauge.cursor.newest("canary") is not None or since is None:
        return 0.0
    late_enough = since >= (state.confirmed_at or 0.0) + lag
    odds = state.split.canary / max(state.split.stable, 1)
    if state.split.way == "segment":
        odds = share / max(1 - share, 1e-9)
    return evidence.stable_exposures * odds if late_enough else 0.0


def _first_request(state: State, exposures: Evidence, counted: str, since: float | None) -> State:
    if state.plan.spec.before is not None and not state.decision:
        return state  # nothing was routed yet: a stray request is no switch
    if copied(state, since, 0.0):
        return state
    if state.first_canary_at is None and exposures.canary_exposures:
        return replace(state, first_canary_at=state.gauges[counted].cursor.newest("canary"))
    return state


def _share(state: State, exposures: Evidence, since: float | None, at: float) -> State:
    """Check the observed share on looks that lie wholly after the mesh's receipt."""
    canary, stable = exposures.canary_exposures, exposures.stable_exposures
    if copied(state, since, 0.0):
        return replace(state, requests_per_look=float(stable or state.requests_per_look))
    if canary + stable:
        state = replace(state, requests_per_look=float(canary + stable))
    confirmed = state.confirmed_at
    if state.awaiting is not None or confirmed is None or not state.split.canary:
        return state
    if since is None or since < confirmed:
        return state
    capital, agreed = _agreed(state, canary, stable)
    steady = at if state.steady_at is None and agreed else state.steady_at
    return replace(state, shares=capital, steady_at=steady)


def _agreed(state: State, canary: int, stable: int) -> tuple[tuple[float, ...], bool]:
    """The capital against the share, and whether it agrees; unknown: the canary is asked at all."""
    share = share_of_all(state.plan, state.split)
    if share is None:
        return state.shares, canary > 0
    clustered = sticky(state.plan) or state.split.way == "segment"
    capital = shares.look(state.shares, canary, stable, share, clustered=clustered)
    return capital, not shares.mismatched(capital)


def _learned(state: State, fact: Learned, _seq: int) -> State:
    """Rules that know how pods differ; a guardrail of which nothing is known keeps its rule."""
    gauges = {
        name: replace(gauge, rule=replace(gauge.rule, dispersion=fact.dispersions[name]))
        for name, gauge in state.gauges.items()
        if name in fact.dispersions and name not in fact.unknown
    }
    return replace(state, learned=fact, gauges={**state.gauges, **gauges})


def _decided(state: State, fact: Decided, seq: int) -> State:
    phase = MOVES.get((state.phase, fact.action), state.phase)
    if phase != state.phase and phase in _ANEW:
        state = replace(state, resumed_at=fact.at)
    state = replace(state, phase=phase, last=fact, asked=None, drifted=False, looked_at=fact.at)
    if fact.action == "pause":
        state = _given_up(state, fact)
        return replace(state, paused_at=fact.at if state.paused_at is None else state.paused_at)
    if fact.action == "resume":
        return replace(state, paused_at=None, resumed_at=fact.at, route_problem="")
    if fact.action == "hold":
        return state
    return replace(
        state,
        wanted=fact.split,
        awaiting=seq,
        decision=seq,
        attempts=0,
        refused=False,
        retry_at=fact.at,
        paused_at=None,
    )


def _given_up(state: State, fact: Decided) -> State:
    """After a refusal nothing is wanted but what the mesh has confirmed."""
    if REFUSED not in fact.reasons:
        return state
    return replace(state, wanted=fact.split, awaiting=None, attempts=0, refused=False)


def _confirmed(state: State, fact: Confirmed, _seq: int) -> State:
    if fact.decision != state.awaiting:
        return state
    over = state.split.way == "mirror" and fact.split.way != "mirror"
    return replace(
        state,
        mirrored_until=fact.at if over else state.mirrored_until,
        phase=MOVES.get((state.phase, "confirmed"), state.phase),
        split=fact.split,
        awaiting=None,
        attempts=0,
        refused=False,
        route_problem="",
        policy_drift=state.policy_drift if state.plan.spec.on_drift == "adopt" else "",
        confirmed_at=fact.at,
        steady_at=None,
    )


def _route_failed(state: State, fact: RouteFailed, _seq: int) -> State:
    if fact.decision != state.decision:
        return state
    slowest = _SLOWEST_RETRY.get(state.phase, 30.0)
    return replace(
        state,
        awaiting=state.awaiting if fact.refused else fact.decision,
        refused=fact.refused,
        attempts=fact.attempt,
        retry_at=fact.at + min(0.5 * 2.0 ** min(fact.attempt, 10), slowest),
        route_problem=fact.problem,
    )


def _human_said(state: State, fact: HumanSaid, _seq: int) -> State:
    if state.phase in TERMINAL and (state.phase, fact.command) != ("promoted", "undo"):
        return state
    return replace(state, asked=fact)


def _drifted(state: State, fact: Drifted, _seq: int) -> State:
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


def _hook_called(state: State, fact: HookCalled, _seq: int) -> State:
    call = Call(attempt=fact.attempt, calling=True, again_at=fact.at)
    return replace(state, calls={**state.calls, fact.hook: call})


def _hook_answered(state: State, fact: HookAnswered, _seq: int) -> State:
    call = Call(
        attempt=fact.attempt,
        ok=not fact.problem,
        problem=fact.problem,
        at=fact.at,
        again_at=fact.at + min(2.0**fact.attempt, 30.0),
    )
    return replace(state, calls={**state.calls, fact.hook: call})


_HANDLERS: dict[type, Callable[[State, Any, int], State]] = {
    Observed: _observed,
    Learned: _learned,
    Decided: _decided,
    Confirmed: _confirmed,
    RouteFailed: _route_failed,
    HumanSaid: _human_said,
    Drifted: _drifted,
    HookCalled: _hook_called,
    HookAnswered: _hook_answered,
}
