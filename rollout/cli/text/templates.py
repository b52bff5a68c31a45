"""Metric templates as a list for a terminal, and as the tables of `docs/templates.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rollout.observe.selectors.promql import format_matchers
from rollout.plan.fields.matchers import Matcher
from rollout.plan.fields.metric import DeclaredMetric, Selector
from rollout.plan.model.template import MetricTemplate

_REPORTERS = {"proxy": "a proxy or client", "server": "the server", "judge": "a judge"}


def list_lines(templates: Iterable[MetricTemplate]) -> Iterator[str]:
    """Yield a line for each template: name, kind, what it shows."""
    listed = list(templates)
    width = max(len(template.name) for template in listed)
    for template in listed:
        noun = "histogram" if template.spec.histogram else template.metric.kind
        yield f"{template.name:<{width}}  {noun:<9}  {template.spec.description or ''}"


def markdown(templates: Iterable[MetricTemplate]) -> str:
    """Return a section for each family of templates: tables, and what each needs."""
    families = groupby(templates, key=lambda template: template.name.partition("/")[0])
    return "\n".join(_describe_family(family, list(members)) for family, members in families)


def _describe_family(family: str, templates: list[MetricTemplate]) -> str:
    needs: dict[str, list[str]] = {}
    for template in templates:
        if template.spec.needs:
            needs.setdefault(template.spec.needs, []).append(f"`{template.name}`")
    is_shared = len(needs) == 1 and len(next(iter(needs.values()))) == len(templates)
    notes = [text if is_shared else f"{', '.join(names)}: {text}" for text, names in needs.items()]
    rows = [_describe(template) for template in templates]
    head = ["| template | shows | series | bad | service, version, namespace | counted by |"]
    return "\n".join(
        [f"### {family}", "", *head, "|---|---|---|---|---|---|", *rows, ""]
        + [line for note in notes for line in (note, "")]
    )


def _describe(template: MetricTemplate) -> str:
    metric = template.metric
    labels = (metric.service, metric.version, metric.namespace)
    cells = (
        f"`{template.name}`",
        template.spec.description or "",
        _code(_format(metric.total.series, metric.total.where)),
        _describe_bad(metric),
        ", ".join(_code(label) if label else "-" for label in labels),
        _REPORTERS[metric.reporter],
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _describe_bad(metric: DeclaredMetric) -> str:
    if metric.kind == "shape":
        return f"{metric.worse} values, in {metric.unit}"
    if metric.kind == "exposure":
        return "none: it counts who was sent where"
    if metric.kind == "ratio":
        sums = metric.bad[0]
        return f"shown: {_code(_format(sums.series, sums.where))} {metric.of_one}"
    return " or ".join(_code(_format_outcome(metric, outcome)) for outcome in metric.bad)


def _format_outcome(metric: DeclaredMetric, outcome: Selector) -> str:
    own = tuple(matcher for matcher in outcome.where if matcher not in metric.total.where)
    series = "" if outcome.series == metric.total.series else outcome.series
    return _format(series, own)


def _format(series: str, where: tuple[Matcher, ...]) -> str:
    return f"{series}{{{', '.join(format_matchers(where))}}}" if where else series


def _code(text: str) -> str:
    return f"`{text}`"
