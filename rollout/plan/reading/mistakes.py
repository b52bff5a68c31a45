"""The models' errors in a user's words, each at its line and column."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rollout.errors import Mistake
from rollout.plan.fields.base import SPELLED
from rollout.plan.fields.codes import CODES
from rollout.plan.model.ramp import KINDS
from rollout.plan.reading.positions import Document, Path, shown
from rollout.plan.reading.suggest import did_you_mean, key_hint, keys_at, nearest

_ONE_RAMP = "a ramp has steps, a harmBudget or blueGreen"
Said = tuple[str, str, str]  # code, message, hint

_READ_AS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}
_BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "finite_number": "a finite number",
}


def mistakes(error: ValidationError, document: Document) -> list[Mistake]:
    """One mistake per error; a missing key that stands there misspelt is told once."""
    errors = error.errors(include_url=False, include_input=False)
    unknown = [(each["loc"][:-1], str(each["loc"][-1])) for each in errors if _unknown(each)]
    return [
        _mistake(each, document)
        for each in errors
        if each["type"] != "missing" or not _misspelt(each["loc"], unknown)
    ]


def _unknown(error: ErrorDetails) -> bool:
    return error["type"] == "extra_forbidden"


def _misspelt(missing: Path, unknown: list[tuple[Path, str]]) -> bool:
    *parent, key = missing
    return any(
        where == tuple(parent) and nearest(found, keys_at(where)) == key for where, found in unknown
    )


def _mistake(error: ErrorDetails, document: Document) -> Mistake:
    path = tuple(part for part in error["loc"] if part not in KINDS)
    key, value = document.find(path)
    code, message, hint = _say(error, value)
    at_key = _unknown(error) or code == "P004"
    return document.mistake(key if at_key else value, code, message, hint)


def _say(error: ErrorDetails, value: yaml.Node) -> Said:
    kind, context = error["type"], error.get("ctx", {})
    if kind in CODES:
        given = shown(str(value.value)) if isinstance(value, yaml.ScalarNode) else ""
        hint = context.get("hint") or did_you_mean(given, context.get("choices", []))
        return kind, error["msg"], hint
    if kind in _BOUNDS:
        bounds = {name: f"{bound:g}" for name, bound in context.items()}
        return "P006", f"must be {_BOUNDS[kind].format(**bounds)}", ""
    if kind in _SAY:
        return _SAY[kind](error["loc"], value, context)
    return "P005", str(context.get("error", error["msg"])), ""


def _missing(loc: Path, _: yaml.Node, __: Any) -> Said:
    return "P004", f"missing key `{loc[-1]}` in {_place(loc[:-1])}", ""


def _extra(loc: Path, _: yaml.Node, __: Any) -> Said:
    *parent, key = loc
    other = {known for tag in KINDS if tag in parent for known in _others(tag)}
    if key in other:
        return "P003", f"`{key}` is of another kind of ramp", _ONE_RAMP
    message = f"unknown key `{shown(str(key))}` in {_place(tuple(parent))}"
    return "P003", message, key_hint(str(key), tuple(parent))


def _others(tag: str) -> set[str]:
    every = {key for kind in KINDS for key in keys_at((kind,))}
    return every - set(keys_at((tag,)))


def _text(_: Path, value: yaml.Node, __: Any) -> Said:
    if not isinstance(value, yaml.ScalarNode):
        return "P005", f"must be text, not {_noun(value)}", ""
    if not value.value:
        return "P005", "must be text, but nothing is given", ""
    read = _READ_AS.get(value.tag.rpartition(":")[2], "something else")
    given = shown(value.value)
    return "P005", f"must be text, but YAML reads `{given}` as {read}", f'quote it: "{given}"'


def _choice(_: Path, value: yaml.Node, context: Any) -> Said:
    choices = re.findall(r"'([^']*)'", context["expected"])
    allowed = " or ".join(f"`{choice}`" for choice in choices)
    if not isinstance(value, yaml.ScalarNode):
        return "P005", f"must be {allowed}, not {_noun(value)}", ""
    given = shown(value.value)
    return "P006", f"must be {allowed}, not `{given}`", did_you_mean(given, choices)


def _pattern(_: Path, __: yaml.Node, context: Any) -> Said:
    return "P006", f"must be {SPELLED[context['pattern']]}", ""


def _kind(noun: str) -> Callable[[Path, yaml.Node, Any], Said]:
    return lambda _, value, __: ("P005", f"must be {noun}, not {_noun(value)}", "")


def _noun(value: yaml.Node) -> str:
    if isinstance(value, yaml.ScalarNode):
        return f"`{shown(value.value)}`" if value.value else "nothing"
    return "a list" if isinstance(value, yaml.SequenceNode) else "a mapping"


def _place(loc: Path) -> str:
    """A path for people: `spec.guardrails[1].margin`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc]
    path = "".join(part for part in parts if part[1:] not in KINDS).removeprefix(".")
    return f"`{path}`" if path else "the plan"


_SAY: dict[str, Callable[[Path, yaml.Node, Any], Said]] = {
    "missing": _missing,
    "extra_forbidden": _extra,
    "literal_error": _choice,
    "string_type": _text,
    "string_pattern_mismatch": _pattern,
    "string_too_short": lambda *_: ("P006", "must not be empty", ""),
    "too_short": lambda *_: ("P006", "needs at least one entry", ""),
    "float_type": _kind("a number"),
    "int_type": _kind("a whole number"),
    "bool_type": _kind("true or false"),
    "list_type": _kind("a list"),
    "model_type": _kind("a mapping"),
}
