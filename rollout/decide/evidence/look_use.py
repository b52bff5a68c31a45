"""What a look's counts are used for, by the times at which it began.

What may be counted is fixed by the looks before, and never by the look's own counts: otherwise the
tests' error rates would not hold.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeVar

from analysis.counting.counts import Counts
from analysis.verdict.pairs_test import PairsTest
from analysis.verdict.sequential_test import SequentialTest
from analysis.verdict.superiority_test import GoalTest
from rollout.decide.evidence.baseline import look_started_at
from rollout.decide.evidence.confirmation import find_confirmation
from rollout.decide.evidence.exposure import may_hold_mirrored
from rollout.decide.record.facts import Observed
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Guardrail

Use = Literal["learn", "watch", "update"]
Test = TypeVar("Test", SequentialTest, GoalTest)


class LookBegin(NamedTuple):
    """When a look began (unix seconds), and when it did for the first of all targets."""

    at: float | None
    first: float | None


def find_use(state: RolloutState, fact: Observed, guardrail: Guardrail) -> Use:
    """Return what a look's counts of one guardrail are used for; `state` is that before it."""
    begin = find_look_begin(state, fact, guardrail.name)
    if guardrail.metric.pairs is not None:
        return choose_use_of_pairs(state, begin, guardrail.lag)
    return choose_use(state, begin, guardrail)


def find_look_begin(state: RolloutState, fact: Observed, guardrail: str) -> LookBegin:
    """Return when a look of one guardrail began."""
    at = find_begin(state, fact, guardrail)
    return LookBegin(at, _find_first(fact, guardrail, at))


def find_begin(state: RolloutState, fact: Observed, guardrail: str) -> float | None:
    """Return when a look began; earlier, where a series is counted that had missed a scrape.

    Which series are there depends on scrapes, and not on what was counted.
    """
    own, tally = state.measured[guardrail], fact.tallies.get(guardrail)
    at = look_started_at(state, own)
    if at is None and own.test.is_alone:
        at = own.newest("canary")
    if isinstance(own.test, PairsTest):  # both are orders of pairs, of which one may be rare
        at = state.started_at if own.newest_of_all is None else own.newest_of_all
    if at is None or tally is None or tally.since is None:
        return at
    return min(at, tally.since)


def _find_first(fact: Observed, guardrail: str, since: float | None) -> float | None:
    """Return when the first target's part of a look begins; the look itself begins at `since`.

    Targets are scraped one after another, so the last one's part begins almost a scrape before the
    first one's ends.
    """
    tally = fact.tallies.get(guardrail)
    if since is None or tally is None or tally.first is None:
        return since
    return min(since, tally.first)


def choose_use(state: RolloutState, begin: LookBegin, guardrail: Guardrail) -> Use:
    """Choose what a look's counts are used for, by the times at which it began."""
    if may_hold_mirrored(state, begin.at, guardrail.lag):
        return "watch"  # no user got the canary's answers: only a crash counts
    if state.warm_at is None:
        return "learn"
    # The whole look must lie after the warm-up, so its begin counts, not its end.
    weighed_from = max(state.warm_at, find_confirmation(state, guardrail.name))
    return "update" if begin.first is not None and begin.first >= weighed_from else "watch"


def choose_use_of_pairs(state: RolloutState, begin: LookBegin, lag: float) -> Use:
    """Choose what a look's pairs are used for.

    Both versions answer the same requests, so neither warm-up nor weight has a say. Pairs that are
    `lag` seconds late may be of the versions before the rollout, so a look counts from then on.
    """
    is_own = begin.at is not None and begin.at >= state.started_at + lag
    return "update" if is_own else "learn"


def feed(test: Test, counts: Counts, use: Use) -> Test:
    """Return a test after a look whose counts are used so."""
    if use == "learn":
        return test.learn(counts)
    return test.watch(counts) if use == "watch" else test.update(counts)
