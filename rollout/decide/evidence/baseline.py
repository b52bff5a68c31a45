"""Before and after a switch: stable's looks are kept, one for each later look of the canary."""

from __future__ import annotations

from dataclasses import replace

from analysis.counting.counts import Counts
from rollout.decide.evidence.exposure import exposure_guardrail, may_hold_mirrored
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import RolloutState

_NOTHING = Counts()


def after_switch(state: RolloutState) -> bool:
    """Whether the canary has all traffic and is compared with what stable did before."""
    whole = state.split.canary == state.split.total
    return whole and state.plan.spec.before is not None


def baseline_complete(state: RolloutState) -> bool:
    """Whether stable was watched for long enough to switch; true where nothing is asked."""
    before = state.plan.spec.before
    kept = state.gauges[exposure_guardrail(state.plan)].kept
    return before is None or len(kept) * state.plan.spec.interval >= before


def look_started_at(state: RolloutState, gauge: GuardrailState) -> float | None:
    """When the look now due begins: at stable's newest sample, after a switch at the canary's."""
    canary = gauge.cursor.newest("canary") if after_switch(state) else None
    return gauge.cursor.newest("stable") if canary is None else canary


def pair_with_baseline(
    state: RolloutState, gauge: GuardrailState, evidence: Counts, lag: float, at: float
) -> tuple[GuardrailState, Counts]:
    """The gauge with its kept looks, and what of this look is compared with which.

    Stable's looks of its first warm-up only teach (they choose edges and bets), so that no look is
    both bet on and known before. Every later one is kept, and in their order each is the partner of
    one look of the canary; a look of the canary that finds none is evidence of nothing.
    """
    if state.plan.spec.before is None:
        return gauge, evidence
    since = gauge.cursor.newest("stable")
    if may_hold_mirrored(state, since, lag):
        return gauge, evidence
    if state.first_canary_at is None and (
        since is None or since <= state.started_at + state.plan.spec.warmup
    ):
        return gauge, replace(evidence, canary=tuple(0 for _ in evidence.canary))
    gauge = _keep(state, gauge, evidence, since, lag)
    if not evidence.canary_exposures or not state.stepped:
        return gauge, _NOTHING
    if not gauge.kept:
        return replace(gauge, used_up_at=gauge.used_up_at or at), _NOTHING
    partner, *rest = gauge.kept
    return replace(gauge, kept=tuple(rest)), replace(evidence, stable=partner.stable)


def _keep(
    state: RolloutState, gauge: GuardrailState, evidence: Counts, since: float | None, lag: float
) -> GuardrailState:
    """With stable's look kept, if it tells of the time before the canary's first request."""
    first = state.first_canary_at
    late = first is not None and (since is None or since >= first + lag)
    if late or not evidence.stable_exposures:
        return gauge
    look = replace(evidence, canary=tuple(0 for _ in evidence.canary))
    return replace(gauge, kept=(*gauge.kept, look))
