"""Delivery of a recorded decision to the mesh: write it, read it back, detect edits by others.

How it works: while `state.delivery` is open, ticks call `apply` and then `confirm`. `apply` writes
the wanted split, unless a read shows that it is there already or that somebody else edited the
weights. `confirm` reads the mesh until it shows the split together with its write id, and returns
the fact to record: confirmed, failed or drifted. A write is never trusted on its own, because a
request that timed out may still have been applied. While the delivery is not open, every look
calls `find_drift`, which compares the mesh with the split that was confirmed last. Nothing here
changes the state: the facts do, by the table in `rollout/decide/state/delivery.py`.

Three cases restrict writing. `to read again`: the wanted split was confirmed before an outage, so
it is only read. `is_unseen`: nobody read the mesh since an outage, so a split that is neither the
old nor the new one is somebody's edit, and is reported as a drift instead of being overwritten; a
rollback is the exception, it is always written. `making`: only the plan's route is created, with
all traffic to stable; a route that exists already is not changed.
"""

from __future__ import annotations

from dataclasses import replace

from rollout.decide.record.facts import Confirmed, Drifted, Fact, RouteFailed
from rollout.decide.state.rollout import MOVES, RolloutState
from rollout.errors import RouteError
from rollout.ports import Clock, Router, RouteStatus

_POLL = 0.02  # seconds between two reads while the mesh has not shown the split
REFUSALS_BEFORE_PAUSE = 3  # rejections in a row, seconds apart, that count as final
POLICY_RESTORE_ATTEMPTS = 3  # then a rollback is confirmed with the policy as it is


def write_id(rollout: str, state: RolloutState) -> str:
    """Return the id that is written with the weights; it names exactly one journal entry."""
    return f"{rollout}/{state.delivery.decision}"


def apply(router: Router, rollout: str, state: RolloutState) -> RouteError | None:
    """Write the wanted split, unless the mesh shows it already. Returns what went wrong.

    Nothing is written where a read is enough, or where somebody else edited the weights during an
    outage; `confirm` reads and reports that. A rollback is written in any case.
    """
    if not state.delivery.has_to_write:
        return None
    status = _read(router, state)
    if state.is_making_route and not _is_absent(status):
        return None
    if _matches(status, rollout, state) or _is_edited_by_other(status, state):
        return None
    try:
        router.write(state.plan, state.wanted, write_id(rollout, state))
    except RouteError as error:
        return error
    return None


def confirm(
    router: Router,
    clock: Clock,
    rollout: str,
    state: RolloutState,
    *,
    problem: RouteError | None,
    until: float,
) -> Fact:
    """Read the mesh until it shows the decision; return the confirmation, failure or drift.

    `until` is the unix time at which reading ends.
    """
    if not state.delivery.has_to_write:
        difference = _find_difference(router, rollout, state, clock.now())
        return difference or _build_confirmed(rollout, state, clock)
    if problem is None and state.is_making_route:
        problem = _find_unmade_route(_read(router, state), state)
        if problem is None:
            return _build_confirmed(rollout, state, clock)
    if problem is None and state.delivery.is_unseen:
        status = _read(router, state)
        if isinstance(status, RouteStatus) and _is_edited_by_other(status, state):
            return _build_drifted(rollout, state, status, clock.now())
    problem = problem or _await_decision(router, clock, rollout, state, until)
    if problem is not None:
        return record_failure(rollout, state, problem, clock.now())
    return _build_confirmed(rollout, state, clock)


def _build_confirmed(rollout: str, state: RolloutState, clock: Clock) -> Confirmed:
    """Return the fact that the mesh shows the wanted split."""
    return Confirmed(
        rollout=rollout,
        at=clock.now(),
        decision=state.delivery.decision,
        split=state.wanted,
        stable=_find_stable(state),
    )


def _is_absent(status: RouteStatus | RouteError) -> bool:
    """Return whether the route does not exist yet, so that it may be created."""
    return isinstance(status, RouteError) and status.absent


def _find_unmade_route(status: RouteStatus | RouteError, state: RolloutState) -> RouteError | None:
    """Return why the first route is not ready; None where it sends all traffic to stable.

    An existing route is not overwritten: somebody gave the canary traffic, or leads elsewhere, so
    a person must decide. A route that is still absent is tried again.
    """
    if isinstance(status, RouteError):
        is_final = not status.absent and not status.unread
        return RouteError(str(status), refused=is_final, unread=status.unread)
    if not status.split.canary:
        return None
    stable, canary = state.versions
    weight = f"{status.split.canary} of {status.split.total}"
    cure = f"move all traffic to {stable}, then resume"
    return RouteError(f"the route is there and gives {canary} {weight}: {cure}", refused=True)


def _find_stable(state: RolloutState) -> str | None:
    """Return the stable version if the confirmation ends the rollout, else None."""
    return replace(state, phase=MOVES.get((state.phase, "confirmed"), "waiting")).stable_after


