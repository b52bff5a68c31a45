"""Judges whether the counted requests follow a rollout's last write.

How it works: a write takes traffic from one version, the losing one: the canary in a rollback, the
old stable version in a promotion. From a while after the write (`drain` and the samples' lag) the
requests of both versions are counted in blocks. A block is full once the split before the write
would have given the losing version at least 7 requests (70 where users cluster), and the block
either contradicts the write (the losing version has more than the binomial distribution allows) or
agrees with it: it does not contradict, and half of the old share would hardly give so few (chance
below .001). A block that does neither grows. So a proxy of two that is cut off is no agreement,
however few requests come. Only shares are tested, never silence: a block agrees only with a look to
which every target of both versions has reported.
"""

from __future__ import annotations

import math

from analysis import sample_ratio
from analysis.binomial import lower_tail, upper_tail
from analysis.counting.counts import Counts
from analysis.fast_replace import replace
from rollout.decide.evidence.blindness import stale_after
from rollout.decide.evidence.exposure import exposure_guardrail, has_affinity, share_of_all
from rollout.decide.record.split import Split
from rollout.decide.state.following import End, Following
from rollout.decide.state.retreat import is_suspicion
from rollout.decide.state.rollout import Phase, RolloutState
from rollout.decide.state.traffic_tally import TrafficTally
from rollout.plan.model.plan import Plan

ENOUGH = 7.0
"""Requests that the old split gives the losing version in a full block."""

DRAIN = 60.0
"""Seconds that requests may go on after a write, where neither plan nor route says."""

_RESIDUE = 0.01  # of the old share: a stray request does not contradict a write
_LEFT = 0.5  # of the old share: what an agreeing block excludes
_ALPHA = 0.001  # chance of a wrong answer of one block
_MOST_HALVINGS = 20  # a chance of 1e-9: three times the requests of the first block
_UNLIKELY = 0.01  # chance of a block that speaks for a change


_ENDS: dict[Phase, End] = {
    "promoting": "promoted",
    "reverting": "rolled back",
    "undoing": "undone",
}
_RETREATED: frozenset[Phase] = frozenset({"retreated", "paused"})


def find_end(state: RolloutState) -> End | None:
    """Return the end that the wanted split leads to once the mesh shows it; None for a step.

    A retreat that a person ended with `resume` is a step again, also where its write is still open.
    """
    if state.is_following:
        return state.end
    move = state.move
    is_lowered = move is not None and move.action == "retreat" and not is_suspicion(move)
    if move is not None and is_lowered and state.phase in _RETREATED:
        return "retreated" if move.split == state.wanted else None
    return _ENDS.get(state.phase)


def begin_following(state: RolloutState, end: End, at: float) -> Following:
    """Return what to expect of a write that the object showed at `at`; `state` is from before."""
    delivery = state.delivery
    old_share = next(
        (
            share
            for split in (delivery.confirmed, delivery.replaced, delivery.previous)
            if split is not None and (share := _losing_share(state, split, end))
        ),
        None,
    )
    tolerated = tolerated_after(state, delivery.confirmed, end)
    if end == "retreated":
        written = share_of_all(state.plan, delivery.wanted) or 0.0
        tolerated = max(tolerated, _widen(state.plan, written))
    return Following(
        end=end,
        decision=delivery.decision,
        old_share=old_share,
        # An unknown share may have been any: only a large part of all requests is held against it.
        allowed=max(tolerated, _RESIDUE * (old_share or 1.0)),
        begun_at=at,
        begun_clock=state.clock,
        counted_from=_find_count_start(state, at),
    )


def begin_again(state: RolloutState, following: Following, at: float) -> Following:
    """Return the following of a write that was repeated; its time has begun with the first."""
    return replace(
        following,
        decision=state.delivery.decision,
        counted_from=_find_count_start(state, at),
        requests=0,
        losing=0,
        is_judged=False,
        contradictions=0,
        contradicting=None,
    )


