"""The share of traffic against the weight (sample ratio), and whether the data can be read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from analysis import sample_ratio
from analysis.counting.counts import Counts
from rollout.decide.evidence.judges import describe_judge
from rollout.decide.record.facts import Observed
from rollout.decide.state.rollout import RolloutState
from rollout.decide.state.traffic_tally import TrafficTally
from rollout.experiment.frame import to_time
from rollout.experiment.tables.scorecard import count, count_looks, find_last_view
from rollout.plan.fields.units import duration
from rollout.plan.model.guardrail import Guardrail
from rollout.review.history import RecordedRollout

REQUESTS = "requests"
"""What the first row of each look in `share` is about; others are labels of a guardrail."""


@dataclass(frozen=True)
class ShareRow:
    """The canary's share of requests, or of a guardrail's labels, against the confirmed weight.

    Counts are since the first look of the test. `evidence` that the share is wrong needs `needed`
    (log10): the test is a sequential one of sample ratio mismatch at .001.
    """

    seconds: float
    at: datetime
    of: str
    units: int
    canary: int
    share: float | None
    expected: float | None
    evidence: float
    needed: float
    is_mismatch: bool


@dataclass(frozen=True)
class HealthRow:
    """One question about the data themselves: `status` is ok, attention, or unknown."""

    question: str
    status: str
    answer: str


def share(record: RecordedRollout) -> Iterator[ShareRow]:
    """Yield the share of requests after each look that tested it, then those of labels."""
    timed = zip(record.entries, record.states, record.elapsed, strict=True)
    for entry, state, seconds in timed:
        if isinstance(entry.fact, Observed):
            yield from _list_shares(state, entry.fact.at, seconds)


def _list_shares(state: RolloutState, at: float, seconds: float) -> Iterator[ShareRow]:
    if state.traffic_tally.requests:
        yield _build_row(at, seconds, REQUESTS, state.traffic_tally, state.shares)
    for name, own in state.guardrails.items():
        if own.labels.requests:
            yield _build_row(at, seconds, name, own.labels, own.label_shares)


def _build_row(
    at: float,
    seconds: float,
    of: str,
    tally: TrafficTally,
    capital: tuple[float, ...],
) -> ShareRow:
    return ShareRow(
        seconds=seconds,
        at=to_time(at),
        of=of,
        units=tally.requests,
        canary=tally.canary,
        share=tally.canary / tally.requests,
        expected=tally.due / tally.requests,
        evidence=float(sample_ratio.log_mismatch(capital)) / math.log(10),
        needed=-math.log10(sample_ratio.ALPHA),
        is_mismatch=sample_ratio.mismatched(capital),
    )


def health(record: RecordedRollout) -> Iterator[HealthRow]:
    """Yield what an analyst asks of the data before reading any result."""
    state = record.state
    yield _judge_share(state)
    yield _find_strays(state)
    for guardrail in state.plan.spec.guardrails:
        is_paired = guardrail.metric.pairs is not None
        yield (_find_missing_order if is_paired else _find_missing_arm)(record, guardrail)
        if guardrail.metric.is_judged and guardrail.metric.kind not in {"pairs", "human"}:
            yield _find_coverage(record, guardrail)
        if guardrail.metric.judge:
            yield _find_judges(record, guardrail)
        yield from _list_unread(record, guardrail.name)
        yield from _find_silence(record, guardrail.name)


def _judge_share(state: RolloutState) -> HealthRow:
    question = "does the canary get the share of traffic that its weight promises?"
    if not state.traffic_tally.requests:
        return HealthRow(question, "unknown", "no look after a confirmed weight was counted")
    is_wrong = sample_ratio.mismatched(state.shares)
    return HealthRow(question, "attention" if is_wrong else "ok", str(state.traffic_tally))


def _find_strays(state: RolloutState) -> HealthRow:
    question = "was the canary without traffic before its first weight?"
    canary, both = state.untouched.canary, state.untouched.requests
    answer = f"{canary:,} of {both:,} requests before the first write were the canary's"
    if not both:
        return HealthRow(question, "unknown", "no request was counted before the first write")
    return HealthRow(question, "attention" if canary else "ok", answer)


def _find_missing_arm(record: RecordedRollout, guardrail: Guardrail) -> HealthRow:
    question = f"{guardrail.name}: do both versions report?"
    own = [units.counts for units in record.units if units.guardrail == guardrail.name]
    canary, stable = (
        sum(counts.canary_exposures for counts in own),
        sum(counts.stable_exposures for counts in own),
    )
    silent = [name for name, units in (("canary", canary), ("stable", stable)) if not units]
    if not guardrail.metric.needs_stable and silent == ["stable"]:
        silent = []
    answer = (
        f"{count(canary, 'unit')} of the canary, {stable:,} of stable in {count_looks(len(own))}"
    )
    return HealthRow(question, "attention" if silent else "ok", answer)


def _find_missing_order(record: RecordedRollout, guardrail: Guardrail) -> HealthRow:
    """Say whether each version was read first, and whether pairs have an outcome."""
    question = f"{guardrail.name}: is each version read first, and who wins known?"
    own = [units.counts for units in record.units if units.guardrail == guardrail.name]
    total = sum(own, Counts())
    first, second = total.canary_exposures, total.stable_exposures
    other = total.canary_unlabelled + total.stable_unlabelled
    answer = (
        f"{count(first, 'pair')} with the canary first, {second:,} others, "
        f"{other:,} of no known outcome"
    )
    is_ok = first and second and not other
    return HealthRow(question, "ok" if is_ok else "attention", answer)


def _find_judges(record: RecordedRollout, guardrail: Guardrail) -> HealthRow:
    """Say whether one version of the judge scored all."""
    question = f"{guardrail.name}: did one version of the judge score all?"
    state = record.state.guardrails[guardrail.name]
    looks = [entry.fact for entry in record.entries if isinstance(entry.fact, Observed)]
    tallies = [look.tallies[guardrail.name] for look in looks if guardrail.name in look.tallies]
    mixed = sum(len(tally.judges) > 1 for tally in tallies)
    if not state.judge and not mixed:
        return HealthRow(question, "unknown", "no look has told who scored")
    answer = describe_judge(state, record.ended_at) or "one version in all looks"
    if mixed:
        answer += f"; {count_looks(mixed)} with several set aside"
    is_ok = state.judged_anew is None and not mixed
    return HealthRow(question, "ok" if is_ok else "attention", answer)


def _find_coverage(record: RecordedRollout, guardrail: Guardrail) -> HealthRow:
    """Compare a judge's labels with the requests of the same looks, by version."""
    question = f"{guardrail.name}: is as much of both versions judged?"
    state = record.state.guardrails[guardrail.name]
    requests = record.state.traffic_tally
    if not state.labels.requests or not requests.canary or requests.canary == requests.requests:
        return HealthRow(question, "unknown", "no look counted labels and requests of both")
    canary = state.labels.canary / requests.canary
    stable = (state.labels.requests - state.labels.canary) / (requests.requests - requests.canary)
    is_uneven = bool(state.label_shares) and sample_ratio.mismatched(state.label_shares)
    answer = f"labels for each request: {canary:.3g} of the canary's, {stable:.3g} of stable's"
    return HealthRow(question, "attention" if is_uneven else "ok", answer)


