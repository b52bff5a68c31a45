"""Rules that wait for the next step, and take it when nothing blocks it."""

from __future__ import annotations

from rollout.decide.evidence.baseline import baseline_complete
from rollout.decide.evidence.blindness import has_unanswered_copies
from rollout.decide.evidence.confirmation import awaits_confirmation
from rollout.decide.evidence.exposure import exposure_guardrail, mirror_of
from rollout.decide.evidence.labels import list_uneven
from rollout.decide.record.reasons import Reason
from rollout.decide.record.split import Split
from rollout.decide.rules import first_write
from rollout.decide.rules.choice import Choice, hold, pause, promote
from rollout.decide.rules.ramp import at_last_step, held_back, next_split
from rollout.decide.rules.view import View
from rollout.decide.state.hooks import awaited, failed


def unconfirmed(view: View) -> Choice | None:
    """Hold while the mesh has not confirmed the last change."""
    return hold(view, Reason.AWAITING_MESH) if view.state.delivery.is_open else None


def promoted(view: View) -> Choice | None:
    """Hold after a promotion until the traffic follows it."""
    return hold(view, Reason.FOLLOWING) if view.state.is_following else None


def retreated(view: View) -> Choice | None:
    """Hold after a retreat until the canary's endpoints answer again, or a person resumes.

    Where the endpoints were ready throughout, the fault is in labels or scrapes: only a person can
    tell. A retreat that traffic does not follow, and one too many, is a pause.
    """
    state = view.state
    if state.phase != "retreated" or state.retreat is None:
        return None
    if state.retreat.is_one_too_many:
        return pause(view, Reason.RETREATS_USED_UP)
    if state.following is not None and state.following.outcome == "not followed":
        return pause(view, Reason.NOT_FOLLOWED)
    is_back = state.retreat.has_lost_endpoints and bool(
        state.route_read and state.route_read.has_endpoints
    )
    is_followed = state.following is None or state.following.outcome is not None
    return None if is_back and is_followed else hold(view, Reason.RETREATED)


def paused(view: View) -> Choice | None:
    """Hold while a person has to end the pause."""
    return hold(view, Reason.PAUSED) if view.state.phase == "paused" else None


def making(view: View) -> Choice | None:
    """Create the plan's route first: without it no request may reach stable and be measured."""
    state = view.state
    if (
        not state.plan.spec.route.creates
        or state.stepped
        or state.delivery.confirmed_at is not None
    ):
        return None
    return Choice("make route", Split(0, state.total), (Reason.ROUTE_FIRST,))


def blind(view: View) -> Choice | None:
    """Hold while any guardrail is blind: progress needs all of them."""
    return (
        hold(view, *(Reason.BLIND.of(name) for name in sorted(view.blind))) if view.blind else None
    )


def learning(view: View) -> Choice | None:
    """Hold the first step until stable's past was read, where it is to be."""
    state = view.state
    is_needed = state.reads_past and state.learned is None and not state.stepped
    return hold(view, Reason.LEARNING) if is_needed else None


def untested(view: View) -> Choice | None:
    """Stop the first step where no valid test exists, as the plan's `whenUnknown` says.

    With `pause`, a person who resumes after the past was read accepts that there is no test.
    """
    state, pods = view.state, view.state.plan.spec.declared_pods
    if pods is None or state.learned is None or not state.unknown or state.stepped:
        return None
    reasons = tuple(Reason.NO_VALID_TEST.of(name) for name in sorted(state.unknown))
    if pods.when_unknown == "refuse":
        return hold(view, *reasons)
    is_accepted = pods.when_unknown == "assume" or state.resumed_at > state.learned_at
    return None if is_accepted else pause(view, *reasons)


def watching(view: View) -> Choice | None:
    """Hold a switch of all traffic until enough of stable's looks are collected."""
    state = view.state
    return None if state.stepped or baseline_complete(state) else hold(view, Reason.WATCHING_STABLE)


def calling(view: View) -> Choice | None:
    """Hold the first step until its hooks have answered.

    This rule comes after the other conditions, so hooks are called only when the step would be
    taken. No rollback ever waits for a hook.
    """
    state = view.state
    if state.stepped:
        return None
    if problems := failed(state):
        return pause(view, *(Reason.HOOK_FAILED.of(name) for name in problems))
    names = awaited(state)
    return hold(view, *(Reason.AWAITING_HOOK.of(name) for name in names)) if names else None