def count_followers(
    state: RolloutState, counts: Counts, since: float | None, at: float
) -> Following | None:
    """Return the following after one more look at `at`, whose counts begin at `since`."""
    following = state.following
    if following is None:
        return None
    following = replace(following, missed=following.missed + _find_gap(state, following, at))
    following = _hear(state, following)
    if since is None or since < following.counted_from:
        return following
    requests, losing = (0, 0) if following.is_judged else (following.requests, following.losing)
    canary, stable = counts.canary_exposures, counts.stable_exposures
    losing += canary if following.loser == "canary" else stable
    added = replace(following, requests=requests + canary + stable, losing=losing)
    is_against = contradicts(state, added)
    is_clear = is_against or (
        _excludes_old_share(state, added) and not count_silent(state, added)[0]
    )
    is_full = is_clear and _is_enough(state, added) and has_both_reported(state, added)
    if is_full and is_against:
        contradicting = added.requests, added.losing
        added = replace(added, contradictions=added.contradictions + 1, contradicting=contradicting)
    return replace(added, is_judged=is_full)


def _hear(state: RolloutState, following: Following) -> Following:
    """Return the following with what the losing version's series have reported to a whole look.

    A whole look holds a sample of each target. A series that has none newer than the newest of the
    look before fell silent, and what it would have counted is not in this look.
    """
    guardrail = state.guardrails.get(exposure_guardrail(state.plan))
    newest = None if guardrail is None else guardrail.newest(following.loser)
    return replace(following, silent_from=following.reached, reached=newest or 0.0)


def contradicts(state: RolloutState, following: Following) -> bool:
    """Return whether the losing version got more requests than the write allows."""
    losing, requests = _count_independent(state.plan, following)
    return upper_tail(losing, requests, following.allowed) < _ALPHA


def _count_independent(plan: Plan, following: Following) -> tuple[int, int]:
    """Return the losing version's requests and all of the block, a user's cluster as one.

    A part of a cluster is rounded in the losing version's favour.
    """
    size = _size(plan)
    return math.floor(following.losing / size), math.ceil(following.requests / size)


def _excludes_old_share(state: RolloutState, following: Following) -> bool:
    """Return whether half of the old share would hardly give the losing version so few requests.

    Many blocks ask it where the mesh does not follow, so each contradiction halves the chance that
    the next block may be wrong: the sum stays below twice that of the first.
    """
    alpha = _ALPHA * 0.5 ** min(following.contradictions, _MOST_HALVINGS)
    size = _size(state.plan)
    requests, losing = math.floor(following.requests / size), math.ceil(following.losing / size)
    if losing > requests or following.old_share is None:
        return False
    return lower_tail(losing, requests, _half_left(following)) < alpha


def _half_left(following: Following) -> float:
    """Return the losing version's share where half of the old share is left beside the allowed."""
    share = following.allowed + _LEFT * (following.old_share or 0.0)
    return min(share, (1 + following.allowed) / 2)


def speaks_for_change(state: RolloutState, following: Following) -> bool:
    """Return whether the block so far makes half of the old share unlikely, full or not."""
    losing, requests = _count_independent(state.plan, following)
    return lower_tail(losing, requests, _half_left(following)) < _UNLIKELY


def _find_gap(state: RolloutState, following: Following, at: float) -> float:
    """Return the seconds before a look in which nobody looked, as far as they count as lived."""
    gap = at - max(state.looked_at or at, following.begun_at)
    if state.is_lived:
        gap = min(gap, state.longest_gap)
    return gap if gap > stale_after(state) else 0.0


def needed_requests(plan: Plan, following: Following) -> float | None:
    """Return how many requests fill a block; None where the old share is unknown."""
    if not following.old_share:
        return None
    without_any = math.log(_ALPHA) / math.log1p(-_half_left(following))
    return max(ENOUGH / following.old_share, without_any) * _size(plan)


def has_both_reported(state: RolloutState, following: Following) -> bool:
    """Return whether both versions have samples from after the write.

    Every target of the losing version that reported before it must report again: a silent one may
    still get requests.
    """
    guardrail = state.guardrails.get(exposure_guardrail(state.plan))
    if guardrail is None:
        return False
    silent, series = _count_until(state, following, following.counted_from)
    newest = guardrail.newest("canary" if following.loser == "stable" else "stable")
    is_winner_heard = newest is not None and newest > following.counted_from
    return series > 0 and not silent and is_winner_heard


