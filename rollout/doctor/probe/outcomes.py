"""What `bad` selects today: a matcher that never matches reads as "no errors".

That nothing is bad may be true, so values that are nearly those asked for have to tell otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rollout.doctor.probe.calls import explain_calls
from rollout.doctor.probe.labels import list_labels
from rollout.observe.selectors.promql import format_matchers, format_selector, quoted
from rollout.plan.fields.matchers import Matcher
from rollout.plan.fields.metric import DeclaredMetric, Selector
from rollout.plan.fields.regex import PatternError, compile_pattern, escape

Rows = Sequence[Mapping[str, str]]
Ask = Callable[[str], Sequence[tuple[Mapping[str, str], float]]]
Words = tuple[str, str]

_SHOWN = 5  # values of a label
_CLASS = re.compile(r"\d[xX?*_]+|\d+[xX?*]")  # how people write a hundred of statuses
_STATUS = re.compile(r"\d{3}")


def explain_unmatched(metric: DeclaredMetric, rows: Rows, ask: Ask) -> Words | None:
    """Return why one of a rate's selectors of bad units matches nothing, if it is a mistake.

    `rows` are the labels of all series of the metric that are there now.
    """
    if metric.kind != "rate":
        return None
    for outcome, matchers in zip(metric.bad, metric.outcomes, strict=True):
        own = [labels for labels in rows if _is_of(labels, outcome)]
        if own and not any(map(outcome.matches, own)):
            words = (
                _explain_values(outcome, matchers, own)
                or explain_calls(outcome, matchers, own)
                or _explain_left_out(metric, outcome, ask)
                or _explain_label(metric, outcome, matchers, own)
            )
            if words:
                return words
    return None


def _is_of(labels: Mapping[str, str], outcome: Selector) -> bool:
    return labels.get("__name__", outcome.series) == outcome.series


def _explain_values(outcome: Selector, matchers: Iterable[Matcher], rows: Rows) -> Words | None:
    """Tell of values that are nearly what a matcher asks for, where none is."""
    for matcher in matchers:
        values = sorted({labels.get(matcher.label, "") for labels in rows} - {""})
        if matcher.operator.startswith("!") or any(map(matcher.matches, rows)):
            continue
        if near := [value for value in values if _is_near(matcher, value)]:
            spelled = quoted(f"{'=~' if matcher.is_regular else ''}{matcher.text}")
            message = (
                f"no series of {outcome.series} has {matcher.label}: {spelled}, which `bad` asks "
                f"for: {matcher.label} is {_list(values)}"
            )
            return message, f"write {quoted(_propose(near))}, if {_list(near)} is meant"
    return None


def _is_near(matcher: Matcher, value: str) -> bool:
    """Return whether a value is what somebody may mean who wrote the matcher."""
    text = matcher.text.strip()
    if not matcher.is_regular:
        is_class = _CLASS.fullmatch(text) and _STATUS.fullmatch(value)
        return value.strip().casefold() == text.casefold() or bool(is_class and value[0] == text[0])
    patterns = [f"(?i)\\s*(?:{text})\\s*"]
    if _STATUS.fullmatch(value):  # `=~5` is not 500
        patterns.append(f"(?:{text}).*")
    elif any(map(str.isalpha, value)):
        patterns.append(f"(?i).*(?:{text}).*")
    if text and _CLASS.fullmatch(text) and _STATUS.fullmatch(value):
        patterns.append(f"{text[0]}..")
    return any(_matches(pattern, value) for pattern in patterns)


def _matches(pattern: str, value: str) -> bool:
    try:
        return compile_pattern(pattern)(value)
    except PatternError:  # what is put around it may be too much
        return False


def _propose(near: Sequence[str]) -> str:
    """Return what to write to match the values that may be meant."""
    firsts = {value[0] for value in near}
    if len(firsts) == 1 and all(map(_STATUS.fullmatch, near)):
        return f"=~{firsts.pop()}.."
    return near[0] if len(near) == 1 else f"=~{'|'.join(map(escape, near[:_SHOWN]))}"


def _explain_left_out(metric: DeclaredMetric, outcome: Selector, ask: Ask) -> Words | None:
    """Tell of a `where` that leaves out what `bad` selects by the same label."""
    own = {matcher for matcher in outcome.where if matcher not in metric.total.where}
    labels = {m.label for m in own} & {m.label for m in metric.total.where}
    if not labels:
        return None
    wider = [m for m in outcome.where if m in own or m.label not in labels]
    if not ask(f"count({format_selector([outcome.series], format_matchers(wider))})"):
        return None
    names = ", ".join(sorted(labels))
    return f"`where` leaves out what `bad` selects by {names}", "widen `where`, or mend `bad`"


def _explain_label(
    metric: DeclaredMetric, outcome: Selector, matchers: Iterable[Matcher], rows: Rows
) -> Words | None:
    """Tell of a label that no series has of the counter of bad units, where it has its own."""
    if metric.has_own_total:
        return None  # told of all units
    for matcher in matchers:
        if not matcher.is_about_presence and not any(labels.get(matcher.label) for labels in rows):
            message = f"no series of {outcome.series} has the label {matcher.label}"
            hint = list_labels(rows, matcher.label)
            return message, f"mend `bad`, or export the label{'; ' if hint else ''}{hint}"
    return None


def describe_values(metric: DeclaredMetric, rows: Rows) -> Iterator[str]:
    """Tell which values there are of labels by which nothing is bad now; one alone is the good."""
    if metric.kind != "rate" or any(metric.counts_bad(labels) for labels in rows):
        return
    for label in metric.labels_of_outcome:
        values = sorted({labels.get(label, "") for labels in rows} - {""})
        if len(values) > 1:
            yield f"{label} is {_list(values)}"


def _list(values: Sequence[str]) -> str:
    more = ", ..." if len(values) > _SHOWN else ""
    return f"{', '.join(map(quoted, values[:_SHOWN]))}{more}"
