"""Tell set-ups whose counts mislead, each with its cure, by the samples of the last minutes.

What is judged is judged by the rules of a rollout's own looks (`observe.survey`). Unlike the
journal, a finding names the values of labels: they say where to look.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from analysis.counting.cursor import Cursor
from analysis.counting.walk import SEVERAL
from rollout.decide.evidence.unlabelled import (
    count_standing,
    describe_unlabelled,
    is_blinding,
)
from rollout.doctor.finding import Finding, Level
from rollout.doctor.probe.alike import find_alike, find_no_counters
from rollout.doctor.probe.cures import (
    LABEL,
    LAYOUTS,
    MEMBERS,
    NO_COUNTER,
    ONE_SCRAPE,
    POD_LABEL,
    TWICE,
    choose_cure,
)
from rollout.doctor.probe.falls import describe_falls, describe_merged
from rollout.doctor.probe.reading import read_today
from rollout.doctor.probe.wording import format_labels
from rollout.doctor.resolution import of_buckets, of_scale
from rollout.errors import ObserveError
from rollout.observe.evidence import RawPart
from rollout.observe.origins import count_processes, knows_start
from rollout.observe.query import LONGEST
from rollout.observe.survey import Read, Survey, survey
from rollout.observe.targets.addresses import find_scraped_twice
from rollout.observe.targets.processes import read_target
from rollout.observe.twins import find_twins, list_differing
from rollout.plan.fields.units import duration
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan

Find = Callable[[Level, str, str], Finding]

_LEAST = 300.0  # seconds that are looked at
_SCRAPES = 30


def of_plan(plan: Plan, read: Read, now: float) -> Iterator[Finding]:
    """Yield what each guardrail's series show of the last minutes, and what misleads in them."""
    past = min(LONGEST / 2, max(_LEAST, _SCRAPES * plan.spec.prometheus.scrape))
    guardrails = {guardrail.name: guardrail for guardrail in plan.spec.guardrails}
    try:
        for result, own_past in _look_back(plan, read, now, past):
            guardrail = guardrails[result.guardrail]
            subject = f"{plan.name}/{guardrail.name}"
            for level, message, fix in read_today(plan, guardrail, result, now, own_past):
                yield Finding("reading", subject, level, message, fix)
            yield from _check(plan, guardrail, result, own_past)
    except ObserveError as error:
        fix = error.cure or "see the finding on Prometheus"
        yield Finding("series", plan.name, "warn", f"its samples cannot be read: {error}", fix)


def _look_back(plan: Plan, read: Read, now: float, past: float) -> Iterator[tuple[Survey, float]]:
    """Yield each guardrail's survey, with the seconds that it looks back.

    Where stable's series are younger they are looked at from their begin on, or nothing could be
    counted of them yet.
    """
    surveys = [*survey(plan, read, now, past)]
    begins = {result.guardrail: _find_begin(result) for result in surveys}
    young = {name: begin for name, begin in begins.items() if now - past < begin < now}
    again: dict[str, Survey] = {}
    age = now - max(young.values(), default=now)
    if young:
        own = [guardrail for guardrail in plan.spec.guardrails if guardrail.name in young]
        spec = plan.spec.model_copy(update={"guardrails": own})
        narrowed = plan.model_copy(update={"spec": spec})
        again = {result.guardrail: result for result in survey(narrowed, read, now, age)}
    for result in surveys:
        if result.guardrail in again:
            yield again[result.guardrail], age
        else:
            yield result, past


def _find_begin(result: Survey) -> float:
    """Return when stable's first sample is; infinite where no later one can be counted from it."""
    series = result.raw.series if result.raw else ()
    times = {at for entry in series if entry.arm == "stable" for at, _ in entry.samples}
    return min(times) if len(times) > 1 else math.inf


def _check(plan: Plan, guardrail: Guardrail, result: Survey, past: float) -> Iterator[Finding]:
    def find(level: Level, message: str, fix: str) -> Finding:
        return Finding("series", f"{plan.name}/{guardrail.name}", level, message, fix)

    twins = [*_describe_twins(result.raw)] if result.raw else []
    for level, message in twins:
        yield find(level, message, ONE_SCRAPE)
    # An unsure twin is a problem of the look too, and told already.
    if result.problem and not any(level == "fail" for level, _ in twins):
        yield from _check_problem(result, find, past)
    for text in result.unbelieved:
        if "count once" not in text:
            cure = choose_cure(text, result)
            yield find("warn", f"in the last {duration(past)}, {text}", cure)
    if result.raw is not None and result.raw.series:
        for level, message, fix in (
            *_describe_no_counters(result.raw),
            *_describe_alike(result.raw),
            *_describe_collectors(result.raw, result),
            *describe_merged(result.raw, result),
            *_describe_starts(result.raw, result),
            *describe_falls(result.raw, result),
            *_describe_sums(result.raw),
            *_describe_layouts(result.raw),
            *_describe_unlabelled(guardrail, result.raw),
            *of_buckets(guardrail, result.raw),
            *of_scale(guardrail, result.raw),
        ):
            yield find(level, message, fix)


