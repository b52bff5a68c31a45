"""Blindness: which guardrails cannot be judged now, why, and since when."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.verdict.guardrail import problem
from rollout.decide.evidence.baseline import after_switch
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import RolloutState
from rollout.plan.fields.units import duration

# A canary that should have had this many exposures has none with a chance below .001.
_SURELY_SOME = 7.0


@dataclass(frozen=True)
class Blind:
    """Why one guardrail cannot be judged, and since when (unix seconds)."""

    reason: str
    since: float


def stale_after(state: RolloutState) -> float:
    """Seconds without a new sample after which a guardrail is blind."""
    spec = state.plan.spec
    return max(3 * spec.prometheus.scrape, 2 * spec.interval)


def blindness(state: RolloutState, now: float) -> dict[str, Blind]:
    """Every guardrail that is blind at `now`."""
    lags = {guardrail.name: guardrail.lag for guardrail in state.plan.spec.guardrails}
    found = {name: _of(state, gauge, lags[name], now) for name, gauge in state.gauges.items()}
    return {name: blind for name, blind in found.items() if blind is not None}


def _of(state: RolloutState, gauge: GuardrailState, lag: float, now: float) -> Blind | None:
    stable, canary = gauge.cursor.newest("stable"), gauge.cursor.newest("canary")
    if gauge.troubled_at is not None:
        since = gauge.troubled_at if stable is None else min(stable, gauge.troubled_at)
        return Blind(gauge.problem or problem(gauge.capital), since)
    if after_switch(state):
        return _alone(state, gauge, canary, lag, now)
    if stable is None:
        return Blind("no samples of the stable version yet", state.started_at)
    if now - stable > stale_after(state):
        return Blind(f"no new sample of stable for {duration(now - stable)}", stable)
    return _one_armed(state, gauge, canary, now)


def _alone(
    state: RolloutState, gauge: GuardrailState, canary: float | None, lag: float, now: float
) -> Blind | None:
    """After a switch of all traffic: stable's silence is no blindness, the canary's is."""
    if canary is not None or state.confirmed_at is None or not gauge.kept:
        return _one_armed(state, gauge, canary, now)
    each = sum(look.stable_exposures for look in gauge.kept) / len(gauge.kept)
    due = each * (now - state.confirmed_at - lag) / state.plan.spec.interval
    if due < _SURELY_SOME or now - state.confirmed_at - lag <= stale_after(state):
        return None
    reason = f"one-armed: no canary exposures where about {due:.0f} were due"
    return Blind(reason, state.confirmed_at)


def _one_armed(
    state: RolloutState, gauge: GuardrailState, canary: float | None, now: float
) -> Blind | None:
    if state.split.way == "mirror":
        return None  # copies are welcome, not awaited
    if not state.split.canary:
        return None  # it gets no traffic, after a hand's edit say: silence is what was to be
    if canary is not None:
        heard = max(canary, state.confirmed_at or canary)
        if now - heard > stale_after(state):
            return Blind(f"no new sample of the canary for {duration(now - canary)}", heard)
    return _silent(state, gauge, now)


def _silent(state: RolloutState, gauge: GuardrailState, now: float) -> Blind | None:
    """The canary's counters stand still, or never came, where stable's say that it had its share.

    One that was heard may miss a few scrapes.
    """
    if gauge.expected < _SURELY_SOME or state.confirmed_at is None:
        return None
    since = max(gauge.heard_at or state.confirmed_at, state.confirmed_at)
    if gauge.heard_at is not None and now - since <= stale_after(state):
        return None
    reason = f"one-armed: no canary exposures where about {gauge.expected:.0f} were due"
    return Blind(reason, since)