def find_drift(router: Router, rollout: str, state: RolloutState, now: float) -> Fact | None:
    """Return the drift or failure where the mesh does not show what we wrote; else None.

    While paused, the same failure is recorded once and not at every look.
    """
    if not state.delivery.decision or state.delivery.is_open:
        return None
    if _is_unchanged_in_watch(router, state):
        return None
    fact = _find_difference(router, rollout, state, now)
    if isinstance(fact, RouteFailed) and state.phase == "paused":
        return None if fact.problem == state.route_problem else fact
    return fact


def _find_difference(router: Router, rollout: str, state: RolloutState, now: float) -> Fact | None:
    """Read the mesh; return a failure or drift where it differs from the confirmed split."""
    status = _read(router, state)
    if isinstance(status, RouteError):
        return record_failure(rollout, state, status, now)
    if _shows_confirmed(status, state):
        return None
    return _build_drifted(rollout, state, status, now)


def _build_drifted(rollout: str, state: RolloutState, status: RouteStatus, now: float) -> Drifted:
    """Return the fact that somebody else moved the weights or changed the policy."""
    moved = status.split != state.split
    policy = status.policy if state.stepped else ""  # it comes into force with the first step
    return Drifted(rollout=rollout, at=now, seen=status.split, policy=policy, anew=moved)


def _is_edited_by_other(status: RouteStatus | RouteError, state: RolloutState) -> bool:
    """Return whether the first read after an outage shows a split that is neither old nor new.

    A rollback (no weight for the canary) overrides any edit, so it is never one.
    """
    if isinstance(status, RouteError) or not state.delivery.is_unseen or not state.wanted.canary:
        return False
    return status.split not in {state.split, state.wanted}


def _shows_confirmed(status: RouteStatus, state: RolloutState) -> bool:
    """Return whether the mesh shows the confirmed split, and the policy as it was then."""
    if not state.stepped:
        return status.split == state.split
    return (status.split, status.policy) == (state.split, state.policy_drift)


def _is_unchanged_in_watch(router: Router, state: RolloutState) -> bool:
    """Return whether the watch cache shows what was confirmed.

    Any other answer may be out of date, so the caller reads the mesh itself.
    """
    try:
        status = router.cached(state.plan, state.total)
    except RouteError:
        return False
    return status is not None and _shows_confirmed(status, state)


def record_failure(
    rollout: str, state: RolloutState, problem: RouteError, at: float
) -> RouteFailed:
    """Return the fact for one more failed attempt to reach the mesh.

    An API server that has just started rejects for a moment what it allows later. Where nothing
    had to be written, the first rejections therefore count as a mesh that could not be read.
    """
    delivery = state.delivery
    attempt = delivery.attempts + 1
    is_denied = problem.refused and not problem.absent
    is_temporary = is_denied and attempt < REFUSALS_BEFORE_PAUSE and not delivery.has_to_write
    return RouteFailed(
        rollout=rollout,
        at=at,
        decision=state.delivery.decision,
        problem=str(problem),
        attempt=attempt,
        refused=problem.refused and not is_temporary,
        unread=problem.unread or is_temporary,
    )


def _await_decision(
    router: Router, clock: Clock, rollout: str, state: RolloutState, until: float
) -> RouteError | None:
    """Read back until the mesh shows the decision; return the problem if it does not."""
    while not _matches(status := _read(router, state), rollout, state):
        if clock.now() >= until:
            return (
                RouteError(_describe_refusal(router, state, status))
                if isinstance(status, RouteStatus)
                else status
            )
        clock.sleep(_POLL)
    return None


def _describe_refusal(router: Router, state: RolloutState, status: RouteStatus) -> str:
    """Describe how the mesh differs from the decision, and why as far as the router knows."""
    diagnosis = router.diagnose(state.plan)
    mode = "" if status.split.way == "weights" else f" ({status.split.way})"
    difference = f"the mesh still shows {status.split.canary} of {status.split.total}{mode}"
    if status.split == state.wanted and status.policy:
        difference = status.policy
    return f"{difference}; {diagnosis}" if diagnosis else difference


def _read(router: Router, state: RolloutState) -> RouteStatus | RouteError:
    """Read the mesh; an error is returned, because many callers treat it as one more answer."""
    try:
        return router.read(state.plan, state.total)
    except RouteError as error:
        return error


def _matches(status: RouteStatus | RouteError, rollout: str, state: RolloutState) -> bool:
    """Return whether the mesh shows the wanted split, our write id and the plan's policy."""
    if isinstance(status, RouteError):
        return False
    # Equal weights are not enough: without our id somebody else may have written them.
    is_ours = status.split == state.wanted and status.write_id == write_id(rollout, state)
    return is_ours and (not status.policy or _policy_may_differ(state))


def _policy_may_differ(state: RolloutState) -> bool:
    """Return whether a differing policy may stay while the split is confirmed.

    It may where the plan adopts drift. It may after a rollback whose policy could not be restored
    in a few attempts: the traffic is where it belongs, and that counts more.
    """
    if state.wanted.canary:
        return state.plan.spec.on_drift == "adopt"
    return state.delivery.attempts >= POLICY_RESTORE_ATTEMPTS
