"""Whether Prometheus answers, and whether each guardrail's series tell the two versions apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rollout.doctor.finding import Finding
from rollout.errors import ObserveError
from rollout.observe.query import Source, metric, quoted, source_of
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan

Vector = Sequence[tuple[Mapping[str, str], float]]  # labels, value
Query = Callable[[str, str], Vector]  # URL, PromQL; raises ObserveError

_LEAST_PODS = 2
_BOTH = "let the label of the version tell which one runs in a pod: what is one cannot be compared"
_PODS = "let the scrape set it, or name the label that tells pods apart in spec.pods.label"

SKEW = 5.0  # seconds between two clocks that nobody needs to look at


def answers(url: str, query: Query, now: Callable[[], float]) -> Finding:
    """Whether a Prometheus answers, by a clock like ours."""
    try:
        (_, theirs), *_ = query(url, "vector(time())")
    except (ObserveError, ValueError) as error:
        said = str(error) or "it answers with nothing"
        fix = "start it, or set spec.prometheus.url to where it answers from here"
        return Finding("prometheus", url, "fail", said, fix)
    skew = theirs - now()
    if abs(skew) > SKEW:
        said = f"its clock is {skew:+.0f} s from ours: fresh samples may look stale"
        return Finding("prometheus", url, "warn", said, "synchronise both clocks (NTP)")
    return Finding("prometheus", url, "ok", "it answers")


def of_plan(plan: Plan, query: Query) -> Iterator[Finding]:
    """One finding for each guardrail."""
    for guardrail in plan.spec.guardrails:
        subject = f"{plan.name}/{guardrail.name}"
        try:
            yield _of_guardrail(subject, plan, guardrail, query)
        except ObserveError as error:
            yield Finding("series", subject, "fail", str(error), "see the finding on Prometheus")


def _of_guardrail(subject: str, plan: Plan, guardrail: Guardrail, query: Query) -> Finding:
    spec, source = plan.spec, source_of(plan, guardrail)
    pods = [spec.pods.label] if spec.pods else []
    labels = (source.version, *sorted(guardrail.source.bad), *pods)
    ours = _selector(source, spec.service)
    asked = metric(source.series, _matchers(source, spec.service))
    found = query(source.url, f"count by ({','.join((*labels, '__name__'))}) ({asked})")
    if not found:
        return _nothing(subject, source, spec.service, query)
    versions = {of.get(source.version, "") for of, _ in found}
    for label in labels:
        if all(not of.get(label) for of, _ in found):
            said = f"no series of {ours} has the label {label}"
            fix = _PODS if label in pods else _relabel(label, source)
            return Finding("series", subject, "fail", said, fix)
    stable, canary = spec.stable.version, spec.canary.version
    if stable not in versions:
        known = ", ".join(sorted(versions - {""})[:5])
        said = f"{ours} has no version {stable}; it has {known}"
        return Finding("series", subject, "fail", said, "set spec.stable.version to one of these")
    if pods and (problem := _of_pods(stable, canary, pods[0], source, found)):
        return Finding("series", subject, "warn", *problem)
    if canary not in versions:
        said = f"{stable} is there; {canary} not yet, as before its first request"
        return Finding("series", subject, "ok", said)
    said = f"{stable} and {canary} are there{_form(source, found)}"
    return Finding("series", subject, "ok", said)


def _of_pods(
    stable: str, canary: str, label: str, source: Source, found: Vector
) -> tuple[str, str] | None:
    """What keeps pods from being told apart, and its cure; None where nothing does."""
    ours = _named(stable, label, source, found)
    if len(ours) < _LEAST_PODS:
        said = f"{stable} has one pod: how pods differ cannot be learnt, and whenUnknown decides"
        return said, f"give {stable} a second pod"
    both = ours & _named(canary, label, source, found)
    return (f"{min(both)} has series of both {stable} and {canary}", _BOTH) if both else None


def _named(version: str, label: str, source: Source, found: Vector) -> set[str]:
    """A version's pods, by the label that names them."""
    return {of.get(label, "") for of, _ in found if of.get(source.version) == version}


def _form(source: Source, found: Vector) -> str:
    """In words, if the histograms have native buckets only."""
    native = {source.series.removesuffix("_bucket")} - {source.series}
    return ", as native histograms" if {of.get("__name__") for of, _ in found} == native else ""


def _nothing(subject: str, source: Source, service: str, query: Query) -> Finding:
    """Why there is no series of the service: the metric, or its label."""
    if query(source.url, f"count({metric(source.series, _matchers(source))})"):
        said = f"{_selector(source)} has no {source.service}={quoted(service)}"
        fix = "send it a request, or set `labels: {service: ...}` to the label that names it"
        return Finding("series", subject, "fail", said, fix)
    said = f"there is no series {_selector(source)}"
    fix = "let Prometheus scrape what exports it, or choose another template"
    return Finding("series", subject, "fail", said, fix)


def _relabel(label: str, source: Source) -> str:
    if label == source.version:
        return "set `labels: {version: ...}` to the label that tells versions apart"
    return f"export {label}: without it nothing bad would be seen"


def _selector(source: Source, service: str = "") -> str:
    """For people: a histogram goes by the name of its classic buckets."""
    return f"{source.series}{{{','.join(_matchers(source, service))}}}"


def _matchers(source: Source, service: str = "") -> list[str]:
    ours = [f"{source.service}={quoted(service)}"] if service else []
    return [*ours, *(f"{label}={quoted(value)}" for label, value in source.where)]
