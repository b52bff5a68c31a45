"""Apply one look to a rollout's evidence.

How it works: a look brings counts, or raw samples, by guardrail and segment. `read_units` returns
the counts of both versions since the look before. `pair_with_baseline` replaces stable's counts
where the plan compares the canary with the time before a switch. `_update_test` then gives the
counts to the guardrail's test, in one of three ways that depend only on the look's time: `learn`
(the canary had no request yet, only stable's past is taken in), `watch` (warm-up or mirrored
requests, only a crash counts) or `update` (harm and safety are tested). At last
`_check_traffic_share` tests whether the canary got the share of requests that the split promised.

What may be counted is always decided by the time at which the look began, which the looks before
fixed, and never by the look's own counts: otherwise the tests' error rates would not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis import sample_ratio
from analysis.counting.counts import Counts
from analysis.fast_replace import replace
from rollout.decide.evidence.baseline import pair_with_baseline
from rollout.decide.evidence.confirmation import splits_by_chance
from rollout.decide.evidence.exposure import (
    counts_copies,
    exposure_guardrail,
    is_clustered,
    may_hold_mirrored,
    share_of_all,
)
from rollout.decide.evidence.following import count_followers
from rollout.decide.evidence.labels import count_labels
from rollout.decide.evidence.look_use import (
    LookBegin,
    Use,
    choose_use,
    choose_use_of_pairs,
    feed,
    find_begin,
    find_look_begin,
)
from rollout.decide.evidence.next_look import is_partial
from rollout.decide.evidence.units import read_units
from rollout.decide.record.facts import Observed
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import TERMINAL, RolloutState
from rollout.decide.state.traffic_tally import TrafficTally
from rollout.plan.model.plan import Guardrail


def apply_observation(state: RolloutState, fact: Observed, _seq: int) -> RolloutState:
    """Return the state after one look: every guardrail's capital and the traffic share."""
    state = replace(state, skew=fact.skew or 0.0)
    counted = exposure_guardrail(state.plan)
    since = find_begin(state, fact, counted)
    guardrail_states = {}
    for guardrail in state.plan.spec.guardrails:
        guardrail_state, counts = read_units(
            state.guardrails[guardrail.name], fact, guardrail, state.started_at
        )
        if not is_over(state):
            begin = find_look_begin(state, fact, guardrail.name)
            if guardrail.name in fact.tallies:  # older journals were decided without it
                guardrail_state = count_labels(state, guardrail_state, counts, guardrail, begin.at)
            guardrail_state = _update_test(state, guardrail_state, counts, guardrail, begin)
        guardrail_states[guardrail.name] = _with_problem_since(guardrail_state, fact.at)
        if guardrail.name == counted:
            exposures = counts
    if state.has_late_shares and _begins_anew(state, guardrail_states):
        state = replace(state, steady_at=None)
    is_short = is_partial(state, fact.at)
    is_whole = counted not in fact.unbelieved and not is_short
    segments = _update_segments(state, fact) if state.segments else state.segments
    if is_whole and state.following is not None:
        after = replace(state, guardrails=guardrail_states)
        state = replace(state, following=count_followers(after, exposures, since, fact.at))
    if is_over(state):
        return replace(state, guardrails=guardrail_states, segments=segments, looked_at=fact.at)
    return replace(
        state,
        guardrails=guardrail_states,
        segments=segments,
        looked_at=fact.at,
        untouched=_count_untouched(state, exposures),
        first_canary_at=_find_first_request(state, guardrail_states[counted], exposures, since),
        **_check_traffic_share(state, exposures, since, state.clock, whole=is_whole),
        requests_per_look=_count_requests(state, exposures, since, is_short=is_short),
    )


def _update_segments(state: RolloutState, fact: Observed) -> dict[str, GuardrailState]:
    """Return the guardrails of segments after one look; nothing waits for them."""
    segments = {}
    for segment in state.plan.spec.segment_guardrails:
        guardrail = segment.guardrail
        own, counts = read_units(state.segments[segment.name], fact, guardrail, state.started_at)
        if not is_over(state):
            begin = find_look_begin(state, fact, segment.name)
            own = _update_test(state, own, counts, guardrail, begin)
        segments[segment.name] = own
    return segments