def mirroring(view: View) -> Choice | None:
    """Mirror requests first; only a crash is judged by them, and then comes the first step."""
    state, mirror = view.state, mirror_of(view.state.plan)
    if mirror is None or state.wanted.way != "mirror":
        return None
    is_over = view.clock - (state.delivery.confirmed_clock or view.clock) >= mirror.lasts
    if not is_over:
        return hold(view, Reason.MIRRORING)
    name = exposure_guardrail(state.plan)
    if has_unanswered_copies(state, state.guardrails[name]):
        return hold(view, Reason.MIRRORING.of(name))
    return onward(view)


def skewed(view: View) -> Choice | None:
    """Hold while the observed traffic share contradicts the split."""
    return hold(view, Reason.EXPOSURE_MISMATCH) if view.is_skewed else None


ASKED = (
    first_write.awaiting_endpoints,
    first_write.reported,
    blind,
    learning,
    untested,
    watching,
    calling,
    mirroring,
    skewed,
)
"""Conditions of every step, and of a promotion without proof as well."""


def near_harm(view: View) -> Choice | None:
    """Hold before every step up while the evidence of harm is too close to a rollback's.

    So it does on a suspicion, whose evidence is limited (`safety.suspected`). The rules that raise
    the weight ask it last. So it speaks only where a step would follow: elsewhere it would change
    nothing but the recorded reason.
    """
    if view.suspected:
        return hold(view, *(Reason.SUSPECTED.of(name) for name in view.suspected))
    return hold(view, Reason.NEAR_HARM) if view.near_harm else None


def unevenly_labelled(view: View) -> Choice | None:
    """Hold a promotion while one version is labelled less often: its labels may be the good ones.

    Steps go on, since harm is found all the same.
    """
    names = list_uneven(view.state)
    reasons = [Reason.LABELS_DIFFER.of(name) for name in names]
    return hold(view, *reasons) if reasons else None


def before_promotion(view: View) -> Choice | None:
    """Hold a promotion, or the holdback before it, that evidence stands against."""
    return near_harm(view) or unevenly_labelled(view)


def baking(view: View) -> Choice | None:
    """Hold until traffic agrees with the weight, the warm-up is over, and the bake time too."""
    state = view.state
    if not state.wanted.canary:
        return None
    if state.steady_at is None or state.warm_at is None:
        return hold(view, Reason.AWAITING_TRAFFIC)
    if state.at_server(view.now) < state.warm_at:
        return hold(view, Reason.WARMING_UP)
    if awaits_confirmation(state):
        return hold(view, Reason.CONFIRMING_PODS)
    return None if view.is_baked else hold(view, Reason.BAKING)


def holding_back(view: View) -> Choice | None:
    """Hold while stable keeps only the holdback, then promote.

    The canary was proven safe before, so safety is not asked again: only harm ends a holdback, and
    `safety.harmful` comes before this rule.
    """
    state, holdback = view.state, view.state.plan.spec.holdback
    if state.phase != "holding back" or holdback is None:
        return None
    if state.steady_at is None or state.delivery.confirmed_clock is None:
        return hold(view, Reason.AWAITING_TRAFFIC)
    is_over = view.clock - state.delivery.confirmed_clock >= holdback.lasts
    if not is_over:
        return hold(view, Reason.HOLDING_BACK)
    return before_promotion(view) or promote(view, Reason.HELD_BACK)


def proven(view: View) -> Choice | None:
    """Promote, or begin the holdback, once all guardrails are safe at the last step."""
    if not (at_last_step(view.state) and view.judgement.safe):
        return None
    split = held_back(view.state)
    step = Choice("hold back", split, (Reason.ALL_SAFE,)) if split else None
    return before_promotion(view) or step or promote(view, Reason.ALL_SAFE)


def onward(view: View) -> Choice | None:
    """Advance to the next step, if the ramp has one."""
    split = next_split(view.state)
    if split is None:
        return None
    return near_harm(view) or Choice("advance", split, (Reason.NOTHING_HARMFUL,))


def unproven(view: View) -> Choice | None:
    """Hold at this weight and name the guardrails without proof; the last rule."""
    verdicts = view.judgement.verdicts
    open_ = tuple(Reason.UNDECIDED.of(n) for n, v in sorted(verdicts.items()) if not v.lets_promote)
    return hold(view, *(open_ or (Reason.RAMP,)))
