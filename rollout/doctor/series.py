"""Check that Prometheus answers and that each guardrail's series separate the two versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from rollout.doctor.finding import Finding
from rollout.doctor.probe.dialects import describe_dialect
from rollout.doctor.probe.missing import (
    Query,
    Vector,
    explain_missing_label,
    explain_missing_series,
    explain_missing_version,
    explain_summary,
)
from rollout.doctor.probe.outcomes import describe_values, explain_unmatched
from rollout.doctor.probe.wording import build_matchers, show_selector
from rollout.errors import ObserveError, QueryRefusedError
from rollout.observe.selectors.promql import format_matchers, format_selector, spell_label
from rollout.observe.selectors.source import CANARY, STABLE, Source, source_of
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer

_LEAST_PODS = 2  # a difference between pods needs two of them
_NAME_VERSION = "set `labels: {version: ...}` to the label with the version"
_BOTH = "give each version pods of its own, with its own version label"
_ARM = "nothing to do if the canary brings it; else mend `labels: {arms: {canary: ...}}`"
_PODS = "add it in the scrape configuration, or name the pods' label in spec.pods.label"

SKEW = 5.0  # seconds by which the two clocks may differ without a warning


def answers(server: PrometheusServer, query: Query, now: Callable[[], float]) -> Finding:
    """Check that a Prometheus answers and that its clock agrees with ours."""
    url = server.url
    try:
        (_, theirs), *_ = query(server, "vector(time())")
    except (ObserveError, ValueError) as error:
        message = str(error) or "its answer is empty"
        cure = error.cure if isinstance(error, ObserveError) else ""
        fix = cure or "start it, or name an address that is reachable from here"
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
            yield Finding("series", subject, "fail", str(error), _choose_cure(error, guardrail))


def _choose_cure(error: ObserveError, guardrail: Guardrail) -> str:
    metric = guardrail.metric
    names = (*metric.names, *metric.labels, metric.version, metric.service)
    if isinstance(error, QueryRefusedError) and any("." in name for name in names):
        return "names with dots need Prometheus 3: name series and labels as this one has them"
    return error.cure or "see the finding on Prometheus"


def _check_guardrail(subject: str, plan: Plan, guardrail: Guardrail, query: Query) -> Finding:
    """Return the first problem of a guardrail's series, or what they show.

    One query groups the service's series by every label that the plan relies on. The grouped
    vector answers all questions: which labels exist, which versions, which pods.
    """
    spec, source, metric = plan.spec, source_of(plan, guardrail), guardrail.metric
    pods = [spec.declared_pods.label] if spec.declared_pods else []
    groups = _group_series(plan, guardrail, source, query)
    if problem := _find_problem(plan, guardrail, source, groups, query):
        return Finding("series", subject, "fail", *problem)
    stable, canary = spec.stable.version, spec.canary.version
    if pods and (doubt := _check_pods((stable, canary), pods[0], source, groups)):
        return Finding("series", subject, "warn", *doubt)
    ask = partial(query, source.server)
    dialect = describe_dialect(guardrail.template or "", source.names, ask)
    remark = f"{_describe_native(source, groups)}{dialect}{_describe_unseen(metric, groups)}"
    if not _select_arm(source, CANARY, groups, canary):
        if label := _find_unseen_label(source, groups):
            message = f"no series has the label {label} of the canary's selector"
            return Finding("series", subject, "warn", message, _ARM)
        message = f"{stable} has series; {canary} has none yet, as usual before its first request"
        return Finding("series", subject, "ok", f"{message}{remark}")
    return Finding("series", subject, "ok", f"{stable} and {canary} have series{remark}")


def find_unreadable(plan: Plan, guardrail: Guardrail, query: Query) -> str:
    """Return why nothing could be counted of series that are there; empty where it could.

    That stable has none yet is no reason. Raises ObserveError where nobody answers.
    """
    source = source_of(plan, guardrail)
    groups = _group_series(plan, guardrail, source, query)
    words = _find_misread(plan, guardrail, source, groups, query) if groups else None
    return words[0] if words else ""


def _group_series(plan: Plan, guardrail: Guardrail, source: Source, query: Query) -> Vector:
    """Return the service's series, grouped by every label that the plan relies on."""
    metric, declared = guardrail.metric, plan.spec.declared_pods
    arms = [matcher.label for arm in source.arms for matcher in arm] or [source.version]
    pods = [declared.label] if declared else []
    labels = tuple(dict.fromkeys([*arms, *metric.labels, *pods]))
    selector = format_selector(source.names, build_matchers(source, plan.spec.service))
    text = f"count by ({','.join((*map(spell_label, labels), '__name__'))}) ({selector})"
    return query(source.server, text)


def _find_problem(
    plan: Plan, guardrail: Guardrail, source: Source, groups: Vector, query: Query
) -> tuple[str, str] | None:
    """Return why nothing could be counted of the grouped series, and the cure."""
    if not groups:
        return explain_missing_series(guardrail, source, plan.spec.service, query)
    misread = _find_misread(plan, guardrail, source, groups, query)
    return misread or _find_missing_arm(plan, guardrail, source, groups, query)