def _begins_anew(state: RolloutState, after: Mapping[str, GuardrailState]) -> bool:
    """Return whether a guardrail that was counted before takes every series as a baseline.

    What passed since its last look is not counted, so nothing says how the canary fares now.
    """
    return any(
        before.tally is not None
        and (tally := after[name].tally) is not None
        and before.tally.began is not None
        and before.tally.began != tally.began
        for name, before in state.guardrails.items()
    )


def is_over(state: RolloutState) -> bool:
    """Return whether the versions are not compared any more: only the last write is followed.

    In a promotion the guardrails go on until the traffic follows.
    """
    return state.phase in TERMINAL or (state.is_following and state.end != "promoted")


def _count_untouched(state: RolloutState, exposures: Counts) -> TrafficTally:
    """Return what both versions got before our first write gave the canary weight."""
    if state.first_write or (state.is_observer and state.split.canary):
        return state.untouched
    return state.untouched.seen(exposures.canary_exposures, exposures.stable_exposures, 0.0)


def _with_problem_since(guardrail: GuardrailState, at: float) -> GuardrailState:
    """Return the guardrail with the time since which its samples or its test have a problem."""
    if not (guardrail.problem or guardrail.test.problem):
        return (
            guardrail if guardrail.problem_since is None else replace(guardrail, problem_since=None)
        )
    return (
        guardrail if guardrail.problem_since is not None else replace(guardrail, problem_since=at)
    )


def _update_test(
    state: RolloutState,
    guardrail_state: GuardrailState,
    counts: Counts,
    guardrail: Guardrail,
    begin: LookBegin,
) -> GuardrailState:
    """Return the guardrail with its test updated as the begin of the look demands."""
    if guardrail.never is not None:  # whatever the canary has done counts, from the start on
        return replace(guardrail_state, test=guardrail_state.test.update(counts))
    if guardrail.metric.pairs is not None:
        use = choose_use_of_pairs(state, begin, guardrail.lag)
        return _update_pairs(guardrail_state, counts, use)
    before, lag = state.measured[guardrail.name], guardrail.lag
    # Pairing asks `before`, not `guardrail_state`, whose cursor already stands at the look's end.
    paired = before
    if guardrail.metric.needs_stable:
        paired, counts = pair_with_baseline(state, before, counts, lag, state.clock)
    if paired is not before:
        guardrail_state = replace(
            guardrail_state,
            baseline_looks=paired.baseline_looks,
            baseline_exhausted_at=paired.baseline_exhausted_at,
        )
    if not counts.canary_exposures and not counts.stable_exposures:
        return guardrail_state
    use = choose_use(state, begin, guardrail)
    test = feed(guardrail_state.test, counts, use)
    late_test = feed(guardrail_state.late_test, counts, use) if guardrail_state.late_test else None
    if guardrail_state.goal is not None:
        goal = feed(guardrail_state.goal, counts, use)
        guardrail_state = replace(guardrail_state, goal=goal)
    if counts.canary_exposures:
        newest = guardrail_state.newest("canary")
        return replace(
            guardrail_state,
            test=test,
            late_test=late_test,
            expected=0.0,
            last_canary_sample_at=newest,
        )
    expected = guardrail_state.expected + _expected_canary_exposures(state, counts, begin.at, lag)
    return replace(guardrail_state, test=test, late_test=late_test, expected=expected)


def _update_pairs(guardrail_state: GuardrailState, counts: Counts, use: Use) -> GuardrailState:
    """Return the guardrail with a look's pairs in its test and its goal."""
    goal = guardrail_state.goal
    return replace(
        guardrail_state,
        test=feed(guardrail_state.test, counts, use),
        goal=goal if goal is None else feed(goal, counts, use),
    )


