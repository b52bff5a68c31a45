"""gRPC's outcomes are numbers in some metrics, names in others: a selector asks for one form.

A selector of the other form matches no call that fails, so it shows before the first one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rollout.observe.selectors.promql import quoted
from rollout.plan.fields.matchers import Matcher
from rollout.plan.fields.metric import Selector

_NAMES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""The names of gRPC's outcomes, by number."""

_FORMS = (
    tuple(map(str, range(len(_NAMES)))),
    _NAMES,
    ("OK", *(name.title().replace("_", "") for name in _NAMES[1:])),
    tuple(name.lower() for name in _NAMES),
)
"""How outcomes are spelt: as numbers, or as names in three ways."""


def explain_calls(
    outcome: Selector, matchers: Iterable[Matcher], rows: Sequence[Mapping[str, str]]
) -> tuple[str, str] | None:
    """Tell of outcomes of calls that a selector spells otherwise than the series do."""
    for matcher in matchers:
        if matcher.operator.startswith("!"):
            continue
        values = sorted({row[matcher.label] for row in rows if row.get(matcher.label)})
        asked = [form for form in _FORMS if _list_matched(matcher, form)]
        there = _find_forms(matcher.label, values)
        if asked and there and not any(form in asked for form in there):
            failures = [there[0][number] for number in _list_matched(matcher, asked[0])]
            message = (
                f"no series of {outcome.series} can have a {matcher.label} that `bad` asks for: "
                f"it is spelt like {', '.join(map(quoted, values[:3]))} there"
            )
            own = quoted(f"{'=~' if len(failures) > 1 else ''}{'|'.join(failures)}")
            return message, f"write {own}" + (", or as this metric spells it" * (len(there) > 1))
    return None


def _list_matched(matcher: Matcher, form: Sequence[str]) -> list[int]:
    """Return the numbers of the failures that a matcher selects in one form."""
    return [
        number
        for number, text in enumerate(form)
        if number and matcher.matches({matcher.label: text})
    ]


def _find_forms(label: str, values: Sequence[str]) -> list[Sequence[str]]:
    """Return how a label may spell outcomes; numbers are some only where the label says so."""
    numbers = _FORMS[0]
    return [
        form
        for form in _FORMS
        if values and {*values} <= {*form} and (form is not numbers or "grpc" in label.lower())
    ]
