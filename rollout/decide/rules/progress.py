"""Rules that wait for the next step, and take it when nothing is against it."""

from __future__ import annotations

from rollout.decide.evidence.baseline import baseline_complete
from rollout.decide.evidence.exposure import mirror_of
from rollout.decide.record.split import Split
from rollout.decide.rules.choice import Choice, hold, pause, promote
from rollout.decide.rules.ramp import at_last_step, held_back, next_split
from rollout.decide.rules.view import View
from rollout.decide.state.hooks import awaited, failed


def unconfirmed(seen: View) -> Choice | None:
    return hold(seen, "awaiting-mesh") if seen.state.awaiting is not None else None


def paused(seen: View) -> Choice | None:
    return hold(seen, "paused") if seen.state.phase == "paused" else None


def making(seen: View) -> Choice | None:
    """A route that the plan makes comes first: without it nobody may reach stable, and be seen."""
    state = seen.state
    if not state.plan.spec.route.creates or state.stepped or state.confirmed_at is not None:
        return None
    return Choice("make route", Split(0, state.total), ("route-first",))


def blind(seen: View) -> Choice | None:
    return hold(seen, *(f"blind:{name}" for name in sorted(seen.blind))) if seen.blind else None


def learning(seen: View) -> Choice | None:
    """Pods are declared: what their past says comes before the first step."""
    state = seen.state
    wanted = state.plan.spec.pods is not None and state.learned is None and not state.stepped
    return hold(seen, "learning") if wanted else None


def untested(seen: View) -> Choice | None:
    """No valid test exists: the plan says what then, and a person may say so once more."""
    state, pods = seen.state, seen.state.plan.spec.pods
    if pods is None or state.learned is None or not state.unknown or state.stepped:
        return None
    reasons = tuple(f"no-valid-test:{name}" for name in sorted(state.unknown))
    if pods.when_unknown == "refuse":
        return hold(seen, *reasons)
    answered = pods.when_unknown == "assume" or state.resumed_at > state.learned.at
    return None if answered else pause(seen, *reasons)


def watching(seen: View) -> Choice | None:
    """Before a switch of all traffic: what the canary is compared with is collected first."""
    state = seen.state
    return None if state.stepped or baseline_complete(state) else hold(seen, "watching-stable")


def calling(seen: View) -> Choice | None:
    """All else is met: hooks are told before the first step; no rollback ever waits for one."""
    state = seen.state
    if state.stepped:
        return None
    if problems := failed(state):
        return pause(seen, *(f"hook-failed:{name}" for name in problems))
    names = awaited(state)
    return hold(seen, *(f"awaiting-hook:{name}" for name in names)) if names else None


def mirroring(seen: View) -> Choice | None:
    """Copies first: nothing is judged by them but a crash, and after their time comes a step."""
    state, mirror = seen.state, mirror_of(seen.state.plan)
    if mirror is None or state.wanted.way != "mirror":
        return None
    over = seen.now - (state.confirmed_at or seen.now) >= mirror.lasts
    return onward(seen) if over else hold(seen, "mirroring")


def skewed(seen: View) -> Choice | None:
    return hold(seen, "exposure-mismatch") if seen.skewed else None


ASKED = (blind, learning, untested, watching, calling, mirroring, skewed)
"""What is asked for before every step, and before a promotion without proof too."""


def baking(seen: View) -> Choice | None:
    """The step's own time: traffic agrees, the canary is warm, and the bake time is over."""
    state = seen.state
    if not state.wanted.canary:
        return None
    if state.steady_at is None or state.warm_at is None:
        return hold(seen, "awaiting-traffic")
    if seen.now < state.warm_at:
        return hold(seen, "warming-up")
    return None if seen.baked else hold(seen, "baking")


def holding_back(seen: View) -> Choice | None:
    """All but the holdback is on the canary: what was proven stands unless harm shows."""
    state, holdback = seen.state, seen.state.plan.spec.holdback
    if state.phase != "holding back" or holdback is None:
        return None
    if state.steady_at is None or state.confirmed_at is None:
        return hold(seen, "awaiting-traffic")
    over = seen.now - state.confirmed_at >= holdback.lasts
    return promote(seen, "held-back") if over else hold(seen, "holding-back")


def proven(seen: View) -> Choice | None:
    if not (at_last_step(seen.state) and seen.judgement.safe):
        return None
    split = held_back(seen.state)
    return Choice("hold back", split, ("all-safe",)) if split else promote(seen, "all-safe")


def onward(seen: View) -> Choice | None:
    split = next_split(seen.state)
    return Choice("advance", split, ("nothing-harmful",)) if split else None


def unproven(seen: View) -> Choice | None:
    verdicts = seen.judgement.verdicts
    open_ = tuple(f"undecided:{n}" for n, v in sorted(verdicts.items()) if v.kind != "safe")
    return hold(seen, *(open_ or ("ramp",)))
