"""Texts about whether the traffic follows a rollout's last write."""

from __future__ import annotations

from rollout.decide.evidence.following import (
    contradicts,
    count_silent,
    needed_requests,
    needs_person,
)
from rollout.decide.record.route_facts import FollowOutcome
from rollout.decide.state.following import Following
from rollout.decide.state.rollout import RolloutState
from rollout.plan.fields.units import duration, percent


def describe_waiting(state: RolloutState) -> str:
    """Describe what a rollout waits for after the object shows its last write."""
    following = state.following
    if following is None:
        return ""
    return (
        f"the object in the mesh shows the last write, {_describe_progress(state, following)}, "
        f"it waits for {duration(state.plan.spec.follows_within)} at most"
    )


def _describe_progress(state: RolloutState, following: Following) -> str:
    """Say how many requests were counted of those that tell, or what else is awaited."""
    needed = needed_requests(state.plan, following) or 0.0
    if following.requests >= needed and (silent := _describe_silence(state, following)):
        return silent
    enough = f" of about {needed:,.0f}" if following.requests < needed else ""
    return f"{following.requests:,}{enough} requests that tell whether traffic follows are counted"


def _describe_silence(state: RolloutState, following: Following) -> str:
    """Say how many series of the losing version are silent since the write; empty without any."""
    silent, series = count_silent(state, following)
    loser = _name_loser(state, following)
    if not series:
        return f"no series of {loser} reports"
    verb = "has" if silent == 1 else "have"
    return f"{silent:,} of {series:,} series of {loser} {verb} been silent since" if silent else ""


def _name_loser(state: RolloutState, following: Following) -> str:
    stable, canary = state.versions
    return canary if following.loser == "canary" else stable


def describe_following(state: RolloutState) -> str:
    """Describe how far the last write has come; empty before the object shows it."""
    following = state.following
    if following is None:
        return ""
    if following.vouched is not None:
        return f"{following.vouched.actor} says that traffic follows the last write"
    if following.outcome is None and state.is_unreached:
        return "it was ended by hand, nobody can tell whether traffic follows the last write"
    if following.outcome is None:
        return describe_waiting(state)
    return following.sentence


def describe_outcome(state: RolloutState, following: Following, outcome: FollowOutcome) -> str:
    """Return one sentence for people: what was counted since the write, and what comes next."""
    loser = _name_loser(state, following)
    counted = _describe_counts(following, loser)
    written = percent(state.split.share if following.loser == "canary" else 1 - state.split.share)
    if outcome == "seen":
        return f"Traffic follows the last write: {counted}."
    if outcome == "not seen" or not contradicts(state, following):
        return (
            "Nobody can tell whether traffic follows the last write: "
            f"{_describe_lack(state, following, counted)}"
            f"{_describe_unseen(state, following, loser)}."
        )
    return (
        f"Traffic does not follow the last write: {counted}, but the object sends it "
        f"{written}; look for a proxy that is cut off, a control plane that is down or callers "
        f"that go around the route; {_describe_wait(state, following)}."
    )


def _describe_lack(state: RolloutState, following: Following, counted: str) -> str:
    """Say why the counts do not suffice: no time to count, silent series, or too few requests."""
    drain = following.counted_from - following.begun_at
    if drain >= state.plan.spec.follows_within:
        return (
            f"{counted}: counting begins {duration(drain)} after a write, when requests of before "
            f"are over, and `followWithin` is {duration(state.plan.spec.follows_within)}; a "
            "longer one, or a shorter `drain`, lets it be seen"
        )
    if silent := _describe_silence(state, following):
        return f"{silent}; {counted}"
    needed = needed_requests(state.plan, following)
    enough = f", {needed:,.0f} counted at both versions are needed" if needed else ""
    return f"{counted}{enough}"


def _describe_unseen(state: RolloutState, following: Following, loser: str) -> str:
    if following.end == "retreated":
        is_pause = needs_person(state, following)
        return f"; {loser} may still get requests: the rollout pauses" if is_pause else ""
    return (
        f"; look whether {loser} still gets requests before its pods go, hooks of the end are "
        "called only where they say `whenNotSeen: call`"
    )


def _describe_wait(state: RolloutState, following: Following) -> str:
    if following.end == "retreated":
        return "the rollout pauses"
    return (
        f"the next rollout of {state.plan.spec.service} waits until it is seen, or until "
        f"`surefoot confirm {state.plan.name}` says that it follows"
    )


def _describe_counts(following: Following, loser: str) -> str:
    if not following.requests:
        again = (
            f"{loser} got requests until it was written again, " if following.contradictions else ""
        )
        return f"{again}no request was counted since"
    share = percent(round(following.losing / following.requests, 4))
    before = percent(round(following.old_share, 4)) if following.old_share else "an unknown share"
    return (
        f"{loser} got {share} of {following.requests:,} requests counted since, {before} before it"
    )
