"""Check that Prometheus answers and that each guardrail's series separate the two versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rollout.doctor.finding import Finding
from rollout.errors import ObserveError
from rollout.observe.query import Source, metric, quoted, source_of
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan

Vector = Sequence[tuple[Mapping[str, str], float]]  # labels, value
Query = Callable[[str, str], Vector]  # URL, PromQL; raises ObserveError

_LEAST_PODS = 2  # a difference between pods needs two of them
_BOTH = "give each version pods of its own, with its own version label"
_PODS = "add it in the scrape configuration, or name the pods' label in spec.pods.label"

SKEW = 5.0  # seconds by which the two clocks may differ without a warning


def answers(url: str, query: Query, now: Callable[[], float]) -> Finding:
    """Check that a Prometheus answers and that its clock agrees with ours."""
    try:
        (_, theirs), *_ = query(url, "vector(time())")
    except (ObserveError, ValueError) as error:
        message = str(error) or "its answer is empty"
        fix = "start it, or set spec.prometheus.url to an address that is reachable from here"
        return Finding("prometheus", url, "fail", message, fix)
    skew = theirs - now()
    if abs(skew) > SKEW:
        message = f"its clock is {skew:+,.0f} s from this machine's: fresh samples may look stale"
        return Finding("prometheus", url, "warn", message, "synchronise both clocks (NTP)")
    return Finding("prometheus", url, "ok", "it answers")


def of_plan(plan: Plan, query: Query) -> Iterator[Finding]:
    """Yield one finding for each guardrail."""
    for guardrail in plan.spec.guardrails:
        subject = f"{plan.name}/{guardrail.name}"
        try:
            yield _check_guardrail(subject, plan, guardrail, query)
        except ObserveError as error:
            yield Finding("series", subject, "fail", str(error), "see the finding on Prometheus")


def _check_guardrail(subject: str, plan: Plan, guardrail: Guardrail, query: Query) -> Finding:
    """Return the first problem of a guardrail's series, or what they show.

    One query groups the service's series by every label that the plan relies on. The grouped
    vector answers all questions: which labels exist, which versions, which pods.
    """
    spec, source = plan.spec, source_of(plan, guardrail)
    pods = [spec.pods.label] if spec.pods else []
    labels = (source.version, *sorted(guardrail.source.bad), *pods)
    selector = _format_selector(source, spec.service)
    service_series = metric(source.series, _build_matchers(source, spec.service))
    groups = query(source.url, f"count by ({','.join((*labels, '__name__'))}) ({service_series})")
    if not groups:
        return _explain_missing_series(subject, source, spec.service, query)
    versions = {group.get(source.version, "") for group, _ in groups}
    for label in labels:
        # Prometheus leaves out of a group the labels that its series lack.
        if all(not group.get(label) for group, _ in groups):
            message = f"no series of {selector} has the label {label}"
            fix = _PODS if label in pods else _suggest_label(label, source)
            return Finding("series", subject, "fail", message, fix)
    stable, canary = spec.stable.version, spec.canary.version
    if stable not in versions:
        examples = ", ".join(sorted(versions - {""})[:5])
        message = f"{selector} has no version {stable}, only {examples or 'series without one'}"
        fix = "set spec.stable.version to one of these"
        return Finding("series", subject, "fail", message, fix)
    if pods and (problem := _check_pods(stable, canary, pods[0], source, groups)):
        return Finding("series", subject, "warn", *problem)
    if canary not in versions:
        message = f"{stable} has series; {canary} has none yet, as usual before its first request"
        return Finding("series", subject, "ok", message)
    message = f"{stable} and {canary} have series{_describe_native(source, groups)}"
    return Finding("series", subject, "ok", message)


def _check_pods(
    stable: str, canary: str, label: str, source: Source, groups: Vector
) -> tuple[str, str] | None:
    """Return why the pods cannot be compared, and the fix; None when they can.

    A pod with series of both versions makes the pod label useless: its differences would count
    for both sides.
    """
    stable_pods = _collect_pods(stable, label, source, groups)
    if len(stable_pods) < _LEAST_PODS:
        message = f"{stable} has one pod, but measuring how pods differ needs two"
        return message, f"run a second pod of {stable}"
    both = stable_pods & _collect_pods(canary, label, source, groups)
    return (f"{min(both)} has series of both {stable} and {canary}", _BOTH) if both else None


def _collect_pods(version: str, label: str, source: Source, groups: Vector) -> set[str]:
    """Return the pod names of a version, from the label that names pods."""
    return {group.get(label, "") for group, _ in groups if group.get(source.version) == version}


def _describe_native(source: Source, groups: Vector) -> str:
    """Return a note when the histograms have native buckets only, else nothing.

    Native histograms carry the metric name without `_bucket`. For a metric that is not a histogram
    `native` is empty and never equals the names.
    """
    native = {source.series.removesuffix("_bucket")} - {source.series}
    names = {group.get("__name__") for group, _ in groups}
    return ", as native histograms" if names == native else ""


def _explain_missing_series(subject: str, source: Source, service: str, query: Query) -> Finding:
    """Tell whether the metric is missing or only its label of the service."""
    if query(source.url, f"count({metric(source.series, _build_matchers(source))})"):
        message = f"{_format_selector(source)} has no {source.service}={quoted(service)}"
        fix = "send it a request, or set `labels: {service: ...}` to the label with its name"
        return Finding("series", subject, "fail", message, fix)
    message = f"there is no series {_format_selector(source)}"
    fix = "scrape what exports it, or choose another template"
    return Finding("series", subject, "fail", message, fix)


def _suggest_label(label: str, source: Source) -> str:
    if label == source.version:
        return "set `labels: {version: ...}` to the label with the version"
    return f"export the label {label}: without it no bad unit is counted"


def _format_selector(source: Source, service: str = "") -> str:
    """Format a selector for messages; a histogram has the name of its classic buckets."""
    return f"{source.series}{{{','.join(_build_matchers(source, service))}}}"


def _build_matchers(source: Source, service: str = "") -> list[str]:
    of_service = [f"{source.service}={quoted(service)}"] if service else []
    return [*of_service, *(f"{label}={quoted(value)}" for label, value in source.where)]