def _expected_canary_exposures(
    state: RolloutState, counts: Counts, since: float | None, lag: float
) -> float:
    """Estimate the independent canary exposures that stable's imply at the confirmed split."""
    confirmed_at = state.delivery.confirmed_at
    routed = confirmed_at is not None and not state.delivery.is_open and state.split.canary
    is_copied = state.split.way == "mirror"
    share = state.split.share if is_copied else share_of_all(state.plan, state.split)
    if not routed or not share or since is None or (is_copied and not counts_copies(state)):
        return 0.0
    # Samples arrive `lag` seconds late: an earlier look may hold requests of the split before.
    is_after_confirmation = since >= (confirmed_at or 0.0) + lag
    odds = state.split.canary / max(state.split.stable, 1)
    if is_copied:
        odds = share
    elif state.split.way == "segment":
        odds = share / max(1 - share, 1e-9)
    # A user's requests all go to one version, so a cluster of them counts as one exposure.
    independent = 1 / sample_ratio.CLUSTER if is_clustered(state) else 1.0
    return counts.stable_exposures * odds * independent if is_after_confirmation else 0.0


def _find_first_request(
    state: RolloutState, guardrail: GuardrailState, exposures: Counts, since: float | None
) -> float | None:
    """Return when the canary's first request was scraped; the warm-up begins there."""
    if state.first_canary_at is not None or not exposures.canary_exposures:
        return state.first_canary_at
    is_weighed = state.stepped or not (state.plan.spec.before is not None or state.is_observer)
    if not is_weighed:
        return None  # nothing was routed yet, so this is a stray request, or it is not weighed yet
    return None if may_hold_mirrored(state, since, 0.0) else _find_first_sample(state, guardrail)


def _find_first_sample(state: RolloutState, guardrail: GuardrailState) -> float | None:
    """Return the time of the canary's first sample in the newest round of scrapes.

    Its first request came before it. Older journals took the last one of the round.
    """
    newest, tally = guardrail.newest("canary"), guardrail.tally
    if newest is None or tally is None or tally.first is None:
        return newest
    scrape = state.plan.spec.prometheus.scrape
    return min(at for at, _ in guardrail.last_times("canary") if at > newest - scrape)


def _count_requests(
    state: RolloutState, exposures: Counts, since: float | None, *, is_short: bool
) -> float:
    """Return the requests of users in the newest look that had any, and was a whole interval."""
    requests = exposures.stable_exposures
    if not may_hold_mirrored(state, since, 0.0):  # copies are no requests of users
        requests += exposures.canary_exposures
    return float(requests) if requests and not is_short else state.requests_per_look


def _check_traffic_share(
    state: RolloutState, exposures: Counts, since: float | None, at: float, *, whole: bool
) -> dict[str, Any]:
    """Return the state's changes by the test of the traffic share.

    Only looks that lie wholly after the mesh's confirmation are tested: an earlier one may hold
    requests of two splits. Nor are looks of which something was not counted, or that are too short
    to hold a sample of every target.
    """
    canary, stable = exposures.canary_exposures, exposures.stable_exposures
    changes: dict[str, Any] = {}
    confirmed = state.delivery.confirmed_at
    mirrored = may_hold_mirrored(state, since, 0.0)
    if state.delivery.is_open or confirmed is None or not state.split.canary:
        return changes
    if mirrored:
        return _tally_copies(state, canary, stable)
    if since is None or since < confirmed or not whole:
        return changes
    # Where the segment's share is not declared, any canary request counts as agreement.
    share, agrees = share_of_all(state.plan, state.split), canary > 0
    if share is not None:
        capital = sample_ratio.update(
            state.shares, canary, stable, share, clustered=is_clustered(state)
        )
        changes |= {
            "shares": capital,
            "traffic_tally": state.traffic_tally.seen(canary, stable, share),
        }
        if splits_by_chance(state):
            changes["by_chance"] = state.by_chance.seen(canary, stable, share)
        # A look that has counted nothing says nothing: older journals took it for agreement.
        agrees = not sample_ratio.mismatched(capital) and (
            canary + stable > 0 or not state.has_late_shares
        )
    else:
        tally = state.segment_tally.seen(canary, stable, state.split.share)
        changes |= {"segment_tally": tally}
    return {**changes, "steady_at": at} if state.steady_at is None and agrees else changes


def _tally_copies(state: RolloutState, canary: int, stable: int) -> dict[str, Any]:
    """Return the tally of copies, of looks that held any: it tells whether the mesh counts them."""
    if state.split.way != "mirror" or not canary:
        return {}
    share = state.split.share / (1 + state.split.share)  # copies count beside the requests
    return {"copy_tally": state.copy_tally.seen(canary, stable, share)}
