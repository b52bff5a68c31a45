"""Blindness: the guardrails that cannot be judged now, why, and since when."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.decide.evidence.baseline import after_switch
from rollout.decide.evidence.exposure import counts_copies, exposure_guardrail
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import APART, RolloutState
from rollout.plan.fields.units import duration
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan

# A canary that should have had this many exposures has none with a chance below .001.
_SURELY_SOME = 7.0


@dataclass(frozen=True)
class Blind:
    """Why one guardrail cannot be judged, and since when (unix seconds)."""

    reason: str
    since: float
    is_one_armed: bool = False  # stable reports and has requests, the canary does not


def stale_after(state: RolloutState, lag: float = 0.0) -> float:
    """Return the seconds without a new sample after which a guardrail of this lag is blind."""
    return stale_limit(state.plan, lag)


def stale_limit(plan: Plan, lag: float) -> float:
    """Return the seconds without a new sample after which a plan's guardrail is blind."""
    return max(3 * plan.spec.prometheus.scrape, 2 * plan.spec.interval) + lag


def blindness(state: RolloutState, now: float, lived: float | None = None) -> dict[str, Blind]:
    """Return every guardrail that is blind at `now`, with the reason; `lived` as in a view.

    What is only shown waits for nothing and is left out.
    """
    blind_by_name = find_unseen(state, now, lived)
    shown_only = {own.name for own in state.plan.spec.guardrails if own.is_shown_only}
    return {name: blind for name, blind in blind_by_name.items() if name not in shown_only}


def find_unseen(state: RolloutState, now: float, lived: float | None = None) -> dict[str, Blind]:
    """Return every guardrail without what could be compared, those that are only shown as well."""
    now = _find_sample_time(state, now, state.clock_at(now, lived))
    guardrails = {guardrail.name: guardrail for guardrail in state.plan.spec.guardrails}
    blind_by_name = {
        name: _find_blindness(state, guardrail_state, guardrails[name], now)
        for name, guardrail_state in state.guardrails.items()
    }
    return {name: blind for name, blind in blind_by_name.items() if blind is not None}


def _find_sample_time(state: RolloutState, now: float, clock: float) -> float:
    """Return the time by which the age of samples is measured.

    It is the server's, by the wall clock and what an answer said last of its skew, while the wall
    clock has gone on like the rollout's own. Once it was set, or stood still with the machine, the
    newest sample tells, and the time lived through since it came. At the first look after that
    nobody knows whether a sample came meanwhile: it is as old as the wall clock says, until a newer
    one comes.
    """
    server = state.at_server(now)
    if not state.is_lived or not state.heard_at or abs(now - clock) <= APART:
        return server
    heard = state.heard_at + max(clock - state.heard_clock, 0.0)
    is_unknown = state.leapt_clock >= state.heard_clock or state.has_leapt(now, clock)
    return max(server, heard) if is_unknown else heard


def _find_blindness(
    state: RolloutState, guardrail: GuardrailState, declared: Guardrail, now: float
) -> Blind | None:
    lag = declared.lag
    stable, canary = guardrail.newest("stable"), guardrail.newest("canary")
    if guardrail.problem_since is not None:
        since = guardrail.problem_since if stable is None else min(stable, guardrail.problem_since)
        return Blind(guardrail.problem or guardrail.test.problem, since)
    if not declared.metric.needs_stable:
        check = _check_canary if declared.metric.pairs is None else _check_pairs
        return check(state, guardrail, canary, lag, now)
    # After a switch stable gets no traffic, so only the canary's silence matters.
    if after_switch(state):
        return _check_after_switch(state, guardrail, canary, lag, now)
    if stable is None:
        return Blind(f"no sample of {state.versions[0]} yet", state.started_at)
    if now - stable > stale_after(state, lag):
        return Blind(f"no new sample of {state.versions[0]} for {duration(now - stable)}", stable)
    return _check_canary(state, guardrail, canary, lag, now)


