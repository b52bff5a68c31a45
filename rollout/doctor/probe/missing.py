"""Why a guardrail reads nothing: another name, another label, or a metric of another type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rollout.doctor.probe.dialects import (
    find_dialects,
    find_near_name,
    find_summary,
    list_templates,
)
from rollout.doctor.probe.labels import (
    describe_shared_cluster,
    list_differing,
    list_having,
    list_labels,
    sample_query,
)
from rollout.doctor.probe.wording import build_matchers, show_selector
from rollout.observe.selectors.promql import format_matchers, format_selector, quoted
from rollout.observe.selectors.source import Source
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer

Vector = Sequence[tuple[Mapping[str, str], float]]  # labels, value
Query = Callable[[PrometheusServer, str], Vector]  # server, PromQL; raises ObserveError
Words = tuple[str, str]
"""What is wrong, and the cure."""

_SHOWN = 5  # values of a label
_SUMMARY = (
    "export it as a histogram; of a summary only its `_count` can be counted (docs/templates.md)"
)


def explain_missing_series(
    guardrail: Guardrail, source: Source, service: str, query: Query
) -> Words:
    """Tell whether the metric is missing, or only the labels that the plan asks for."""
    ask = partial(query, source.server)

    def is_there(matchers: list[str]) -> bool:
        return bool(ask(f"count({format_selector(source.names, matchers)})"))

    if source.service and is_there(build_matchers(source)):
        return _explain_other_service(source, service, query)
    if source.where and is_there([]):
        return _explain_other_values(source, query)
    message = f"there is no series {show_selector(source)}"
    if words := explain_summary(guardrail, source, query):
        return words
    if dialects := find_dialects(source.names, ask):
        return _explain_other_name(guardrail, message, dialects)
    hint = find_near_name(source.names, ask)
    return message, f"scrape what exports it, or name another metric{hint}"


def explain_summary(guardrail: Guardrail, source: Source, query: Query) -> Words | None:
    """Return that a metric is a summary, if it is one."""
    if name := find_summary(guardrail.metric, partial(query, source.server)):
        return f"{name} is a summary: quantiles cannot be added, nor judged", _SUMMARY
    return None


def explain_missing_label(source: Source, service: str, label: str, query: Query) -> str:
    """Return which labels the series have instead of one that none has."""
    return _hint(source, build_matchers(source, service), query, label)


def explain_missing_version(
    guardrail: Guardrail, source: Source, plan: Plan, versions: Sequence[str], query: Query
) -> Words:
    """Tell where stable's version stands, or what else tells versions apart."""
    service, stable = plan.spec.service, plan.spec.stable.version
    there = ", ".join(versions[:_SHOWN])
    message = f"{show_selector(source, service)} has no version {stable}, only {there}"
    rows = _sample(source, build_matchers(source, service), query)
    if having := list_having(rows, stable):
        return message, f"set `labels: {{version: {having[0]}}}`: {', '.join(having)} has {stable}"
    if len(versions) > 1:
        return message, "set spec.stable.version to one of these"
    cure = f"set spec.stable.version to it, if {source.version} is not equal on both versions"
    others = source.declared | set(guardrail.metric.labels_of_outcome)
    if differing := list_differing(rows, frozenset(others)):
        cure += f"; what differs is {differing}: name such a label in `labels`, or `arms`"
    return message, f"{cure}{describe_shared_cluster(rows)}"


def _explain_other_service(source: Source, service: str, query: Query) -> Words:
    message = f"{show_selector(source)} has no {source.service}={quoted(service)}"
    rows = _sample(source, build_matchers(source), query)
    having = list_having(rows, service)
    if having:
        cure = f"set `labels: {{service: {having[0]}}}`: {', '.join(having)} has that value"
        return message, cure
    values = sorted({labels.get(source.service, "") for labels in rows} - {""})[:_SHOWN]
    there = f" ({source.service} is {', '.join(values)})" if values else ""
    hint = _format_hint(list_labels(rows, source.service))
    cure = "send it a request, or set `labels: {service: ...}` to the label with its name"
    return f"{message}{there}", f"{cure}{hint}"


def _explain_other_values(source: Source, query: Query) -> Words:
    """Tell which of the labels have the values that are asked for, or which labels there are."""
    message = f"no series of {source.names[0]} has {','.join(format_matchers(source.where))}"
    rows = _sample(source, [], query)
    missing = [matcher for matcher in source.where if not any(map(matcher.matches, rows))]
    for matcher in missing:
        if having := list_having(rows, matcher.text):
            there = f"{', '.join(having)} has {quoted(matcher.text)}"
            return message, f"mend `where` or its labels: {there}, {matcher.label} has not"
    label = next(iter(missing), source.where[0]).label
    return message, f"mend `where` or its labels{_format_hint(list_labels(rows, label))}"


def _explain_other_name(
    guardrail: Guardrail, message: str, dialects: Mapping[str, Sequence[str]]
) -> Words:
    """Name what is there instead, and the template that reads it, if one does."""
    there = [name for names in dialects.values() for name in names]
    message = f"{message}, but {', '.join(there)}"
    purpose = (guardrail.template or "").partition("/")[2]
    templates = [own for name in there for own in list_templates(name)]
    fitting = [own for own in templates if own.partition("/")[2] == purpose] or templates
    if fitting:
        either = " or ".join(f"`template: {own}`" for own in dict.fromkeys(fitting))
        return message, f"write {either}, which reads that name"
    if guardrail.template is not None:
        copy = f"`surefoot templates {guardrail.template}`"
        return message, f"declare that name: {copy} prints what to copy into the guardrail"
    return message, f"if it means the same, name {there[0]} in `series`"


def _hint(source: Source, matchers: list[str], query: Query, label: str) -> str:
    return _format_hint(list_labels(_sample(source, matchers, query), label))


def _format_hint(text: str) -> str:
    return f"; {text}" if text else ""


def _sample(source: Source, matchers: list[str], query: Query) -> list[Mapping[str, str]]:
    text = sample_query(format_selector(source.names, matchers))
    return [labels for labels, _ in query(source.server, text)]
