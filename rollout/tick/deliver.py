"""Delivery of a recorded decision to the mesh: write it, read it back, detect edits by others.

How it works: while `state.delivery` is open, ticks call `apply` and then `confirm`. `apply` writes
the wanted split, unless a read shows that it is there already or that somebody else edited the
weights. `confirm` reads the mesh until it shows the split together with its write id, and returns
the fact to record: confirmed, failed or drifted. A write is never trusted on its own, because a
request that timed out may still have been applied. While the delivery is not open, every look
compares the mesh with what is recorded (`route_look`). Nothing here changes the state: the facts
do, by the table in `rollout/decide/state/delivery.py`.

Six cases restrict writing. The first write is not sent if the route is not at stable any more:
the decision is withdrawn. `is_untouched`: a rollback of what was never written writes nothing.
`to read again`: the wanted split was confirmed before an outage, so it is only read.
`Overwritten`: the split is neither the old nor the new one, and nobody read the mesh since an
outage, or its mark says that it came after our write or is none of ours; it is reported as a drift
and not written over; a rollback is the exception, it is always written. A rollback ends wherever
nothing gives the canary traffic any more, whatever became of objects, names or rights. `making`:
only the plan's route is created, with all traffic to stable; a route that exists already is not
changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollout.decide.evidence.following import find_end
from rollout.decide.record.facts import Fact
from rollout.decide.record.route_facts import Confirmed
from rollout.decide.state.rollout import RolloutState
from rollout.errors import RouteError
from rollout.plan.model.terms import may_write
from rollout.ports import Clock, Router, RouteStatus
from rollout.tick.judge_status import (
    gives_nothing,
    is_absent,
    is_adopted,
    is_edited_by_other,
    is_last_write,
    is_note_left,
    is_unsafe,
    is_way_back,
    is_written,
    matches,
    may_forget,
)
from rollout.tick.route_look import (
    build_drifted,
    build_withdrawn,
    find_difference,
    find_lost_write,
    read,
    record_failure,
    write_id,
)

_POLL = 0.02  # seconds between two reads while the mesh has not shown the split


@dataclass(frozen=True)
class Unsent:
    """Why a first write was not sent: the route is not at stable any more, or unreadable."""

    answer: RouteStatus | RouteError


@dataclass(frozen=True)
class Overwritten:
    """What the route shows where somebody else wrote it, so that nothing was sent."""

    status: RouteStatus


Problem = RouteError | Unsent | Overwritten

Note = Callable[[RouteStatus], RolloutState]
"""Records what a route shows that is not ours; returns the state with that."""


def apply(router: Router, rollout: str, state: RolloutState, note: Note) -> Problem | None:
    """Write the wanted split, unless the mesh shows it already. Returns what went wrong.

    Nothing is written where a read is enough, or where somebody else wrote the weights; `confirm`
    reports that. A rollback is written in any case, but for one that has nothing to take back.
    What others made since the last look is recorded before the write: afterwards it would look
    like ours.
    """
    if not state.delivery.has_to_write or _has_nothing_to_write(state):
        return None
    status = read(router, state)
    is_made = state.is_making_route and not is_absent(status)
    if not is_made and is_unsafe(status, rollout, state):
        return Unsent(status)
    if is_made or is_written(status, rollout, state):
        return None
    if isinstance(status, RouteStatus) and is_edited_by_other(status, rollout, state):
        return Overwritten(status)
    return None if is_adopted(state) else _write(router, rollout, _note_new(status, state, note))


def _note_new(status: RouteStatus | RouteError, state: RolloutState, note: Note) -> RolloutState:
    """Return the state with what the route shows that is not ours and was not recorded."""
    return note(status) if isinstance(status, RouteStatus) and status.lacking else state


def _write(router: Router, rollout: str, state: RolloutState) -> RouteError | None:
    if state.is_going_back and state.wanted.canary:  # asserted: no rule and no fold may lead here
        return RouteError("nothing was written: a rollback gives the canary no weight")
    if not may_write(state.authority, is_back=not state.wanted.canary):  # asserted as well
        return RouteError(f"nothing was written: the rollout's authority is {state.authority}")
    mark, is_last = write_id(rollout, state), is_last_write(state)
    try:
        router.write(state.plan, state.wanted, mark, state.before, is_last=is_last)
    except RouteError as error:
        return error
    return None


def confirm(
    router: Router,
    clock: Clock,
    rollout: str,
    state: RolloutState,
    *,
    problem: Problem | None,
    until: float,
) -> Fact:
    """Read the mesh until it shows the decision; return the confirmation, failure or drift.

    Reading ends when the monotonic clock shows `until`.
    """
    if isinstance(problem, Unsent):
        return _build_unsent(rollout, state, problem, clock.now())
    if isinstance(problem, Overwritten):
        return build_drifted(rollout, state, problem.status, clock.now())
    if not state.first_write and problem is None:
        return _confirm_unwritten(router, clock, rollout, state)
    if not state.delivery.has_to_write:
        difference = find_difference(router, rollout, state, clock.now())
        return difference or _build_confirmed(rollout, state, clock)
    answer = problem or _await_decision(router, clock, rollout, state, until)
    return _conclude(router, clock, rollout, state, answer)


def _conclude(
    router: Router,
    clock: Clock,
    rollout: str,
    state: RolloutState,
    answer: RouteStatus | RouteError | None,
) -> Fact:
    """Return the confirmation, or the failure that a rollback may end in spite of."""
    if isinstance(answer, RouteStatus):
        back = answer if not state.wanted.canary else None
        return _build_confirmed(rollout, state, clock, back=back, version=answer.version)
    if answer is None:
        return _build_confirmed(rollout, state, clock)
    status = read(router, state)
    has_note = is_note_left(status, rollout, state)
    if gives_nothing(status, state) and not (has_note and may_forget(state)):
        back = status if isinstance(status, RouteStatus) else None
        version = back.version if back else ""
        return _build_confirmed(
            rollout, state, clock, back=back, version=version, has_note=has_note
        )
    if state.abandoned is not None and is_way_back(state):
        return _build_confirmed(rollout, state, clock, unreachable=True)
    return record_failure(rollout, state, answer, clock.now())


def _build_confirmed(
    rollout: str,
    state: RolloutState,
    clock: Clock,
    *,
    unreachable: bool = False,
    back: RouteStatus | None = None,
    version: str = "",
    has_note: bool = False,
) -> Confirmed:
    """Return the fact that the mesh shows the wanted split, or that a person ended it unseen.

    An end or a retreat is not the last word where we gave the canary weight: the traffic has to
    follow. `back` is what the route shows once all went back to stable,
    `version` the object's that showed it.
    """
    is_given = bool(state.first_write) and not state.is_spared
    is_followed = is_given and state.plan.spec.follows_within > 0
    end = find_end(state)
    follows = end is not None and is_followed and not unreachable
    is_last = end not in {None, "retreated"} and not follows
    return Confirmed(
        rollout=rollout,
        at=clock.now(),
        decision=state.delivery.decision,
        split=state.wanted,
        stable=state.stable_at(end) if end is not None and is_last else None,
        unreachable=unreachable,
        follows=follows,
        left=back.policy if back else "",
        version=version,
        remark=_describe_remains(back, has_note=has_note),
    )


def _describe_remains(back: RouteStatus | None, *, has_note: bool) -> str:
    """Say what a way back leaves beside the traffic; empty for nothing."""
    aside = back.aside if back else ""
    remains = [f"the route file could not be used and is kept as {aside}"] if aside else []
    return "; ".join([*remains, *(["our note is still in the route"] if has_note else [])])


def _has_nothing_to_write(state: RolloutState) -> bool:
    """Return whether a return to stable has nothing to take back: no weight was ever written."""
    return state.delivery.has_to_write and state.is_untouched


def _build_unsent(rollout: str, state: RolloutState, problem: Unsent, now: float) -> Fact:
    """Return the fact that the first write was not sent."""
    if isinstance(problem.answer, RouteError) and not problem.answer.most:
        return record_failure(rollout, state, problem.answer, now, unsent=True)
    return build_withdrawn(rollout, state, problem.answer, now)


def _confirm_unwritten(router: Router, clock: Clock, rollout: str, state: RolloutState) -> Fact:
    """Return what became of a decision without a weight of ours: an end, or the first route.

    An existing route is not overwritten: the decision is withdrawn where it gives the canary
    traffic. A route that is still absent is tried again. A return to stable ends, unless the route
    has a weight by a decision of this rollout that the journal lacks.
    """
    status = read(router, state)
    if _has_nothing_to_write(state):
        lost = find_lost_write(rollout, state, status, clock.now())
        return lost or _build_confirmed(rollout, state, clock)
    if isinstance(status, RouteError) and status.most:
        return build_withdrawn(rollout, state, status, clock.now())
    if isinstance(status, RouteStatus):
        if status.split.canary:
            return build_withdrawn(rollout, state, status, clock.now())
        return _build_confirmed(rollout, state, clock, version=status.version)
    if state.delivery.has_to_write:
        is_final = not status.absent and not status.unread
        status = RouteError(str(status), refused=is_final, unread=status.unread)
    return record_failure(rollout, state, status, clock.now())


def _await_decision(
    router: Router, clock: Clock, rollout: str, state: RolloutState, until: float
) -> RouteStatus | RouteError | None:
    """Read back until the mesh shows the decision; return what it then shows, or the problem.

    None where it cannot be read and nothing there is left to take back.
    """
    while not matches(status := read(router, state), rollout, state):
        if clock.monotonic() >= until:
            if is_note_left(status, rollout, state):
                return RouteError("our note is still in the route")
            return (
                RouteError(_describe_refusal(router, state, status))
                if isinstance(status, RouteStatus)
                else status
            )
        clock.sleep(_POLL)
    return status if isinstance(status, RouteStatus) else None


def _describe_refusal(router: Router, state: RolloutState, status: RouteStatus) -> str:
    """Describe how the mesh differs from the decision, and why as far as the router knows."""
    diagnosis = router.diagnose(state.plan)
    mode = "" if status.split.way == "weights" else f" ({status.split.way})"
    difference = f"the mesh still shows {status.split.canary} of {status.split.total}{mode}"
    if status.split == state.wanted and status.policy:
        difference = status.policy
    return f"{difference}; {diagnosis}" if diagnosis else difference
