"""Blindness: which guardrails cannot be judged now, why, and since when."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.guard import problem
from rollout.decide.state import Gauge, State
from rollout.plan.units import duration

# A canary that should have had this many exposures has none with a chance below .001.
_SURELY_SOME = 7.0


@dataclass(frozen=True)
class Blind:
    """Why one guardrail cannot be judged, and since when (unix seconds)."""

    reason: str
    since: float


def stale_after(state: State) -> float:
    """Seconds without a new sample after which a guardrail is blind."""
    spec = state.plan.spec
    return max(3 * spec.prometheus.scrape, 2 * spec.interval)


def blindness(state: State, now: float) -> dict[str, Blind]:
    """Every guardrail that is blind at `now`."""
    found = {name: _of(state, gauge, now) for name, gauge in state.gauges.items()}
    return {name: blind for name, blind in found.items() if blind is not None}


def _of(state: State, gauge: Gauge, now: float) -> Blind | None:
    stable, canary = gauge.cursor.newest("stable"), gauge.cursor.newest("canary")
    if gauge.troubled_at is not None:
        since = gauge.troubled_at if stable is None else min(stable, gauge.troubled_at)
        return Blind(gauge.problem or problem(gauge.capital), since)
    if stable is None:
        return Blind("no samples of the stable version yet", state.started_at)
    if now - stable > stale_after(state):
        return Blind(f"no new sample of stable for {duration(now - stable)}", stable)
    return _one_armed(state, gauge, canary, now)


def _one_armed(state: State, gauge: Gauge, canary: float | None, now: float) -> Blind | None:
    if canary is not None and now - canary > stale_after(state):
        return Blind(f"no new sample of the canary for {duration(now - canary)}", canary)
    if canary is None and gauge.expected >= _SURELY_SOME and state.confirmed_at is not None:
        reason = f"one-armed: no canary exposures where about {gauge.expected:.0f} were due"
        return Blind(reason, state.confirmed_at)
    return None