def _find_misread(
    plan: Plan, guardrail: Guardrail, source: Source, groups: Vector, query: Query
) -> tuple[str, str] | None:
    """Return what the plan relies on and the series have not, and the cure."""
    service = plan.spec.service
    if words := explain_summary(guardrail, source, query):
        return words
    pods = [plan.spec.declared_pods.label] if plan.spec.declared_pods else []
    if missing := _find_missing(source, guardrail.metric, service, groups, pods):
        message, cure, label = missing
        hint = explain_missing_label(source, service, label, query) if label else ""
        return message, f"{cure}{hint}"
    return explain_unmatched(
        guardrail.metric, [labels for labels, _ in groups], partial(query, source.server)
    )


def _find_missing(
    source: Source, metric: DeclaredMetric, service: str, groups: Vector, pods: Sequence[str]
) -> tuple[str, str, str] | None:
    """Return which series or label the plan relies on and nobody has, the cure, and the label."""
    series = [labels for labels, _ in groups]
    if metric.bad and not any(metric.counts_units(labels) for labels in series):
        key = "count" if metric.kind == "ratio" else "total"
        message = f"there is no series {metric.total.series} of all units"
        return message, f"name the counter of all units in `{key}`", ""
    if metric.kind == "ratio" and not any(metric.counts_bad(labels) for labels in series):
        message = f"there is no series {metric.bad[0].series} of what is added up"
        return message, "name the counter of it in `sum`", ""
    needed = [*([source.version] if source.version else []), *pods]
    for label in needed:
        # Prometheus leaves out of a group the labels that its series lack.
        if all(not labels.get(label) for labels in series):
            message = f"no series of {show_selector(source, service)} has the label {label}"
            return message, _PODS if label in pods else _NAME_VERSION, label
    counted = [labels for labels in series if metric.counts_units(labels)]
    missing = [metric.find_missing_label(labels) for labels in counted]
    if missing and all(missing):
        message = f"no series of {show_selector(source, service)} has the label {missing[0]}"
        cure = f"export the label {missing[0]}: without it no bad unit is counted"
        return message, cure, missing[0]
    return None


def _find_missing_arm(
    plan: Plan, guardrail: Guardrail, source: Source, groups: Vector, query: Query
) -> tuple[str, str] | None:
    """Return why stable has no series, and the cure. Raises ObserveError for unclear arms."""
    service, stable = plan.spec.service, plan.spec.stable.version
    if _select_arm(source, STABLE, groups, stable):
        return None
    selector = show_selector(source, service)
    if source.arms:
        chosen = ",".join(format_matchers(source.arms[0]))
        message = f"no series of {selector} fits stable's selector {{{chosen}}}"
        return message, "mend `labels: {arms: {stable: ...}}` by the labels that its series have"
    versions = sorted({labels.get(source.version, "") for labels, _ in groups} - {""})
    return explain_missing_version(guardrail, source, plan, versions, query)


def _select_arm(source: Source, arm: str, groups: Vector, version: str) -> list[Mapping[str, str]]:
    """Return the labels of one version's groups."""
    name = arm if source.arms else version
    return [labels for labels, _ in groups if source.find_version(labels)[1] == name]


def _find_unseen_label(source: Source, groups: Vector) -> str:
    """Return a label of the canary's selector that no series has; empty without one."""
    matchers = source.arms[1] if source.arms else ()
    labels = (m.label for m in matchers if not m.operator.startswith("!"))
    return next((name for name in labels if not any(own.get(name) for own, _ in groups)), "")


def _describe_unseen(metric: DeclaredMetric, groups: Vector) -> str:
    """Return a note on what tells bad units and nobody has, which may be right or misspelt."""
    if metric.kind != "rate":
        return ""
    if metric.has_own_total:
        labels = set().union(*(labels for labels, _ in groups))
        unseen = [name for name in metric.labels_of_outcome if name not in labels]
        what = f"the label {', '.join(unseen)}" if unseen else ""
    else:
        is_there = any(metric.counts_bad(labels) for labels, _ in groups)
        what = "" if is_there else f"what `bad` selects of {metric.bad[0].series}"
    if what:
        return f"; no series has {what} now: it is read once a bad unit brings it"
    values = "; ".join(describe_values(metric, [labels for labels, _ in groups]))
    return f"; nothing that `bad` selects is there now: {values}" if values else ""


def _check_pods(
    versions: tuple[str, str], label: str, source: Source, groups: Vector
) -> tuple[str, str] | None:
    """Return why the pods cannot be compared, and the fix; None when they can.

    A pod with series of both versions makes the pod label useless: its differences would count
    for both sides.
    """
    stable, canary = versions
    stable_pods = {labels.get(label, "") for labels in _select_arm(source, STABLE, groups, stable)}
    if len(stable_pods) < _LEAST_PODS:
        message = f"{stable} has one pod, but measuring how pods differ needs two"
        return message, f"run a second pod of {stable}"
    canary_groups = _select_arm(source, CANARY, groups, canary)
    both = stable_pods & {labels.get(label, "") for labels in canary_groups}
    return (f"{min(both)} has series of both {stable} and {canary}", _BOTH) if both else None


def _describe_native(source: Source, groups: Vector) -> str:
    """Return a note when the histograms have native buckets only, else nothing.

    Native histograms carry the metric name without `_bucket`. For a metric that is not a histogram
    `native` is empty and never equals the names.
    """
    native = {name.removesuffix("_bucket") for name in source.names} - set(source.names)
    names = {group.get("__name__") for group, _ in groups}
    return ", native histograms without classic buckets" if names == native else ""