def _check_problem(result: Survey, find: Find, past: float) -> Iterator[Finding]:
    """Tell why a rollout would be blind, and of a doubt at which target it is."""
    if result.doubted is None or result.raw is None:
        yield find("fail", result.problem, choose_cure(result.problem, result))
        return
    at = format_labels(result.raw, result.doubted)
    # A single doubt may pass, such as a load test that begins; a counter that jumps does not.
    level: Level = "fail" if SEVERAL in result.problem else "warn"
    message = f"in the last {duration(past)}, {result.problem}: {at}"
    yield find(level, message, choose_cure(result.problem, result))


def _describe_unlabelled(guardrail: Guardrail, raw: RawPart) -> Iterator[tuple[Level, str, str]]:
    """Tell of units whose outcome nobody can tell, as a rollout would that began with them."""
    unlabelled = count_standing(raw.series)
    if unlabelled.canary or unlabelled.stable:
        level: Level = "fail" if is_blinding(unlabelled) else "warn"
        yield level, describe_unlabelled(unlabelled, guardrail.metric), LABEL


def _describe_twins(raw: RawPart) -> Iterator[tuple[Level, str]]:
    """Yield one text for each set of labels by which one counter stands there twice."""
    listed: set[tuple[str, ...]] = set()
    for twins in find_twins(raw.series, raw.labels, raw.fixed, Cursor()):
        if twins.differing in listed:
            continue
        listed.add(twins.differing)
        first, second = (
            format_labels(raw, key, twins.differing) for key in (twins.first, twins.second)
        )
        example = f"{first} and {second}"
        if twins.is_sure:
            yield "warn", f"the same counters are there twice and count once: {example}"
        else:
            yield "fail", f"{TWICE}: {example}"
    about = raw.series, raw.labels, raw.fixed, raw.query_part.scrape
    for pair in find_scraped_twice(*about):
        names = tuple(list_differing(*(raw.labels[key] for key in pair)))
        if names not in listed:
            listed.add(names)
            example = " and ".join(format_labels(raw, key, names) for key in pair)
            yield "fail", f"{TWICE}: {example}"


def _describe_no_counters(raw: RawPart) -> Iterator[tuple[Level, str, str]]:
    """Tell of a series that falls as no counter does."""
    for entry, falls in find_no_counters(raw.series):
        at = format_labels(raw, (entry.arm, entry.key))
        message = f"{at} fell in {falls} of {len(entry.samples) - 1} scrapes, and rose by no more"
        yield "warn", message, NO_COUNTER
        return


def _describe_alike(raw: RawPart) -> Iterator[tuple[Level, str, str]]:
    """Tell of targets of one job that count alike: one process under two addresses, perhaps."""
    for pair in find_alike(raw.series, raw.labels):
        example = " and ".join(format_labels(raw, key, ("instance",)) for key in pair)
        message = (
            f"two targets show the same counts at every scrape: {example}; if they are two names "
            "of one process, its units count twice"
        )
        yield "warn", message, ONE_SCRAPE
        return


def _describe_collectors(raw: RawPart, result: Survey) -> Iterator[tuple[Level, str, str]]:
    """Tell of a target that answers for several processes, and of series that do not say whose."""
    for entry in raw.series:
        count = count_processes(raw, entry, result.evidence)
        if count > 1:
            at = format_labels(raw, (entry.arm, entry.key), ("job", "instance"))
            message = (
                f"{at} answers for {count} processes, and no label of the series says which "
                "counted it: a restart of one looks like that of all"
            )
            yield "warn", message, POD_LABEL
            return


def _describe_starts(raw: RawPart, result: Survey) -> Iterator[tuple[Level, str, str]]:
    """Tell of series of which nobody knows when they began: no fault, but good to know."""
    unknown = [entry for entry in raw.series if not knows_start(raw, entry, result.evidence)]
    if unknown:
        targets = len({read_target(raw.labels[entry.arm, entry.key]) for entry in unknown})
        message = (
            f"no start time is known of {targets} of its targets: a target that is scraped late "
            "counts from its first sample on, and not what it served before"
        )
        yield "ok", message, ""


def _describe_sums(raw: RawPart) -> Iterator[tuple[Level, str, str]]:
    """Tell of sums over processes: nobody can tell a lost member from a restart."""
    sums = [entry for entry in raw.series if entry.is_sum]
    if sums:
        example = format_labels(raw, (sums[0].arm, sums[0].key))
        message = (
            f"{len(sums)} of its series are sums over processes, such as {example}: where one "
            "falls nothing is counted, and a member that joins late counts with all it has served"
        )
        yield "warn", message, MEMBERS


def _describe_layouts(raw: RawPart) -> Iterator[tuple[Level, str, str]]:
    """Tell of series with other buckets: versions are compared at the edges that all have."""
    layouts = {entry.edges for entry in raw.series if entry.edges and entry.schema is None}
    common = sorted(set[float]().union(*layouts).intersection(*layouts))[:-1]
    if len(layouts) > 1 and common:  # without a common edge, a look says so itself
        message = (
            "not all series have the same buckets: the versions are compared at the "
            f"{len(common)} edges that all share, from {common[0]:g} to {common[-1]:g}"
        )
        yield "warn", message, LAYOUTS
