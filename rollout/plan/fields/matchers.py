"""Label matchers: which values of a label are meant, as a plan writes them.

A value is exact text, or begins with `!=`, `=~` or `!~` as in PromQL. A label that a series does
not have is empty text, as in Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from rollout.plan.fields.base import LABEL, is_recorded
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.regex import compile_pattern, escape, find_problem

_OPERATORS = ("!=", "=~", "!~")
# What hardly stands in a label's value, and often in a pattern.
_REGULAR = re.compile(r"\.[.*+?{]|[.\w]\*|\\[a-zA-Z.]|\||\[.*\]|\(.*\)|^[\^=~!]|\$$")
_PARTS = {
    "quantile": (
        "a quantile of a summary is no count: those of several processes cannot be added",
        "export a histogram; of a summary only its `_count` can be counted",
    ),
    "le": (
        "buckets are read together, as a histogram, and not one by one",
        "declare a `histogram`, with `slower`, `above` or `below` for a share beyond an edge",
    ),
}
_PRESENT = {("!=", ""), ("=~", ".+"), ("=", ""), ("!~", ".+")}


@dataclass(frozen=True, order=True)
class Matcher:
    """A label, one of PromQL's operators, and a text."""

    label: str
    operator: str
    text: str

    @classmethod
    def of(cls, label: str, value: str) -> Matcher:
        """Read a value as a plan writes it."""
        operator = value[:2] if value.startswith(_OPERATORS) else "="
        return cls(label, operator, value.removeprefix(operator) if operator != "=" else value)

    @property
    def is_regular(self) -> bool:
        """Whether the text is a regular expression."""
        return self.operator.endswith("~")

    @property
    def is_about_presence(self) -> bool:
        """Whether it asks only if a series has the label."""
        return (self.operator, self.text) in _PRESENT

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series with these labels is meant."""
        return _matches(self, labels.get(self.label, ""))


@lru_cache(maxsize=65536)
def _matches(matcher: Matcher, value: str) -> bool:
    is_equal = compile_pattern(matcher.text)(value) if matcher.is_regular else value == matcher.text
    return is_equal is not matcher.operator.startswith("!")


def match_all(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Return whether every matcher matches."""
    return all(matcher.matches(labels) for matcher in matchers)


def read_matchers(given: Mapping[str, str] | None) -> tuple[Matcher, ...]:
    """Return the matchers of a plan's mapping, in order of their labels."""
    return tuple(sorted(Matcher.of(label, value) for label, value in (given or {}).items()))


def _check_matchers(given: dict[str, str], info: ValidationInfo) -> dict[str, str]:
    """Check each label and its value; every mistake is reported at its own label."""
    faults = [
        ((label,), mistake)
        for label, value in given.items()
        if (mistake := _find_mistake(label, value) or _find_part(label, info)) is not None
    ]
    if faults:
        raise_at("matchers", *faults)
    return given


def _find_mistake(label: str, value: str) -> PydanticCustomError | None:
    if not re.fullmatch(LABEL, label):
        return fault("P006", f"`{label}` is no Prometheus label name: letters, digits and `_`")
    if label == "__name__":
        return fault("P006", "the name of the series stands in `series`")
    matcher = Matcher.of(label, value)
    if not matcher.is_regular:
        return _find_disguised(matcher)
    if problem := find_problem(matcher.text):
        return fault("P023", f"`{matcher.text}` cannot be read as a regular expression: {problem}")
    return None


def _find_part(label: str, info: ValidationInfo) -> PydanticCustomError | None:
    """Refuse the parts of a summary or a histogram, which are no units. Recorded plans go on."""
    if label not in _PARTS or is_recorded(info):
        return None
    message, hint = _PARTS[label]
    return fault("P027", message, hint=hint)


def _find_disguised(matcher: Matcher) -> PydanticCustomError | None:
    """Refuse exact text that looks like a regular expression: it would match nothing."""
    if not _REGULAR.search(matcher.text):
        return None
    sign = "!~" if matcher.operator == "!=" else "=~"
    exact = escape(matcher.text)
    message = f"`{matcher.text}` is exact text here, but looks like a pattern"
    hint = f'write "{sign}{matcher.text}" for the expression, "{sign}{exact}" for this very text'
    return fault("P023", message, hint=hint)


_WORDS = (
    "Values by label: exact text, or text that begins with `!=`, `=~` or `!~` as in PromQL; a "
    "label that is not there is empty text."
)
Matchers = Annotated[
    dict[str, str],
    Field(min_length=1),
    AfterValidator(_check_matchers),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string"},
            "description": _WORDS,
        }
    ),
]
"""Labels with their values, of which there is at least one."""
