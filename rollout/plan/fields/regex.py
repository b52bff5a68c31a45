"""Regular expressions as meshes and Prometheus take them: RE2, which matches in linear time.

Python's `re` takes what RE2 refuses, the other way round too, and may need exponential time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated

import re2
from pydantic import AfterValidator, Field, ValidationInfo

from rollout.plan.fields.base import is_recorded
from rollout.plan.fields.codes import fault

LONGEST = 4096
"""Characters of a pattern: what the Gateway API takes."""

_SHOWN = 120  # characters of RE2's own words, which may end with the pattern
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class PatternError(ValueError):
    """A pattern that RE2 does not take; the message says why."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a whole text matches, as Prometheus matches labels.

    Raises PatternError.
    """
    if len(pattern) > LONGEST:
        raise PatternError(f"a regular expression has at most {LONGEST:,} characters")
    options = re2.Options()
    options.log_errors, options.dot_nl = False, True
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = bytes(error.args[0]).decode(errors="replace")
        raise PatternError(f"meshes and Prometheus use RE2: {reason[:_SHOWN]}") from None
    except UnicodeEncodeError:
        raise PatternError("a regular expression is text") from None
    return lambda text: compiled.fullmatch(text.encode(errors="replace").decode()) is not None


def escape(text: str) -> str:
    """Return a regular expression that matches only this text."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)


def find_problem(pattern: str) -> str:
    """Return why neither meshes nor Prometheus take a regular expression; empty where they do."""
    try:
        compile_pattern(pattern)
    except PatternError as error:
        return str(error)
    return ""


def _check_line(value: str, info: ValidationInfo) -> str:
    if not is_recorded(info) and _CONTROL.search(value):
        message = "has a line break or another control character, which no request has there"
        raise fault("P006", message, hint="in YAML a text below `|` or `>` ends with a line break")
    return value


def _check_regex(value: str, info: ValidationInfo) -> str:
    if not is_recorded(info) and (problem := find_problem(value)):
        raise fault("P006", problem)
    return value


Line = Annotated[str, Field(min_length=1), AfterValidator(_check_line)]
Regex = Annotated[Line, AfterValidator(_check_regex)]