def _check_pairs(
    state: RolloutState, guardrail: GuardrailState, _: float | None, lag: float, now: float
) -> Blind | None:
    """Report that nobody counts pairs, in whatever order; a judge is given time at first."""
    newest = guardrail.newest_of_all
    since = max(state.started_at, state.delivery.confirmed_at or 0.0) if newest is None else newest
    if now - since <= stale_after(state, lag):
        return None
    if newest is None:
        return Blind("no pair yet", since)
    return Blind(f"no new sample of pairs for {duration(now - since)}", since)


def _check_after_switch(
    state: RolloutState, guardrail: GuardrailState, canary: float | None, lag: float, now: float
) -> Blind | None:
    """Check the canary after a switch; how many exposures are due follows from stable's looks."""
    confirmed_at = state.delivery.confirmed_at
    if canary is not None or confirmed_at is None or not guardrail.baseline_looks:
        return _check_canary(state, guardrail, canary, lag, now)
    per_look = sum(look.stable_exposures for look in guardrail.baseline_looks) / len(
        guardrail.baseline_looks
    )
    elapsed = now - confirmed_at - lag
    due = per_look * elapsed / state.plan.spec.interval
    if due < _SURELY_SOME or elapsed <= stale_after(state):
        return None
    reason = _describe_silence(state, due)
    return Blind(reason, confirmed_at, is_one_armed=True)


def _check_canary(
    state: RolloutState, guardrail: GuardrailState, canary: float | None, lag: float, now: float
) -> Blind | None:
    if state.split.way == "mirror":
        return _check_copies(state, guardrail, lag, now)
    if not state.split.canary:
        return None  # the canary gets no traffic (perhaps somebody edited the weights)
    if canary is not None:
        # A canary that had no traffic before the confirmation is given time from there.
        since = max(canary, state.delivery.confirmed_at or canary)
        if now - since > stale_after(state, lag):
            reason = f"no new sample of {state.versions[1]} for {duration(now - canary)}"
            return Blind(reason, since, is_one_armed=True)
    return _check_silence(state, guardrail, lag, now)


def has_unanswered_copies(state: RolloutState, guardrail: GuardrailState) -> bool:
    """Return whether a canary that answered copies has answered none of the newest."""
    is_asked = state.guardrails[exposure_guardrail(state.plan)] is guardrail
    return is_asked and counts_copies(state) and guardrail.expected >= _SURELY_SOME


def _check_copies(
    state: RolloutState, guardrail: GuardrailState, lag: float, now: float
) -> Blind | None:
    """Report a canary that answers no copies any more; no user's request waits for it."""
    since = guardrail.last_canary_sample_at
    if since is None or not has_unanswered_copies(state, guardrail):
        return None
    is_late = now - since > stale_after(state, lag)
    return Blind(_describe_silence(state, guardrail.expected), since) if is_late else None


def _check_silence(
    state: RolloutState, guardrail: GuardrailState, lag: float, now: float
) -> Blind | None:
    """Report a canary without new exposures although stable's imply that it had some.

    Its counters stand still, or never came. A canary that had exposures before may miss a few
    scrapes.
    """
    confirmed_at = state.delivery.confirmed_at
    if guardrail.expected < _SURELY_SOME or confirmed_at is None:
        return None
    since = max(guardrail.last_canary_sample_at or confirmed_at, confirmed_at)
    stale = stale_after(state, lag)
    if guardrail.last_canary_sample_at is not None and now - since <= stale:
        return None
    reason = _describe_silence(state, guardrail.expected)
    # A mesh that takes a first step late is no canary without an answer: it is given time as well.
    return Blind(reason, since, is_one_armed=now - since > stale)


def _describe_silence(state: RolloutState, expected: float) -> str:
    return f"nothing counted for {state.versions[1]} where about {expected:,.0f} are expected"
