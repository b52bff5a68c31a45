"""Rules that take back, stop or answer a person: they come before all progress."""

from __future__ import annotations

from rollout.decide.record.facts import AGAIN, REFUSED
from rollout.decide.record.split import Split
from rollout.decide.rules.choice import Choice, hold, pause, promote, roll_back
from rollout.decide.rules.view import View
from rollout.decide.state.rollout import Phase

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
    """A promotion has no weight of a ramp to adopt: whoever moved it meanwhile is asked first."""
    phase = seen.state.phase
    if not seen.state.drifted or phase not in CLIMBING | {"promoting"}:
        return None
    if phase == "promoting":
        return pause(seen, "drift:promoting")
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


def refused(seen: View) -> Choice | None:
    """Trying again alone is no cure: the weights stay as they were until a person resumes."""
    state = seen.state
    return Choice("pause", state.split, (REFUSED,)) if state.refused else None