def needs_person(state: RolloutState, following: Following) -> bool:
    """Return whether only a person can go on, should nobody see that traffic follows.

    So it is after a retreat of a canary whose endpoints were ready throughout, or are unknown: it
    may still get requests that nobody counts. One without endpoints gets none, and is waited for.
    """
    retreat = state.retreat
    has_lost_endpoints = retreat is not None and retreat.has_lost_endpoints
    return following.end == "retreated" and not has_lost_endpoints


def count_silent(state: RolloutState, following: Following) -> tuple[int, int]:
    """Return how many of the losing version's series are silent since the write, and of how many.

    Those that fell silent later, before the newest whole look, are silent too, and so are those of
    a pod that was scaled down: the counts cannot tell it from one that is cut off both from the
    mesh and from the collector of its samples.
    """
    return _count_until(state, following, max(following.counted_from, following.silent_from))


def _count_until(state: RolloutState, following: Following, until: float) -> tuple[int, int]:
    """Return how many of the losing version's series have no sample after a time, and of how many.

    Only those count that reported shortly before the write, or since.
    """
    guardrail = state.guardrails.get(exposure_guardrail(state.plan))
    if guardrail is None:
        return 0, 0
    alive_from = state.at_server(following.begun_at) - stale_after(state)
    alive = [(at, n) for at, n in guardrail.last_times(following.loser) if at >= alive_from]
    silent = sum(number for at, number in alive if at <= until)
    return silent, sum(number for _, number in alive)


def tolerated_after(state: RolloutState, before: Split, end: End) -> float:
    """Return the share of all counts that the losing version may have in any case.

    Rollback: what the canary got before our first write. Promotion: callers that go around the
    route reach stable, as many as the traffic-share test tolerated at the last step.
    """
    if end != "promoted":
        tally = state.untouched
        slack = 2 * math.sqrt(tally.canary) + 2  # about two standard deviations of a Poisson count
        return (tally.canary + slack) / tally.requests if tally.canary else 0.0
    canary = share_of_all(state.plan, before)
    if not canary or canary >= 1:
        return 1 - sample_ratio.FULL
    tolerated = _widen(state.plan, 1 - canary)
    # Of all requests b go around the route: (1 - canary)(1 - b) + b is the tolerated share.
    return max(1 - sample_ratio.FULL, (tolerated - (1 - canary)) / canary)


def _widen(plan: Plan, share: float) -> float:
    """Return the largest share that the traffic-share test still accepts as this one."""
    tolerance = sample_ratio.STICKY if has_affinity(plan) else sample_ratio.TOLERANCE
    odds = share / (1 - share) * math.exp(tolerance) if share < 1 else math.inf
    return 1.0 if math.isinf(odds) else odds / (1 + odds)


def _is_enough(state: RolloutState, following: Following) -> bool:
    return following.due >= ENOUGH * _size(state.plan)


def _size(plan: Plan) -> float:
    """Return how many requests count as one."""
    return sample_ratio.CLUSTER if has_affinity(plan) else 1.0


def _losing_share(state: RolloutState, split: Split, end: End) -> float | None:
    """Return the losing version's share of all counts under a split; None where unknown."""
    canary = _count_share(state, split)
    if canary is None:
        return None
    return 1 - canary if end == "promoted" else canary


def _count_share(state: RolloutState, split: Split) -> float | None:
    """Return the canary's share of the counts; copies count beside the requests themselves."""
    if split.way == "mirror":
        return split.share / (1 + split.share)
    share = share_of_all(state.plan, split)
    if share is not None:
        return share
    size = _find_segment_size(state.segment_tally)
    return None if size is None else split.share * size


def _find_segment_size(tally: TrafficTally) -> float | None:
    """Return the segment's share of all requests as counted; None before any of them came."""
    return min(tally.canary / tally.due, 1.0) if tally.canary else None


def _find_count_start(state: RolloutState, at: float) -> float:
    name = exposure_guardrail(state.plan)
    lag = next(g.lag for g in state.plan.spec.guardrails if g.name == name)
    return state.at_server(at) + _find_drain(state) + lag


def _find_drain(state: RolloutState) -> float:
    """Return the seconds in which requests from before a write have ended."""
    declared, read = state.plan.spec.drains_within, state.route_read
    timeout = read.timeout if read else None
    return declared if declared is not None else timeout or DRAIN
