"""One look at the mesh: what it shows, and how that differs from what is recorded.

How it works: every look reads the route once, from the watch cache where that shows what is
recorded, else from the mesh. Before the first write the result is a `RouteRead`, recorded where it
is not what was recorded last: the live split, another rollout's mark, the canary's endpoints.
`onDrift` begins with our first write, so before it there is no drift. After it, other weights than
the confirmed ones are a drift, and a `RouteRead` only has what the mesh reports of the route.
"""

from __future__ import annotations

from typing import Any

from rollout.decide.record.facts import Fact
from rollout.decide.record.route_facts import Drifted, RouteFailed, RouteRead
from rollout.decide.record.split import split_at
from rollout.decide.record.write_id import WriteId, find_rollout
from rollout.decide.state.rollout import Phase, RolloutState
from rollout.errors import RouteError
from rollout.ports import Router, RouteStatus
from rollout.redact import redact_values

REFUSALS_BEFORE_PAUSE = 3  # rejections in a row, seconds apart, that count as final
_WAITING: frozenset[Phase] = frozenset({"waiting", "stepping", "retreated", "paused"})


def write_id(rollout: str, state: RolloutState) -> str:
    """Return the id that is written with the weights; it names exactly one journal entry."""
    return str(WriteId(rollout, state.delivery.decision))


def look_at_route(router: Router, rollout: str, state: RolloutState, now: float) -> list[Fact]:
    """Return the facts of one look at the mesh; none where it shows what is recorded.

    While a delivery is open, its own reads tell what the mesh shows.
    """
    if state.is_terminal or state.delivery.is_open:
        return []
    status = _read_at_look(router, rollout, state)
    # Who only observes takes every split as it is.
    is_observed = state.phase == "observing"
    facts = [None if is_observed else _find_drift(rollout, state, status, now)]
    if facts == [None]:
        facts.append(_build_route_read(router, rollout, state, status, now))
    return [fact for fact in facts if fact is not None]


def find_difference(
    router: Router, rollout: str, state: RolloutState, now: float
) -> RouteFailed | Drifted | None:
    """Read the mesh; return a failure or drift where it differs from the confirmed split."""
    return _difference(rollout, state, read(router, state), now)


def read(router: Router, state: RolloutState) -> RouteStatus | RouteError:
    """Read the mesh; an error is returned, because many callers treat it as one more answer."""
    try:
        return router.read(state.plan, state.total, state.before)
    except RouteError as error:
        return error


def build_drifted(rollout: str, state: RolloutState, status: RouteStatus, now: float) -> Drifted:
    """Return the fact that somebody else moved the weights or changed the policy."""
    moved = status.split != state.split
    policy = status.policy if state.stepped else ""  # it comes into force with the first step
    is_asked = moved or state.delivery.is_open
    writer = find_writer(status, rollout, state) if is_asked else ""
    was_marked = bool(state.first_write) and not state.is_following
    is_unmarked = was_marked and moved and not (status.write_id or status.split.canary)
    return Drifted(
        rollout=rollout,
        at=now,
        seen=status.split,
        policy=policy,
        writer=writer,
        unmarked=is_unmarked,
        anew=moved,
    )


def build_withdrawn(
    rollout: str, state: RolloutState, status: RouteStatus | RouteError, now: float
) -> Fact:
    """Return the fact that the first write was not sent, and what the route shows instead."""
    content = _content_before(rollout, state, status)
    endpoints = state.route_read.has_endpoints if state.route_read else None
    decision = state.delivery.decision
    return RouteRead(
        rollout=rollout, at=now, has_endpoints=endpoints, withdrawn=decision, **content
    )


def build_lacking(rollout: str, state: RolloutState, status: RouteStatus, now: float) -> RouteRead:
    """Return the fact of what was made since our first write, and is not ours."""
    content = {**_reports(rollout, state, status), "lacking": status.lacking}
    endpoints = state.route_read.has_endpoints if state.route_read else None
    return RouteRead(rollout=rollout, at=now, has_endpoints=endpoints, **content)


def record_failure(
    rollout: str, state: RolloutState, problem: RouteError, at: float, *, unsent: bool = False
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
        unsent=unsent,
    )


def _find_drift(
    rollout: str, state: RolloutState, status: RouteStatus | RouteError, now: float
) -> Fact | None:
    """Return the drift or failure where the mesh does not show what we wrote; else None.

    While paused, and while a rollback is followed, the same failure is recorded once and not at
    every look. Before the first write only a route that was created can fail, and nothing can
    drift.
    """
    if not state.first_write and _shows_weights(status):
        return None if state.is_going_back else find_lost_write(rollout, state, status, now)
    if not (state.delivery.decision or state.first_write):
        return None
    fact = _difference(rollout, state, status, now)
    if isinstance(fact, RouteFailed) and (state.phase == "paused" or state.is_going_back):
        return None if fact.problem == state.route_problem else fact
    return fact


