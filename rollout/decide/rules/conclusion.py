"""The end of a rollout: whether the counted requests follow its last write."""

from __future__ import annotations

from analysis.fast_replace import replace
from rollout.decide.evidence.following import (
    ENOUGH,
    contradicts,
    needs_person,
    speaks_for_change,
)
from rollout.decide.record.route_facts import Followed, FollowOutcome
from rollout.decide.state.following import Following
from rollout.decide.state.rollout import TERMINAL, RolloutState
from rollout.decide.text.following import describe_outcome

WATCHED_FOR = 3600.0
"""Seconds after the end of a rollback in which traffic back at its version raises the alarm."""

_RETURNED = 0.5  # share of the old split's requests that counts as traffic that came back


def conclude(
    state: RolloutState, now: float, rollout: str, lived: float | None = None
) -> Followed | None:
    """Return how the last write is followed, where that ends the rollout or is news after it.

    Before the end: seen as soon as a block of counts agrees with the write, else what the last
    counts say once the plan's `followWithin` is over. After it only a change is news. Counts tell
    also while the object cannot be read; one that has to be written again is waited for.
    """
    following = state.following
    if following is None or state.delivery.has_to_write:
        return None
    lived = state.lived_by(now) if lived is None else lived
    clock = state.clock_at(now, lived)
    outcome = (
        _judge_end(state, following, clock)
        if following.outcome is None
        else _judge_change(state, following)
    )
    if outcome is None:
        return None
    if outcome == "not followed" and not contradicts(state, following):
        following = _take_newest_block(following)
    return Followed(
        rollout=rollout,
        at=now,
        lived=lived,
        decision=following.decision,
        outcome=outcome,
        sentence=describe_outcome(state, following, outcome),
        numbers={
            "requests": following.requests,
            "losing": following.losing,
            "due": round(following.due, 1),
        },
        # A retreat is no end, and after one nothing is recorded again.
        stable=state.stable_at(following.end) if state.phase == "following" else None,
    )


def is_watched(state: RolloutState, clock: float) -> bool:
    """Return whether an ended rollout's traffic is still looked at; `clock` is the rollout's."""
    following = state.following
    if state.phase not in TERMINAL or following is None or following.ended_at is None:
        return False
    is_recent = following.is_way_back and clock - following.ended_at < WATCHED_FOR
    return is_recent or following.blocks_next


def _judge_end(state: RolloutState, following: Following, clock: float) -> FollowOutcome | None:
    if following.is_judged and not contradicts(state, following):
        return "seen"
    is_over = clock - following.begun_clock - following.missed >= state.plan.spec.follows_within
    if state.abandoned is None and not is_over:
        return None
    # The last full block counts, unless what came after it speaks for a change.
    was_against = following.contradictions > 0 and not speaks_for_change(state, following)
    if was_against or contradicts(state, following) or needs_person(state, following):
        return "not followed"
    return "not seen"


def _judge_change(state: RolloutState, following: Following) -> FollowOutcome | None:
    """Return what a full block shows after the end, if it is news.

    What nobody could tell at the end may be seen later, and traffic may come back.
    """
    if state.phase not in TERMINAL or not following.is_judged or following.outcome is None:
        return None
    is_against = contradicts(state, following)
    if not is_against:
        return None if following.outcome == "seen" else "seen"
    if following.outcome == "not followed":
        return None
    is_back = following.losing >= max(_RETURNED * following.due, ENOUGH / 2)
    return "not followed" if is_back and following.is_way_back else None


def _take_newest_block(following: Following) -> Following:
    """Return the following with the counts of its newest full block: the one under way is short."""
    if following.contradicting is None:
        return following
    requests, losing = following.contradicting
    return replace(following, requests=requests, losing=losing)
