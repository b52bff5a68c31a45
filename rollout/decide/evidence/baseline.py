"""Comparison of a switched canary with stable's looks from before the switch.

Stable's looks before the switch are stored in `GuardrailState.baseline_looks`; each is
compared with exactly one later look of the canary.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.counting.counts import Counts
from analysis.counting.native_histogram import merged
from rollout.decide.evidence.exposure import exposure_guardrail, may_hold_mirrored
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import RolloutState

_NO_COUNTS = Counts()


def after_switch(state: RolloutState) -> bool:
    """Return whether the canary has all traffic and is compared with stable before the switch."""
    all_traffic = state.split.canary == state.split.total
    return all_traffic and state.plan.spec.before is not None


def baseline_complete(state: RolloutState) -> bool:
    """Return whether stable was watched long enough to switch; true if the plan has no `before`."""
    before = state.plan.spec.before
    counted = state.guardrails[exposure_guardrail(state.plan)]
    if counted.test.is_alone:
        return True  # no guardrail is compared with stable
    looks = counted.baseline_looks
    return before is None or len(looks) * state.plan.spec.interval >= before


def look_started_at(state: RolloutState, guardrail: GuardrailState) -> float | None:
    """Return when this look began: at stable's newest sample, after a switch the canary's."""
    canary = guardrail.newest("canary") if after_switch(state) else None
    return guardrail.newest("stable") if canary is None else canary


def pair_with_baseline(
    state: RolloutState, guardrail: GuardrailState, counts: Counts, lag: float, at: float
) -> tuple[GuardrailState, Counts]:
    """Return the guardrail with its stored looks, and the counts to compare in this look.

    Stable's looks in the first warm-up are only learned from: they choose histogram edges and bets.
    A look that chose a bet must not be bet on as well, or the test's error rate would not hold.
    Every later look is stored, and each is the partner of one look of the canary, in order. A look
    of the canary without a partner is no evidence. Its buckets may have been merged meanwhile.
    """
    if state.plan.spec.before is None:
        return guardrail, counts
    since = guardrail.newest("stable")
    if may_hold_mirrored(state, since, lag):
        return guardrail, counts
    if state.first_canary_at is None and (
        since is None or since <= state.started_at + state.plan.spec.warmup
    ):
        return guardrail, _without_canary(counts)
    guardrail = _keep_look(state, guardrail, counts, since, lag)
    if not counts.canary_exposures or not state.stepped:
        return guardrail, _NO_COUNTS
    if not guardrail.baseline_looks:
        return replace(
            guardrail, baseline_exhausted_at=guardrail.baseline_exhausted_at or at
        ), _NO_COUNTS
    partner, *rest = guardrail.baseline_looks
    return replace(guardrail, baseline_looks=tuple(rest)), _with_stable(counts, partner)


def _without_canary(counts: Counts) -> Counts:
    return replace(counts, canary=tuple(0 for _ in counts.canary), canary_unlabelled=0)


def _with_stable(counts: Counts, partner: Counts) -> Counts:
    """Return the canary's counts with stable's of another look, in the canary's buckets."""
    if partner.edges == counts.edges:
        return replace(counts, stable=partner.stable, stable_unlabelled=partner.stable_unlabelled)
    if not set(counts.edges) < set(partner.edges):
        return _NO_COUNTS
    return replace(counts, stable=merged(partner.stable, partner.edges, counts.edges))


def _keep_look(
    state: RolloutState, guardrail: GuardrailState, counts: Counts, since: float | None, lag: float
) -> GuardrailState:
    """Store stable's look, if it is of the time before the canary's first request."""
    first = state.first_canary_at
    late = first is not None and (since is None or since >= first + lag)
    if late or not counts.stable_exposures:
        return guardrail
    look = _without_canary(counts)
    return replace(guardrail, baseline_looks=(*guardrail.baseline_looks, look))