def _find_silence(record: RecordedRollout, name: str) -> Iterator[HealthRow]:
    """Yield since when a guardrail had nothing new at the last look; nothing where it had."""
    last = find_last_view(record)
    if name in last.blind:
        own = last.blind[name]
        answer = f"at the last look it was blind for {duration(last.now - own.since)}: {own.reason}"
        yield HealthRow(f"{name}: is anything new counted?", "attention", answer)


def _list_unread(record: RecordedRollout, name: str) -> Iterator[HealthRow]:
    """Yield what kept looks from being read, and what was not believed, in its latest words."""
    facts = [entry.fact for entry in record.entries if isinstance(entry.fact, Observed)]
    problems = [fact.problems[name] for fact in facts if fact.problems.get(name)]
    doubts = [fact.unbelieved[name] for fact in facts if fact.unbelieved.get(name)]
    answer = f"{len(problems):,} of {count_looks(len(facts))} could not be read"
    if problems:
        yield HealthRow(f"{name}: was every look read?", "attention", f"{answer}: {problems[-1]}")
    else:
        yield HealthRow(f"{name}: was every look read?", "ok", answer)
    if doubts:
        latest, looks = "; ".join(doubts[-1]), count_looks(len(facts))
        answer = f"in {len(doubts):,} of {looks} something was not counted: {latest}"
        yield HealthRow(f"{name}: was every count believed?", "attention", answer)
