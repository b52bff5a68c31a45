"""Rules that roll back, pause or answer a command; they come before all progress."""

from __future__ import annotations

from rollout.decide.evidence.exposure import exposure_guardrail
from rollout.decide.evidence.following import find_end
from rollout.decide.record.reasons import Reason
from rollout.decide.record.split import Split
from rollout.decide.rules.choice import Choice, hold, pause, promote, retreat, roll_back
from rollout.decide.rules.first_write import OBSTACLES, not_at_stable
from rollout.decide.rules.ramp import retreat_split
from rollout.decide.rules.view import View
from rollout.decide.state.retreat import MOST
from rollout.decide.state.rollout import Phase

CLIMBING: frozenset[Phase] = frozenset({"waiting", "stepping", "holding back", "retreated"})
"""Phases that a pause can interrupt."""

_RETREATING: frozenset[Phase] = frozenset({"stepping", "holding back", "paused"})

_PROMOTING: frozenset[Phase] = frozenset({"promoting", "following"})


def reverting(view: View) -> Choice | None:
    """Hold while a rollback is delivered, and until the traffic follows; nothing overtakes it."""
    state = view.state
    is_followed = state.is_following and state.is_going_back
    if state.phase == "reverting" or (is_followed and state.delivery.is_open):
        return hold(view, Reason.AWAITING_MESH)
    if not is_followed:
        return None
    if state.asked is not None:
        return hold(view, Reason(f"nothing-to-{state.asked.command}"), Reason.FOLLOWING)
    return hold(view, Reason.FOLLOWING)


def undoing(view: View) -> Choice | None:
    """Undo a promotion on a person's command only; only a person can cancel the undo."""
    state, asked = view.state, view.state.asked
    if state.phase == "promoted":
        return Choice("undo", Split(0, state.total), (Reason.HUMAN.of("undo"),))
    if state.phase != "undoing":
        return None
    if asked is not None and asked.command == "promote":
        return promote(view, Reason.HUMAN.of("promote"))
    return hold(view, Reason.AWAITING_MESH)


def aborted(view: View) -> Choice | None:
    """Roll back when a person aborts."""
    asked = view.state.asked
    return roll_back(view, Reason.HUMAN.of("abort")) if asked and asked.command == "abort" else None


def harmful(view: View) -> Choice | None:
    """Roll back when the evidence of harm suffices, also while paused or promoting."""
    if not view.judgement.harmful:
        return None
    return roll_back(view, *(Reason.HARMFUL.of(name) for name in view.judgement.cause))


def asked(view: View) -> Choice | None:
    """Answer a person's command at once, by doing it or by saying why not."""
    request, phase = view.state.asked, view.state.phase
    if request is None:
        return None
    if request.command == "undo" and view.state.is_following:
        return roll_back(view, Reason.HUMAN.of("undo"))
    if request.command == "promote" and phase not in {"promoting", "following"}:
        obstacles = (choice for rule in OBSTACLES if (choice := rule(view)))
        return next(obstacles, None) or promote(view, Reason.HUMAN.of("promote"))
    if request.command == "pause" and phase in CLIMBING:
        return pause(view, Reason.HUMAN.of("pause"))
    if request.command == "resume" and (phase in {"paused", "retreated"} or view.state.is_put_back):
        return Choice(
            "resume", view.state.wanted, (Reason.HUMAN.of("resume"), *_list_rewrite_reasons(view))
        )
    # An edit is answered by one decision only, so a command without effect must not use it up.
    # Journals without a `RouteRead` are decided as they were.
    edited = drifted(view) if view.state.route_read is not None else None
    return edited or hold(view, Reason(f"nothing-to-{request.command}"))


def _list_rewrite_reasons(view: View) -> tuple[str, ...]:
    """Return the code that makes a resume write the split again, after a refusal.

    After a refusal nobody knows what the mesh holds: the route may be gone, and a write creates it.
    """
    delivery = view.state.delivery
    is_routed = delivery.wanted.canary or (delivery.decision and not view.state.stepped)
    was_refused = delivery.problem and delivery.status != "to read again" and is_routed
    return (Reason.ROUTE_AGAIN,) if was_refused else ()


