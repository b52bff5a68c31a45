"""Looks twice at a plan's series, some minutes apart, with everything that a look can show.

`doctor` judges set-ups by it before a rollout begins: what a rollout would count or doubt is found
by the production queries and rules, and the labels of the series say where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from analysis.counting.belief import Belief, DoubtError, count_look
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Cursor
from rollout.errors import ObserveError
from rollout.observe.evidence import Evidence, Key, RawPart, find_evidence, list_open
from rollout.observe.matrix import by_version
from rollout.observe.parse import ParsedSamples, parse, read_raw
from rollout.observe.query import Query, queries
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer
from rollout.ports import Ask

Read = Callable[[PrometheusServer, str, float], object]
"""Returns the result of an instant query from server, PromQL and unix time; or ObserveError."""


@dataclass(frozen=True)
class Survey:
    """One guardrail's series over the minutes, and what a rollout would make of them.

    `raw` has all of them, twins included, and `evidence` is of all of them; there is no `raw` where
    the answer cannot be read. `problem` is why a rollout would be blind, `unbelieved` what it would
    not count. `doubted` is the series of which the samples themselves are in doubt. `counts` are
    the units of the time between both looks; None where they cannot be counted.
    """

    guardrail: str
    raw: RawPart | None = None
    evidence: Evidence = field(default_factory=Evidence)
    problem: str = ""
    doubted: Key | None = None
    unbelieved: tuple[str, ...] = ()
    counts: Counts | None = None


def survey(plan: Plan, read: Read, now: float, past: float) -> Iterator[Survey]:
    """Look `past` seconds ago and now; yield each guardrail's survey. Raises ObserveError."""
    cursors: dict[str, Cursor] = {}
    for _, _, samples in _look(Ask(plan.id, plan, {}), read, now - past):
        try:
            cursors[samples.query_part.guardrail] = _count(samples).cursor
        except EvidenceError:
            continue  # the second look judges the same samples again
    since = {guardrail.name: now - past for guardrail in plan.spec.guardrails}
    for query, result, samples in _look(Ask(plan.id, plan, since, cursors), read, now):
        yield _survey_part(query, result, samples, partial(_run, read, query, now))


def _run(read: Read, query: Query, now: float, text: str) -> object:
    return read(query.source.server, text, now)


def _look(ask: Ask, read: Read, now: float) -> Iterator[tuple[Query, object, ParsedSamples]]:
    for query in queries([ask], now):
        run = partial(_run, read, query, now)
        result = run(query.text)
        find = partial(_find_evidence, run=run)
        for samples in parse(query, result, find):
            yield query, result, samples


def _find_evidence(
    query: Query, parts: Sequence[RawPart], run: Callable[[str], object]
) -> Evidence:
    return find_evidence(query, list_open(parts), run)


def _count(samples: ParsedSamples) -> Belief:
    return count_look(samples.query_part.cursor, samples.series, samples.origins)


def _survey_part(
    query: Query, result: object, samples: ParsedSamples, run: Callable[[str], object]
) -> Survey:
    query_part, problem, unbelieved = samples.query_part, samples.problem, samples.unbelieved
    doubted: Key | None = None
    counts: Counts | None = None
    if not problem:
        try:
            counts = _count(samples).counts
        except EvidenceError as error:
            problem = str(error)
            doubted = error.key if isinstance(error, DoubtError) else None
    try:
        raw = read_raw(query.source, query_part, by_version(query.source, result))
    except ObserveError as error:
        return Survey(query_part.guardrail, problem=problem or str(error), unbelieved=unbelieved)
    keys = [(raw, (entry.arm, entry.key)) for entry in raw.series]
    evidence = find_evidence(query, keys, run)
    return Survey(query_part.guardrail, raw, evidence, problem, doubted, unbelieved, counts)