def find_lost_write(
    rollout: str, state: RolloutState, status: RouteStatus | RouteError, now: float
) -> Drifted | None:
    """Return the drift where the canary has weight by a decision of this rollout that is lost.

    The journal was restored from an older backup, or another one has the same plan.
    """
    if isinstance(status, RouteError) or not status.split.canary:
        return None
    is_lost = find_rollout(status.write_id) == rollout
    return build_drifted(rollout, state, status, now) if is_lost else None


def _difference(
    rollout: str, state: RolloutState, status: RouteStatus | RouteError, now: float
) -> RouteFailed | Drifted | None:
    if isinstance(status, RouteError):
        return record_failure(rollout, state, status, now)
    if _shows_confirmed(status, state):
        return None
    return build_drifted(rollout, state, status, now)


def _shows_confirmed(status: RouteStatus, state: RolloutState) -> bool:
    """Return whether the mesh shows the confirmed split, and the policy as it was then."""
    if not state.stepped:
        return status.split == state.split
    return (status.split, status.policy) == (state.split, state.policy_drift)


def _read_at_look(router: Router, rollout: str, state: RolloutState) -> RouteStatus | RouteError:
    """Return what the watch cache shows if that is what is recorded, else what the mesh shows.

    Any other answer of the cache may be out of date.
    """
    try:
        status = router.cached(state.plan, state.total, state.before)
    except RouteError:
        status = None
    is_recorded = status is not None and _shows_recorded(status, rollout, state)
    return status if status is not None and is_recorded else read(router, state)


def _shows_recorded(status: RouteStatus, rollout: str, state: RolloutState) -> bool:
    recorded = state.route_read or RouteRead(rollout=rollout, at=0.0)
    is_reported = all(
        getattr(recorded, name) == value for name, value in _reports(rollout, state, status).items()
    )
    if state.first_write:
        return is_reported and not status.lacking and _shows_confirmed(status, state)
    is_live = (recorded.split, recorded.leading) == (status.split, status.leading)
    return is_reported and is_live


def _build_route_read(
    router: Router,
    rollout: str,
    state: RolloutState,
    status: RouteStatus | RouteError,
    now: float,
) -> RouteRead | None:
    """Return what the mesh shows; None where the same is recorded."""
    before = state.route_read
    is_failure = bool(state.first_write) or not _shows_weights(status)
    if isinstance(status, RouteError) and state.delivery.decision and is_failure:
        return None  # a failure of the delivery tells it
    content = (
        {**_reports(rollout, state, status), "lacking": status.lacking}
        if state.first_write and isinstance(status, RouteStatus)
        else _content_before(rollout, state, status)
    )
    endpoints = _ask_endpoints(router, state)
    fact = RouteRead(rollout=rollout, at=now, has_endpoints=endpoints, **content)
    if not state.first_write:
        return None if before and fact.content == before.content else fact
    # From the first write on, the split of before it is gone, and only the reports count.
    recorded = before or RouteRead(rollout=rollout, at=now)
    return None if fact.reports == recorded.reports and not fact.lacking else fact


def _shows_weights(status: RouteStatus | RouteError) -> bool:
    """Return whether weights were read, also where one route's differ from another's."""
    return isinstance(status, RouteStatus) or status.most > 0


def _content_before(
    rollout: str, state: RolloutState, status: RouteStatus | RouteError
) -> dict[str, Any]:
    """Return what a route shows before our first write; of shares that differ the largest."""
    if isinstance(status, RouteStatus):
        live = {"split": status.split, "leading": status.leading, "lacking": status.lacking}
        return {**_reports(rollout, state, status), **live}
    split = {"split": split_at(status.most, state.total)} if status.most else {}
    return {"problem": str(status), "absent": status.absent, **split}


def _reports(rollout: str, state: RolloutState, status: RouteStatus) -> dict[str, Any]:
    """Return what the mesh reports of the route besides its weights."""
    writer = find_writer(status, rollout, state)
    reports = {
        name: getattr(status, name)
        for name in ("conditions", "owner", "pinned", "strays", "timeout")
    }
    taken = status.taken if state.first_write else None
    return {"writer": writer, **reports, "taken": taken}


def find_writer(status: RouteStatus, rollout: str, state: RolloutState) -> str:
    """Return the write id on the route if it is not ours; empty otherwise.

    Two controllers of one plan write the same rollout's name, but their own journals', and numbers
    of these; so does one whose journal was restored from an older backup. After our first write
    only another rollout's id counts: a version that people give a file by hand says nothing.
    """
    named = WriteId.parse(status.write_id)
    if named is None:
        return "" if state.first_write else redact_values(status.write_id)
    is_ours = named.rollout == rollout and not named.chain
    is_ours = is_ours and state.delivery.has_left(named.decision, status.split)
    return "" if is_ours else redact_values(status.write_id)


def _ask_endpoints(router: Router, state: RolloutState) -> bool | None:
    """Return whether the canary has endpoints; asked only while the rollout waits at 0 %."""
    is_asked = state.plan.spec.waits_for_endpoints or state.retreat is not None
    if is_asked and state.phase in _WAITING and not state.wanted.canary:
        return router.endpoints(state.plan, "canary")
    return state.route_read.has_endpoints if state.route_read else None
