"""Judges what a route shows against an open delivery: whose it is, and whether it has arrived.

A status is what a read of the mesh gave, or the error instead of it. Nothing here reads or writes.
"""

from __future__ import annotations

from rollout.decide.evidence.following import find_end
from rollout.decide.record.write_id import WriteId
from rollout.decide.state.rollout import RolloutState
from rollout.errors import RouteError
from rollout.ports import RouteStatus
from rollout.tick.route_look import find_writer, write_id

_RESTORE_ATTEMPTS = 3  # then a rollback is confirmed with policy and notes as they are


def is_adopted(state: RolloutState) -> bool:
    """Return whether somebody's edit is wanted, which is read and never written."""
    return state.delivery.is_adopted and not state.is_going_back


def is_last_write(state: RolloutState) -> bool:
    """Return whether the wanted split is an end, so that the route needs no notes of ours.

    What they tell, the journal has too, where it knows the route.
    """
    return find_end(state) not in {None, "retreated"} and state.knows_route


def is_way_back(state: RolloutState) -> bool:
    return state.is_going_back and not state.wanted.canary


def gives_nothing(status: RouteStatus | RouteError, state: RolloutState) -> bool:
    """Return whether a rollback is over because nothing gives the canary traffic any more.

    An Envoy may yet load what its file gives; an object is what its API server says.
    Where the plan creates a missing route, its absence is no end: the plain Service would spread
    requests over all versions.
    """
    if not is_way_back(state):
        return False
    if isinstance(status, RouteError):
        return status.gives_nothing and not (status.absent and state.plan.spec.route.creates)
    return not status.split.canary and not status.policy and not status.is_pending


def is_note_left(status: RouteStatus | RouteError, rollout: str, state: RolloutState) -> bool:
    """Return whether an end of ours is in the mesh with a note, which no last write leaves."""
    if isinstance(status, RouteError) or not status.is_noted:
        return False
    return is_last_write(state) and status.write_id == write_id(rollout, state)


def is_unsafe(status: RouteStatus | RouteError, rollout: str, state: RolloutState) -> bool:
    """Return whether the first write could move traffic that somebody else gave the canary.

    After a write of unknown outcome only its own reads can tell whose weights they are.
    """
    if not state.is_first_write_unsent:
        return False
    if isinstance(status, RouteError):
        return not (status.absent and state.plan.spec.route.creates)
    is_as_wanted = status.split == state.wanted and not _names_other_journal(status)
    is_expected = not status.split.canary or is_as_wanted
    return not is_expected and status.write_id != write_id(rollout, state)


def _names_other_journal(status: RouteStatus) -> bool:
    named = WriteId.parse(status.write_id)
    return named is not None and bool(named.chain)


def is_absent(status: RouteStatus | RouteError) -> bool:
    """Return whether the route does not exist yet, so that it may be created."""
    return isinstance(status, RouteError) and status.absent


def is_edited_by_other(status: RouteStatus, rollout: str, state: RolloutState) -> bool:
    """Return whether the route shows what somebody else wrote, and not only what we replace.

    So it is where the first read after an outage shows a split that is neither old nor new, where
    our mark of this decision stands by another split, and where another controller's mark does
    after our first write: before it the mark is an earlier rollout's. A split that is neither old
    nor new without any mark is an edit too: of a last write, or with an object that was replaced,
    or while nobody knows whether the first write has arrived. A rollback (no weight for the canary)
    overrides any edit, so it is never one; and so does a drift that the plan reverts.
    """
    if status.split == state.wanted:
        return False
    if is_adopted(state) or not state.wanted.canary:
        return is_adopted(state)
    has_written = state.first_write not in {0, state.delivery.decision}
    is_unmarked = has_written and not status.write_id and not state.reverts
    if (state.delivery.is_unseen or is_unmarked) and status.split != state.split:
        return True
    is_after_ours = status.write_id == write_id(rollout, state) and status.split.way != "mirror"
    is_foreign = has_written and bool(find_writer(status, rollout, state))
    is_before_first = state.delivery.decision == state.first_write and status.split.canary > 0
    is_neither = is_before_first and status.split != state.split
    return is_foreign or ((is_after_ours or is_neither) and not state.reverts)


def is_written(status: RouteStatus | RouteError, rollout: str, state: RolloutState) -> bool:
    """Return whether the mesh shows the wanted split, our write id and the plan's policy.

    Equal weights are not enough: without our id somebody else may have written them.
    """
    if not isinstance(status, RouteStatus):
        return False
    is_ours = is_adopted(state) or status.write_id == write_id(rollout, state)
    return is_ours and matches(status, rollout, state)


def matches(status: RouteStatus | RouteError, rollout: str, state: RolloutState) -> bool:
    """Return whether a write has arrived: a last one leaves no id of ours in the mesh.

    An edit that was taken over needs none.
    """
    if isinstance(status, RouteError):
        return gives_nothing(status, state)
    is_ours = status.write_id == write_id(rollout, state)
    is_ours = is_ours and not is_note_left(status, rollout, state)
    is_unmarked = is_last_write(state) and WriteId.parse(status.write_id) is None
    is_shown = is_ours or is_unmarked or is_adopted(state)
    is_shown = is_shown and status.split == state.wanted
    return is_shown and (not status.policy or policy_may_differ(state))


def may_forget(state: RolloutState) -> bool:
    """Return whether one more attempt at a rollback is made for what is no traffic."""
    return state.delivery.attempts < _RESTORE_ATTEMPTS


def policy_may_differ(state: RolloutState) -> bool:
    """Return whether a differing policy may stay while the split is confirmed.

    It may where the plan adopts drift. It may after a rollback whose policy could not be restored
    in a few attempts: the traffic is where it belongs, and that counts more.
    """
    if state.wanted.canary:
        return state.plan.spec.on_drift == "adopt"
    return not may_forget(state)
