"""Rules about what the mesh shows: before the first write, and before each step after it.

Without a `RouteRead` none of them holds anything, so journals from before it are decided as they
were. The tick records one before the first decision to write.
"""

from __future__ import annotations

from rollout.decide.record.reasons import Reason
from rollout.decide.rules.choice import Choice, hold
from rollout.decide.rules.view import View


def unread(view: View) -> Choice | None:
    """Hold the first write while nobody knows what the route shows.

    A route that is absent is no obstacle where the plan creates it. Routes whose shares differ are
    read: they are not at stable.
    """
    state = view.state
    read, creates = state.route_read, state.plan.spec.route.creates
    if state.first_write or read is None or not read.problem or (read.absent and creates):
        return None
    if state.live.canary:
        return None
    return hold(view, Reason.ROUTE_UNREAD)


def not_at_stable(view: View) -> Choice | None:
    """Hold the first write while the route gives the canary traffic that we did not give it.

    A weight of the plan's would move traffic that nobody has judged: with swapped names it would
    send nearly all of it to the arm that serves nothing.
    """
    state = view.state
    return hold(view, Reason.NOT_AT_STABLE) if not state.first_write and state.live.canary else None


def awaiting_endpoints(view: View) -> Choice | None:
    """Hold the first step while the canary has no endpoint that could answer."""
    state = view.state
    is_needed = state.plan.spec.waits_for_endpoints and not state.wanted.canary
    has_none = state.route_read is not None and state.route_read.has_endpoints is False
    return hold(view, Reason.AWAITING_ENDPOINTS) if is_needed and has_none else None


def reported(view: View) -> Choice | None:
    """Hold while the mesh, an owner or another controller will not leave our weights in force."""
    state, read = view.state, view.state.route_read
    if read is None:
        return None
    is_contested = bool(state.first_write and read.writer) or state.is_put_back
    is_reported = bool(read.conditions or read.owner)
    return hold(view, Reason.ROUTE_CONDITIONS) if is_reported or is_contested else None


OBSTACLES = (unread, not_at_stable)
"""What forbids the first write, also where a person asks for it."""
