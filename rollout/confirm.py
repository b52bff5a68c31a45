"""Between a recorded decision and the mesh: write it, read it back, notice another's hand."""

from __future__ import annotations

from dataclasses import replace

from rollout.decide.facts import Confirmed, Drifted, Fact, RouteFailed
from rollout.decide.state import MOVES, State
from rollout.errors import RouteError
from rollout.ports import Clock, Router, Seen, Watcher

_POLL = 0.02


def mark_of(rollout: str, state: State) -> str:
    """What is written beside the weights, so that every write maps to exactly one record."""
    return f"{rollout}/{state.awaiting}"


def bring(router: Router, rollout: str, state: State) -> str:
    """Write unless the mesh shows it already: an unknown outcome is resolved by reading.

    Returns what went wrong, in words.
    """
    if _shows(_read(router, state), rollout, state):
        return ""
    try:
        router.write(state.plan, state.wanted, mark_of(rollout, state))
    except RouteError as error:
        return str(error)
    return ""


def outcome(
    router: Router, clock: Clock, rollout: str, state: State, *, problem: str, until: float
) -> Fact:
    """Confirmed when the mesh shows the decision by `until`; otherwise what failed."""
    problem = problem or _await(router, clock, rollout, state, until)
    if problem or state.awaiting is None:
        return failed(rollout, state, problem, clock.now())
    return Confirmed(
        rollout=rollout,
        at=clock.now(),
        decision=state.awaiting,
        split=state.wanted,
        stable=_stable(state),
    )


def _stable(state: State) -> str | None:
    """The version that a confirmation leaves as the stable one, where it ends the rollout."""
    return replace(state, phase=MOVES.get((state.phase, "confirmed"), "waiting")).leaves


def drift(router: Router, rollout: str, state: State, now: float) -> Fact | None:
    """What the mesh shows that we did not write: somebody's hand, or a mesh that is gone."""
    if not state.decision or state.awaiting is not None:
        return None
    if _unmoved(router, state):
        return None
    seen = _read(router, state)
    if isinstance(seen, str):
        return failed(rollout, state, seen, now)
    return None if seen.split == state.split else Drifted(rollout=rollout, at=now, seen=seen.split)


def _unmoved(router: Router, state: State) -> bool:
    """Whether a watch shows what was confirmed; what it shows otherwise may be old, and is read."""
    try:
        seen = router.glance(state.plan, state.total) if isinstance(router, Watcher) else None
    except RouteError:
        return False
    return seen is not None and seen.split == state.split


def failed(rollout: str, state: State, problem: str, at: float) -> RouteFailed:
    """One more attempt that did not reach the mesh."""
    attempt = state.attempts + 1
    return RouteFailed(
        rollout=rollout, at=at, decision=state.decision, problem=problem, attempt=attempt
    )


def _await(router: Router, clock: Clock, rollout: str, state: State, until: float) -> str:
    """Read back until the mesh shows the decision; the problem in words if it does not."""
    while not _shows(seen := _read(router, state), rollout, state):
        if clock.now() >= until:
            return seen if isinstance(seen, str) else _refusal(router, state, seen)
        clock.sleep(_POLL)
    return ""


def _refusal(router: Router, state: State, seen: Seen) -> str:
    said = router.diagnose(state.plan)
    shown = f"the mesh still shows {seen.split.canary} of {seen.split.total}"
    return f"{shown}; {said}" if said else shown


def _read(router: Router, state: State) -> Seen | str:
    try:
        return router.read(state.plan, state.total)
    except RouteError as error:
        return str(error)


def _shows(seen: Seen | str, rollout: str, state: State) -> bool:
    if isinstance(seen, str):
        return False
    return seen.split == state.wanted and seen.mark == mark_of(rollout, state)