def drifted(view: View) -> Choice | None:
    """Pause or adopt what somebody else changed in the mesh, as the plan's `onDrift` says.

    A promotion always pauses: there is no ramp weight to adopt, so a person must decide.
    """
    phase = view.state.phase
    if not view.state.drifted or phase not in CLIMBING | _PROMOTING:
        return None
    if phase in _PROMOTING:
        return pause(view, Reason.DRIFT.of("promoting"))
    policy = view.state.plan.spec.on_drift
    # An edit that `revert` did not write over is another controller's, or one too many; and where
    # our mark is gone with the weight, a rollback may have ended that this journal does not know.
    is_kept = policy == "revert" and view.state.is_lived
    if policy == "pause" or is_kept or view.state.is_mark_gone:
        return pause(view, Reason.DRIFT)
    return hold(view, Reason.DRIFT.of("adopted"))


def one_armed(view: View) -> Choice | None:
    """Retreat to 0 % from a canary that reports nothing while stable goes on.

    Its requests may be lost, and nobody can tell. It is no verdict, so it is no rollback.
    """
    state = view.state
    blind = view.blind.get(exposure_guardrail(state.plan))
    may_retreat = state.phase in _RETREATING and not state.delivery.is_open
    # Journals without a `RouteRead` are decided as they were.
    is_known = state.route_read is not None and bool(state.first_write)
    is_silent = blind is not None and blind.is_one_armed and state.wanted.canary > 0
    if not (may_retreat and is_known and is_silent):
        return None
    return retreat(view, Reason.ONE_ARMED, to_nothing=True)


def suspected(view: View) -> Choice | None:
    """Retreat to the first step while evidence that stable's troubles limit would roll back.

    Nobody can tell a trouble of the canary from one as stable has had, until harm outlasts it. The
    lower weight bounds what is lost meanwhile. It is no verdict, so it is no rollback.
    """
    state, names = view.state, view.suspected
    may_retreat = state.phase == "stepping" and not state.delivery.is_open
    if not (names and may_retreat) or state.suspicions >= MOST:
        return None
    if not retreat_split(state, to_nothing=False).canary:
        return None  # it has the first step's weight already
    return retreat(view, *(Reason.SUSPECTED.of(name) for name in names), to_nothing=False)


def forgotten(view: View) -> Choice | None:
    """Roll back a pause that nobody ended in time: stable is known to be good."""
    paused = view.state.paused_at
    if paused is None or view.clock - paused < view.state.plan.spec.patience:
        return None
    return roll_back(view, Reason.PATIENCE_OVER)


def long_blind(view: View) -> Choice | None:
    """Pause or roll back, as the plan says, when a guardrail is blind for too long."""
    policy = view.state.plan.spec.when_blind
    # A resume starts the time again, so that a person can give a blind guardrail more of it.
    over = [name for name in view.blind if view.blind_for(name) >= policy.hold]
    # A route that is not at stable yet gives an arm nothing to see; the deadline ends that wait.
    phase = view.state.phase
    is_climbing = phase in CLIMBING - {"retreated"} and not_at_stable(view) is None
    if not over or not is_climbing:
        return None
    reasons = tuple(Reason.BLIND_TOO_LONG.of(name) for name in over)
    return (pause if policy.then == "pause" else roll_back)(view, *reasons)


def refused(view: View) -> Choice | None:
    """Pause after a refusal, since a retry cannot help; the weights stay as they were.

    A retreat is not given up: it takes traffic from a canary that may lose it, as a rollback does.
    """
    delivery = view.state.delivery
    is_retreat = delivery.is_open and find_end(view.state) == "retreated"
    if not delivery.is_refused or is_retreat:
        return None
    return Choice("pause", delivery.confirmed, (Reason.ROUTE_REFUSED,))
