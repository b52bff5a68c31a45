"""Between a recorded decision and the mesh: write it, read it back, notice another's hand."""

from __future__ import annotations

from dataclasses import replace

from rollout.decide.record.facts import Confirmed, Drifted, Fact, RouteFailed
from rollout.decide.state.rollout import MOVES, RolloutState
from rollout.errors import RouteError
from rollout.ports import Clock, Router, RouteStatus, Watcher

_POLL = 0.02
REFUSALS_BEFORE_PAUSE = 3  # denials in a row, seconds apart, that are a refusal
POLICY_RESTORE_ATTEMPTS = 3  # attempts to put a policy back, before a rollback is confirmed without


def write_id(rollout: str, state: RolloutState) -> str:
    """What is written beside the weights, so that every write maps to exactly one record."""
    return f"{rollout}/{state.awaiting}"


def apply(router: Router, rollout: str, state: RolloutState) -> RouteError | None:
    """Write unless the mesh shows it already: an unknown outcome is resolved by reading.

    What was confirmed before and could not be read since is not written, nor is anything but a
    rollback written over another's hand of that time: `outcome` reads it, and tells. Returns what
    went wrong.
    """
    if state.unread:
        return None
    seen = _read(router, state)
    if state.making and not _is_absent(seen):
        return None
    if _matches(seen, rollout, state) or _edited_by_other(seen, state):
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
    """Confirmed when the mesh shows the decision by `until`; otherwise what failed, or a drift."""
    if state.unread:
        return _difference(router, rollout, state, clock.now()) or _confirmed(rollout, state, clock)
    if problem is None and state.making:
        problem = _unmade(_read(router, state), state)
        if problem is None:
            return _confirmed(rollout, state, clock)
    if problem is None and state.unseen:
        seen = _read(router, state)
        if isinstance(seen, RouteStatus) and _edited_by_other(seen, state):
            return _drifted(rollout, state, seen, clock.now())
    problem = problem or _await(router, clock, rollout, state, until)
    if problem is not None:
        return record_failure(rollout, state, problem, clock.now())
    return _confirmed(rollout, state, clock)


def _confirmed(rollout: str, state: RolloutState, clock: Clock) -> Confirmed:
    return Confirmed(
        rollout=rollout,
        at=clock.now(),
        decision=state.decision,
        split=state.wanted,
        stable=_stable(state),
    )


def _is_absent(seen: RouteStatus | RouteError) -> bool:
    return isinstance(seen, RouteError) and seen.absent


def _unmade(seen: RouteStatus | RouteError, state: RolloutState) -> RouteError | None:
    """Why a route that is to be there first is none to begin with; None where it is.

    What is there already is not written: whoever gave the canary traffic is asked first.
    """
    if isinstance(seen, RouteError) or not seen.split.canary:
        return seen if isinstance(seen, RouteError) else None
    stable, canary = state.versions
    shown = f"{seen.split.canary} of {seen.split.total}"
    cure = f"move all traffic to {stable}, then resume"
    return RouteError(f"the route is there and gives {canary} {shown}: {cure}", refused=True)


def _stable(state: RolloutState) -> str | None:
    """The version that a confirmation leaves as the stable one, where it ends the rollout."""
    return replace(state, phase=MOVES.get((state.phase, "confirmed"), "waiting")).leaves


def find_drift(router: Router, rollout: str, state: RolloutState, now: float) -> Fact | None:
    """What the mesh shows that we did not write: somebody's hand, or a mesh that is gone."""
    if not state.stepped or state.awaiting is not None:
        return None
    if _unchanged_in_watch(router, state):
        return None
    found = _difference(router, rollout, state, now)
    if isinstance(found, RouteFailed) and state.phase == "paused":
        return None if found.problem == state.route_problem else found
    return found


def _difference(router: Router, rollout: str, state: RolloutState, now: float) -> Fact | None:
    """What is read, where it is not what was confirmed."""
    seen = _read(router, state)
    if isinstance(seen, RouteError):
        return record_failure(rollout, state, seen, now)
    if _as_confirmed(seen, state):
        return None
    return _drifted(rollout, state, seen, now)


def _drifted(rollout: str, state: RolloutState, seen: RouteStatus, now: float) -> Drifted:
    moved = seen.split != state.split
    return Drifted(rollout=rollout, at=now, seen=seen.split, policy=seen.policy, anew=moved)


def _edited_by_other(seen: RouteStatus | RouteError, state: RolloutState) -> bool:
    """Whether the first reading after an outage shows what we neither left there nor want."""
    if isinstance(seen, RouteError) or not state.unseen or not state.wanted.canary:
        return False
    return seen.split not in {state.split, state.wanted}


def _as_confirmed(seen: RouteStatus, state: RolloutState) -> bool:
    return (seen.split, seen.policy) == (state.split, state.policy_drift)


def _unchanged_in_watch(router: Router, state: RolloutState) -> bool:
    """Whether a watch shows what was confirmed; what it shows otherwise may be old, and is read."""
    try:
        seen = router.glance(state.plan, state.total) if isinstance(router, Watcher) else None
    except RouteError:
        return False
    return seen is not None and _as_confirmed(seen, state)


def record_failure(
    rollout: str, state: RolloutState, problem: RouteError, at: float
) -> RouteFailed:
    """One more attempt that did not reach the mesh.

    An API server that has just started denies for a moment what it grants later: where nothing is
    to be written, a first denial is only a mesh that was not read.
    """
    attempt = state.attempts + 1
    denied = problem.refused and not problem.absent
    passing = (
        denied and attempt < REFUSALS_BEFORE_PAUSE and (state.awaiting is None or state.unread)
    )
    return RouteFailed(
        rollout=rollout,
        at=at,
        decision=state.decision,
        problem=str(problem),
        attempt=attempt,
        refused=problem.refused and not passing,
        unread=problem.unread or passing,
    )


def _await(
    router: Router, clock: Clock, rollout: str, state: RolloutState, until: float
) -> RouteError | None:
    """Read back until the mesh shows the decision; the problem if it does not."""
    while not _matches(seen := _read(router, state), rollout, state):
        if clock.now() >= until:
            return (
                RouteError(_refusal(router, state, seen)) if isinstance(seen, RouteStatus) else seen
            )
        clock.sleep(_POLL)
    return None


def _refusal(router: Router, state: RolloutState, seen: RouteStatus) -> str:
    said = router.diagnose(state.plan)
    way = "" if seen.split.way == "weights" else f" ({seen.split.way})"
    shown = f"the mesh still shows {seen.split.canary} of {seen.split.total}{way}"
    if seen.split == state.wanted and seen.policy:
        shown = seen.policy
    return f"{shown}; {said}" if said else shown


def _read(router: Router, state: RolloutState) -> RouteStatus | RouteError:
    try:
        return router.read(state.plan, state.total)
    except RouteError as error:
        return error


def _matches(seen: RouteStatus | RouteError, rollout: str, state: RolloutState) -> bool:
    if isinstance(seen, RouteError):
        return False
    weights = seen.split == state.wanted and seen.mark == write_id(rollout, state)
    return weights and (not seen.policy or _policy_may_differ(state))


def _policy_may_differ(state: RolloutState) -> bool:
    """Where another policy keeps nothing from being confirmed.

    An adopted one, which was ours before the weights, and after a rollback one that cannot be put
    back: the traffic is where it belongs.
    """
    if state.wanted.canary:
        return state.plan.spec.on_drift == "adopt"
    return state.attempts >= POLICY_RESTORE_ATTEMPTS
