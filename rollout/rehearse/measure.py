"""Measures stable's figures with the production queries: rates, traffic, bucket shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from analysis.counting.belief import Belief, count_look
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Cursor
from rollout.decide.evidence.unlabelled import count_standing, describe_blinding
from rollout.plan.model.plan import Guardrail, Plan
from rollout.ports import Answer, Ask, Observer
from rollout.rehearse.assumptions import KnownFigures
from rollout.simulate import scale_of

_BEYOND = {"slower", "above", "below"}
_FEW = 50  # units; with fewer a share or a distribution is too uncertain to use


@dataclass(frozen=True)
class Measured:
    """The figures that were measured, and by guardrail the problem that prevented it.

    `unread` names the guardrails of which the observer gave no samples it could use.
    """

    figures: KnownFigures
    problems: Mapping[str, str] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Count:
    """One guardrail's counts over a span of seconds."""

    evidence: Counts
    seconds: float

    @property
    def per_second(self) -> float:
        """Return units of both versions per second."""
        total = self.evidence.canary_exposures + self.evidence.stable_exposures
        return total / self.seconds


def measure(plan: Plan, observer: Observer, now: float, past: float) -> Measured:
    """Measure the last `past` seconds as a rollout with a look at both ends would.

    An observer reads back an hour at most. Series that are younger are read from their begin on.
    """
    counts, problems, unread = _count_past(plan, observer, now, past)
    if any(guardrail.beyond for guardrail in plan.spec.guardrails):
        # At its edge a guardrail reads two buckets; how values move is told by all of them.
        counts |= _count_past(_judge_shapes(plan), observer, now, past)[0]
    return Measured(_combine_figures(plan, counts), problems, unread)


def _judge_shapes(plan: Plan) -> Plan:
    """Return the plan with whole histograms in place of shares beyond an edge."""
    guardrails = [
        guardrail if guardrail.beyond is None else _judge_shape(guardrail)
        for guardrail in plan.spec.guardrails
    ]
    spec = plan.spec.model_copy(update={"guardrails": guardrails})
    return plan.model_copy(update={"spec": spec})


def _judge_shape(guardrail: Guardrail) -> Guardrail:
    document = guardrail.model_dump(by_alias=True, exclude_none=True, exclude=_BEYOND)
    return Guardrail.model_validate({**document, "tolerance": 0.1})


def _count_past(
    plan: Plan, observer: Observer, now: float, past: float
) -> tuple[dict[str, Count], dict[str, str], frozenset[str]]:
    """Return counts, problems, and the guardrails without samples that could be used."""
    before = observer.observe([Ask(plan.id, plan, {})], now - past)[plan.id]
    since = {guardrail.name: now - past for guardrail in plan.spec.guardrails}
    problems = {name: why for name, why in before.problems.items() if name in since}
    cursors: dict[str, Cursor] = {}
    for name in since:
        try:
            cursors[name] = _count_answer(Cursor(), before, name).cursor
        except EvidenceError as error:
            problems.setdefault(name, str(error))
    after = observer.observe([Ask(plan.id, plan, since, cursors)], now)[plan.id]
    problems |= {name: why for name, why in after.problems.items() if name in since}
    counts: dict[str, Count] = {}
    for name, cursor in cursors.items():
        try:
            counts[name] = _count_between(cursor, _count_answer(cursor, after, name))
        except EvidenceError as error:
            problems.setdefault(name, str(error))
    metrics = {guardrail.name: guardrail.metric for guardrail in plan.spec.guardrails}
    # Where too little was counted between the looks, the counters as they stand tell.
    shares = {
        name: counts[name].evidence if name in counts else count_standing(series)
        for name, series in after.series.items()
        if name in since
    }
    unlabelled = {
        name: blinding
        for name, share in shares.items()
        if (blinding := describe_blinding(share, metrics[name]))
    }
    problems |= unlabelled
    unread = frozenset({*before.problems, *after.problems, *unlabelled})
    young = [name for name in since if name not in counts and name not in unread]
    begins = [begin for name in young if (begin := _find_begin(after, name)) is not None]
    age = now - max(begins, default=now)
    if not 0 < age < past:
        return counts, problems, unread
    # Series that are younger than the time asked for are read from their begin on.
    younger, their_problems, their_unread = _count_past(plan, observer, now, age)
    for name in young:
        problems.pop(name, None)
    return younger | counts, their_problems | problems, their_unread | unread


def _find_begin(answer: Answer, name: str) -> float | None:
    """Return when stable's first sample is, if there is one."""
    series = (entry for entry in answer.series.get(name, ()) if entry.arm == "stable")
    return min((entry.samples[0][0] for entry in series), default=None)


def _count_answer(cursor: Cursor, answer: Answer, name: str) -> Belief:
    return count_look(cursor, answer.series.get(name, ()), answer.origins.get(name))


def _count_between(first: Cursor, belief: Belief) -> Count:
    """Return what was added between two looks. Raises EvidenceError if it is too little."""
    last, evidence = belief.cursor, belief.counts
    begin, end = first.newest("stable"), last.newest("stable")
    if begin is None or end is None or begin == end:
        raise EvidenceError("no samples of stable at both ends of that time")
    if evidence.stable_exposures < _FEW:
        raise EvidenceError(f"only {evidence.stable_exposures} units of stable in that time")
    return Count(evidence, end - begin)


def _combine_figures(plan: Plan, counts: Mapping[str, Count]) -> KnownFigures:
    """Combine the counts; of several guardrails of one kind the first one counts."""
    figures = KnownFigures()
    for guardrail in plan.spec.guardrails:
        if guardrail.name in counts:
            figures = figures.over(_derive_figures(guardrail, counts[guardrail.name]))
    labels_per_second = [
        counts[g.name].per_second
        for g in plan.spec.guardrails
        if g.name in counts and g.metric.is_judged and g.metric.pairs is None
    ]
    if labels_per_second and figures.rate:
        figures = replace(figures, labelled=min(1.0, labels_per_second[0] / figures.rate))
    return figures


def _derive_figures(guardrail: Guardrail, count: Count) -> KnownFigures:
    source, evidence = guardrail.metric, count.evidence
    rate = count.per_second if not source.is_judged else None
    if not guardrail.has_past:
        return KnownFigures(rate=rate)
    if source.kind == "rate":
        # No bad unit in this time does not mean a rate of zero. Half a unit stands for it, so that
        # a world with twice as many errors has more of them.
        bad = (evidence.stable_bad or 0.5) / evidence.stable_exposures
        return KnownFigures(fails=bad) if source.is_judged else KnownFigures(rate=rate, errors=bad)
    shares = tuple(units / evidence.stable_exposures for units in evidence.stable)
    edges = evidence.edges[:-1]
    if source.worse == "high":
        edges = tuple(edge * scale_of(source) for edge in edges)
        return KnownFigures(rate=rate, latency_edges=edges, latency_shares=shares)
    return KnownFigures(score_edges=edges, score_shares=shares)
