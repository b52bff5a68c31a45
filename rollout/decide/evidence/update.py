"""What one look adds: samples to counts, counts to evidence, evidence to capital."""

from __future__ import annotations

from typing import Any

from analysis import sample_ratio
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import advance
from analysis.fast_replace import replace
from analysis.verdict.guardrail import learn, look, problem, watch
from rollout.decide.evidence.baseline import look_started_at, pair_with_baseline
from rollout.decide.evidence.exposure import (
    exposure_guardrail,
    has_affinity,
    may_hold_mirrored,
    share_of_all,
)
from rollout.decide.record.facts import Observed
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Guardrail


def apply_observation(state: RolloutState, fact: Observed, _seq: int) -> RolloutState:
    """The state after one look: every guardrail's capital, and the share of traffic."""
    counted = exposure_guardrail(state.plan)
    since = look_started_at(state, state.gauges[counted])
    gauges = {}
    for guardrail in state.plan.spec.guardrails:
        gauge, evidence = _read(state.gauges[guardrail.name], fact, guardrail.name)
        gauge = _weigh(state, gauge, evidence, guardrail, fact.at)
        gauges[guardrail.name] = _with_problem_since(gauge, fact.at)
        if guardrail.name == counted:
            exposures = evidence
    return replace(
        state,
        gauges=gauges,
        looked_at=fact.at,
        first_canary_at=_first_request(state, gauges[counted], exposures, since),
        **_check_traffic_share(state, exposures, since, fact.at),
    )


def _read(gauge: GuardrailState, fact: Observed, name: str) -> tuple[GuardrailState, Counts]:
    """The gauge with its cursor moved, and what came in; unusable samples move nothing."""
    said = fact.problems.get(name, "")
    try:
        cursor, evidence = advance(gauge.cursor, fact.series.get(name, ()))
    except EvidenceError as error:
        return replace(gauge, problem=str(error)), Counts((0, 0), (0, 0))
    return replace(gauge, cursor=cursor, problem=said), evidence


def _with_problem_since(gauge: GuardrailState, at: float) -> GuardrailState:
    """The gauge with the time since which it has a problem, its samples' or its statistic's."""
    if not (gauge.problem or problem(gauge.capital)):
        return gauge if gauge.troubled_at is None else replace(gauge, troubled_at=None)
    return gauge if gauge.troubled_at is not None else replace(gauge, troubled_at=at)


def _weigh(
    state: RolloutState, gauge: GuardrailState, evidence: Counts, guardrail: Guardrail, at: float
) -> GuardrailState:
    """The gauge with its capital updated by the rule of the look's time, fixed in the plan."""
    before, lag = state.gauges[guardrail.name], guardrail.lag
    since = look_started_at(state, before)
    kept, evidence = pair_with_baseline(state, before, evidence, lag, at)
    if kept is not before:
        gauge = replace(gauge, kept=kept.kept, used_up_at=kept.used_up_at)
    if not evidence.canary_exposures and not evidence.stable_exposures:
        return gauge
    if may_hold_mirrored(state, since, lag):
        use = watch
    elif state.warm_at is None:
        use = learn
    else:
        use = look if since is not None and since >= state.warm_at else watch
    capital = use(gauge.rule, gauge.capital, evidence)
    later = use(gauge.rule, gauge.later, evidence) if gauge.later else None
    if evidence.canary_exposures:
        heard = gauge.cursor.newest("canary")
        return replace(gauge, capital=capital, later=later, expected=0.0, heard_at=heard)
    expected = gauge.expected + _expected_canary_exposures(state, evidence, since, lag)
    return replace(gauge, capital=capital, later=later, expected=expected)


def _expected_canary_exposures(
    state: RolloutState, evidence: Counts, since: float | None, lag: float
) -> float:
    """Independent canary exposures that stable's imply at the confirmed split."""
    routed = state.confirmed_at is not None and state.awaiting is None and state.split.canary
    share = share_of_all(state.plan, state.split)
    if not routed or not share or since is None:
        return 0.0
    late_enough = since >= (state.confirmed_at or 0.0) + lag
    odds = state.split.canary / max(state.split.stable, 1)
    if state.split.way == "segment":
        odds = share / max(1 - share, 1e-9)
    each = 1 / sample_ratio.CLUSTER if _clustered(state) else 1.0
    return evidence.stable_exposures * odds * each if late_enough else 0.0


def _first_request(
    state: RolloutState, gauge: GuardrailState, exposures: Counts, since: float | None
) -> float | None:
    if state.first_canary_at is not None or not exposures.canary_exposures:
        return state.first_canary_at
    if state.plan.spec.before is not None and not state.stepped:
        return None  # nothing was routed yet: a stray request is no switch
    return None if may_hold_mirrored(state, since, 0.0) else gauge.cursor.newest("canary")


def _check_traffic_share(
    state: RolloutState, exposures: Counts, since: float | None, at: float
) -> dict[str, Any]:
    """What changes by checking the observed share, on looks wholly after the mesh's receipt."""
    canary, stable = exposures.canary_exposures, exposures.stable_exposures
    copies = may_hold_mirrored(state, since, 0.0)
    requests = stable if copies else canary + stable
    told: dict[str, Any] = {"requests_per_look": float(requests or state.requests_per_look)}
    confirmed = state.confirmed_at
    if copies or state.awaiting is not None or confirmed is None or not state.split.canary:
        return told
    if since is None or since < confirmed:
        return told
    share, agrees = share_of_all(state.plan, state.split), canary > 0  # unknown: asked at all
    if share is not None:
        capital = sample_ratio.look(
            state.shares, canary, stable, share, clustered=_clustered(state)
        )
        told |= {"shares": capital, "parted": state.parted.seen(canary, stable, share)}
        agrees = not sample_ratio.mismatched(capital)
    return {**told, "steady_at": at} if state.steady_at is None and agrees else told


def _clustered(state: RolloutState) -> bool:
    """Whether requests come in users' clusters, or the share is only roughly known."""
    return has_affinity(state.plan) or state.split.way == "segment"
