"""Rules that take back, stop or answer a person: they come before all progress."""

from __future__ import annotations

from rollout.decide.choice import Choice, hold, pause, promote, roll_back
from rollout.decide.facts import AGAIN, REFUSED
from rollout.decide.split import Split
from rollout.decide.state import Phase
from rollout.decide.view import View

CLIMBING: frozenset[Phase] = frozenset({"waiting", "stepping", "holding back"})
"""Phases that a pause can interrupt."""


def reverting(seen: View) -> Choice | None:
    """Nothing overtakes a rollback."""
    return hold(seen, "awaiting-mesh") if seen.state.phase == "reverting" else None


def undoing(seen: View) -> Choice | None:
    """A promotion is taken back by a person's word alone, and so is the word."""
    state, asked = seen.state, seen.state.asked
    if state.phase == "promoted":
        return Choice("undo", Split(0, state.total), ("human:undo",))
    if state.phase != "undoing":
        return None
    if asked is not None and asked.command == "promote":
        return promote(seen, "human:promote")
    return hold(seen, "awaiting-mesh")


def aborted(seen: View) -> Choice | None:
    asked = seen.state.asked
    return roll_back(seen, "human:abort") if asked and asked.command == "abort" else None


def harmful(seen: View) -> Choice | None:
    if not seen.judgement.harmful:
        return None
    return roll_back(seen, *(f"harmful:{name}" for name in seen.judgement.cause))


def asked(seen: View) -> Choice | None:
    """A person's command is answered at once, by doing it or by saying why not."""
    asked, phase = seen.state.asked, seen.state.phase
    if asked is None:
        return None
    if asked.command == "promote" and phase != "promoting":
        return promote(seen, "human:promote")
    if asked.command == "pause" and phase in CLIMBING:
        return pause(seen, "human:pause")
    if asked.command == "resume" and phase == "paused":
        return Choice("resume", seen.state.wanted, ("human:resume", *_again(seen)))
    return hold(seen, f"nothing-to-{asked.command}")


def _again(seen: View) -> tuple[str, ...]:
    """After a refusal nobody knows what is there: a route may be gone, and made anew by a write."""
    state = seen.state
    refused = state.route_problem and not state.unread and state.wanted.canary
    return (AGAIN,) if refused else ()


def drifted(seen: View) -> Choice | None:
    if not seen.state.drifted or seen.state.phase not in CLIMBING:
        return None
    if seen.state.plan.spec.on_drift == "pause":
        return pause(seen, "drift")
    return hold(seen, "drift:adopted")


def forgotten(seen: View) -> Choice | None:
    """A pause that no person ended in time ends where traffic is known to be good."""
    paused = seen.state.paused_at
    if paused is None or seen.now - paused < seen.state.plan.spec.patience:
        return None
    return roll_back(seen, "patience-over")


def long_blind(seen: View) -> Choice | None:
    policy, resumed = seen.state.plan.spec.when_blind, seen.state.resumed_at
    over = [n for n, b in seen.blind.items() if seen.now - max(b.since, resumed) >= policy.hold]
    if not over or seen.state.phase not in CLIMBING:
        return None
    reasons = tuple(f"blind-too-long:{name}" for name in over)
    return (pause if policy.then == "pause" else roll_back)(seen, *reasons)


def late(seen: View) -> Choice | None:
    """Past the deadline without proof: inconclusive, and the plan says what that means."""
    phase = seen.state.phase
    if phase == "paused" or seen.now < seen.state.due_at:
        return None
    return _inconclusive(seen, "inconclusive")


def _inconclusive(seen: View, *reasons: str) -> Choice | None:
    policy, phase = seen.state.plan.spec.when_inconclusive, seen.state.phase
    if policy == "promote":
        return None if phase == "promoting" else promote(seen, *reasons)
    if policy == "pause" and phase in CLIMBING:
        return pause(seen, *reasons)
    return roll_back(seen, *reasons)


def used_up(seen: View) -> Choice | None:
    """All of stable that was kept from before the switch is compared: no more can be learned."""
    state, verdicts = seen.state, seen.judgement.verdicts
    over = [
        name
        for name, gauge in state.gauges.items()
        if gauge.used_up_at is not None
        and gauge.used_up_at > state.resumed_at
        and verdicts[name].kind != "safe"
    ]
    if not over or state.phase != "stepping":
        return None
    return _inconclusive(seen, *(f"used-up:{name}" for name in over))


def refused(seen: View) -> Choice | None:
    """Trying again alone is no cure: the weights stay as they were until a person resumes."""
    state = seen.state
    return Choice("pause", state.split, (REFUSED,)) if state.refused else None
