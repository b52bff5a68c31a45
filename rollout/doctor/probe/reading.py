"""What a guardrail's metric reads today, of each version: the figures that a rollout would have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from analysis.counting.counts import Counts
from analysis.counting.cursor import Arm, Series
from rollout.decide.evidence.blindness import stale_limit
from rollout.decide.text.numbers import decimal
from rollout.doctor.finding import Level
from rollout.doctor.resolution import describe_finest
from rollout.observe.evidence import UP, RawPart
from rollout.observe.matrix import read_samples
from rollout.observe.survey import Survey
from rollout.observe.targets.processes import read_target
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.fields.units import duration, percent
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan

_SHOWN = 24  # edges
_FEW = 20  # units
_LATE = 10  # seconds to which a proposed lag is rounded up
_ARMS: tuple[Arm, ...] = ("stable", "canary")


def read_today(
    plan: Plan, guardrail: Guardrail, result: Survey, now: float, past: float
) -> Iterator[tuple[Level, str, str]]:
    """Yield what a guardrail reads, and that stable's samples are too old, if they are."""
    raw = result.raw
    if raw is None or not raw.series:
        return
    versions = (plan.spec.stable.version, plan.spec.canary.version)
    series = {arm: [entry for entry in raw.series if entry.arm == arm] for arm in _ARMS}
    reading = _Reading(guardrail.metric, result.counts, now, past)
    texts = [
        f"{version}: {reading.describe(arm, series[arm])}"
        for arm, version in zip(_ARMS, versions, strict=True)
    ]
    texts += _describe_edges(guardrail, raw)
    yield "ok", "; ".join(texts), ""
    if text := _describe_all_bad(guardrail.metric, result.counts, versions[0]):
        yield "warn", text, "mend `bad`: it selects good units too"
    age = _find_age(series["stable"], now)
    if guardrail.metric.needs_stable and age > stale_limit(plan, guardrail.lag):
        message = f"no new sample of {versions[0]} for {duration(round(age))}: it would be blind"
        yield "fail", message, _choose_cure(raw, result, series["stable"], now)


def _choose_cure(raw: RawPart, result: Survey, series: list[Series], now: float) -> str:
    """Return what helps against old samples: of a target that is scraped they may come late."""
    targets = {read_target(raw.labels[entry.arm, entry.key]) for entry in series} - {None}
    scrapes = [
        max(times)
        for target in targets
        for row in (result.evidence.rows[target][UP] if target else ())
        if (times := [at for at, value in read_samples(row).items() if value == 1])
    ]
    age = _find_age(series, now)
    if age - (now - max(scrapes, default=0.0)) < raw.query_part.scrape:
        return "see the target in Prometheus under *Status > Targets*; `lag` is for late samples"
    lag = duration(_LATE * math.ceil(1.5 * age / _LATE))
    return (
        f"its target is scraped all the same: if its samples carry times in the past, say `lag: "
        f"{lag}` in this guardrail; else its page no longer has these series"
    )


def _describe_all_bad(metric: DeclaredMetric, counts: Counts | None, version: str) -> str:
    """Tell that nothing of stable is good, which no working service shows; or nothing."""
    if metric.kind != "rate" or counts is None or counts.stable_exposures < _FEW:
        return ""
    is_all = counts.stable_bad == counts.stable_exposures
    return f"every one of {version}'s {counts.stable_exposures:,} {metric.unit} is bad" * is_all


@dataclass(frozen=True)
class _Reading:
    """What was read until `now`; counts are those of the `past` seconds."""

    metric: DeclaredMetric
    counts: Counts | None
    now: float
    past: float

    def describe(self, arm: Arm, series: list[Series]) -> str:
        """Tell of one version how many series, samples and units there are."""
        if not series:
            return "no series"
        words = [f"{len(series):,} series"]
        if pace := _find_pace(series):
            words.append(f"{decimal(pace)} samples a minute")
        age = round(_find_age(series, self.now))
        words.append(f"the last {duration(max(age, 0))} ago")
        if self.counts is not None:
            words.append(self._describe_units(self.counts, arm, series))
        return ", ".join(words)

    def _describe_units(self, counts: Counts, arm: Arm, series: list[Series]) -> str:
        metric, is_shape = self.metric, bool(counts.edges)
        units = counts.canary if arm == "canary" else counts.stable
        total = sum(units) if is_shape else units[0]
        begin = self.now - self.past
        times = [at for entry in series for at, _ in entry.samples]
        if not total and min(times, default=begin) > begin:  # each is a baseline as yet
            age = duration(round(self.now - min(times)))
            return f"too new to be counted: the first sample is {age} old"
        # From the first look's samples on.
        span = max(times) - max((at for at in times if at <= begin), default=begin)
        if metric.kind == "ratio":
            return self._describe_sums(units, span)
        noun = "values" if metric.kind == "shape" else metric.unit
        text = f"{decimal(60 * total / span if span > 0 else 0)} {noun} a minute"
        if not metric.has_bad_units or not total:
            return text
        bad = units[0 if metric.worse == "low" else -1] if is_shape else units[1]
        return f"{text}, {percent(bad / total)} of them bad"

    def _describe_sums(self, units: tuple[int, ...], span: float) -> str:
        metric, (total, added) = self.metric, units
        pace = decimal(60 * total / span if span > 0 else 0)
        mean = f", {decimal(metric.step * added / total)} {metric.unit} each" if total else ""
        return f"{pace} {metric.per}s a minute{mean}"


def _describe_edges(guardrail: Guardrail, raw: RawPart) -> Iterator[str]:
    """Tell the edges that all classic histograms share, and what tolerance they can judge."""
    if guardrail.metric.kind != "shape":
        return
    layouts = [set(entry.edges) for entry in raw.series if entry.edges and entry.schema is None]
    if not layouts:
        yield "native histograms"
        return
    edges = sorted(set.intersection(*layouts))[:-1]
    spelled = [guardrail.metric.spell(edge) for edge in edges]
    more = ", ..." if len(spelled) > _SHOWN else ""
    noun = "edges" if len(spelled) > 1 else "edge"
    if not spelled:
        return
    yield f"{noun} {', '.join(spelled[:_SHOWN])}{more}"
    if finest := describe_finest(guardrail, raw):
        yield finest


def _find_pace(series: list[Series]) -> float:
    """Return the samples of one series in a minute."""
    spans = [
        (len(entry.samples) - 1) / (entry.samples[-1][0] - entry.samples[0][0])
        for entry in series
        if len(entry.samples) > 1
    ]
    return 60 * median(spans) if spans else 0.0


def _find_age(series: list[Series], now: float) -> float:
    """Return the age of the newest sample; 0 where there is none, which others tell."""
    return now - max((entry.samples[-1][0] for entry in series), default=now)
