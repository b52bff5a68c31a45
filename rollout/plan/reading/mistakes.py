"""Explain pydantic's errors in a document's own terms, each at its line and column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rollout.errors import Mistake
from rollout.plan.fields.base import SPELLED
from rollout.plan.fields.codes import CODES
from rollout.plan.model.pods import TAGS
from rollout.plan.model.ramp import KINDS, Steps
from rollout.plan.reading.bounds import MOST_MISTAKES
from rollout.plan.reading.positions import Document, Path, shown
from rollout.plan.reading.suggest import did_you_mean, key_hint, keys_at, nearest

_ONE_RAMP = "a ramp has steps, a harmBudget or blueGreen"
Explanation = tuple[str, str, str]  # code, message, hint

_READ_AS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}
_BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "finite_number": "a finite number",
}


def mistakes(error: ValidationError, document: Document, root: type[BaseModel]) -> list[Mistake]:
    """Convert each error of the model `root` to a mistake in the document.

    A misspelt key gives two errors, one for the unknown key and one for the missing key. Only the
    first becomes a mistake.
    """
    details = error.errors(include_url=False, include_input=False)
    count = len(details)
    details = details[: MOST_MISTAKES + 1]  # each costs a search for what was meant
    unknown = [
        (detail["loc"][:-1], str(detail["loc"][-1]))
        for detail in details
        if _is_unknown_key(detail)
    ]
    explained = [
        _to_mistake(detail, document, root)
        for detail in details
        if detail["type"] != "missing" or not _is_misspelt(detail["loc"], unknown, root)
    ]
    return cap(explained, count - len(details))


def cap(all_mistakes: Iterable[Mistake], more: int = 0) -> list[Mistake]:
    """Return the first mistakes; where there are too many, or `more`, the last says how many."""
    ordered = sorted(all_mistakes)
    rest = len(ordered) - MOST_MISTAKES + more
    if rest <= 0:
        return ordered
    last = ordered[MOST_MISTAKES - 1]
    text = f"and {rest + 1:,} more mistakes" if rest else ""
    return [*ordered[: MOST_MISTAKES - 1], replace(last, message=text, hint="")]


def _is_unknown_key(error: ErrorDetails) -> bool:
    return error["type"] == "extra_forbidden"


def _is_misspelt(missing: Path, unknown: list[tuple[Path, str]], root: type[BaseModel]) -> bool:
    *parent, key = missing
    return any(
        path == tuple(parent) and nearest(word, keys_at(path, root)) == key
        for path, word in unknown
    )


def _to_mistake(error: ErrorDetails, document: Document, root: type[BaseModel]) -> Mistake:
    # Tags of kinds are in the location, but not in the document.
    path = tuple(step for step in error["loc"] if not _is_tag(step))
    key, value = document.find(path)
    if error["type"] == "missing":
        code, message, hint = _explain_missing(error["loc"], document.noun)
    elif _is_unknown_key(error):
        code, message, hint = _explain_unknown(error["loc"], document.noun, root)
    else:
        code, message, hint = _explain(error, value)
    at_key = _is_unknown_key(error) or code == "P004"
    return document.mistake(key if at_key else value, code, message, hint)


def _is_tag(step: str | int) -> bool:
    return step in KINDS or step in TAGS


def _explain(error: ErrorDetails, value: yaml.Node) -> Explanation:
    kind, context = error["type"], error.get("ctx", {})
    if kind in CODES:
        given = shown(str(value.value)) if isinstance(value, yaml.ScalarNode) else ""
        hint = context.get("hint") or did_you_mean(given, context.get("choices", []))
        return kind, error["msg"], hint
    if kind in _BOUNDS:
        bounds = {name: f"{bound:g}" for name, bound in context.items()}
        return "P006", f"must be {_BOUNDS[kind].format(**bounds)}", ""
    if kind in _EXPLAIN:
        return _EXPLAIN[kind](error["loc"], value, context)
    return "P005", str(context.get("error", error["msg"])), ""


def _explain_missing(loc: Path, noun: str) -> Explanation:
    return "P004", f"missing key `{loc[-1]}` in {_format_path(loc[:-1], noun)}", ""


def _explain_unknown(loc: Path, noun: str, root: type[BaseModel]) -> Explanation:
    *parent, key = loc
    other_keys = {other for tag in KINDS if tag in parent for other in _keys_of_others(tag)}
    if key in other_keys:
        return "P003", f"`{key}` is of another kind of ramp", _ONE_RAMP
    message = f"unknown key `{shown(str(key))}` in {_format_path(tuple(parent), noun)}"
    return "P003", message, key_hint(str(key), tuple(parent), root)


def _keys_of_others(tag: str) -> set[str]:
    """The keys that only other kinds of ramp have."""
    every = {key for kind in KINDS for key in keys_at((kind,), Steps)}
    return every - set(keys_at((tag,), Steps))


def _explain_text(_: Path, value: yaml.Node, __: Any) -> Explanation:
    if not isinstance(value, yaml.ScalarNode):
        return "P005", f"must be text, not {_describe(value)}", ""
    if not value.value:
        return "P005", "must be text, but nothing is given", ""
    read = _READ_AS.get(value.tag.rpartition(":")[2], "something else")
    given = shown(value.value)
    return "P005", f"must be text, but YAML reads `{given}` as {read}", f'quote it: "{given}"'


def _explain_choice(_: Path, value: yaml.Node, context: Any) -> Explanation:
    choices = re.findall(r"'([^']*)'", context["expected"])
    allowed = " or ".join(f"`{choice}`" for choice in choices)
    if not isinstance(value, yaml.ScalarNode):
        return "P005", f"must be {allowed}, not {_describe(value)}", ""
    given = shown(value.value)
    return "P006", f"must be {allowed}, not `{given}`", did_you_mean(given, choices)


def _explain_pattern(_: Path, __: yaml.Node, context: Any) -> Explanation:
    return "P006", f"must be {SPELLED[context['pattern']]}", ""


def _explain_emptiness(_: Path, value: yaml.Node, __: Any) -> Explanation:
    is_text = isinstance(value, yaml.ScalarNode)
    return "P006", "must not be empty" if is_text else "needs at least one entry", ""


def _expect(noun: str, plain: str = "") -> Callable[[Path, yaml.Node, Any], Explanation]:
    """Explain a value of another kind than `noun`; `plain` matches what is one, without quotes."""

    def explain(_: Path, value: yaml.Node, __: Any) -> Explanation:
        bare = value.value.removesuffix("%") if isinstance(value, yaml.ScalarNode) else ""
        hint = f"write {bare}" if bare and re.fullmatch(plain, bare) else ""
        return "P005", f"must be {noun}, not {_describe(value)}", hint

    return explain


def _describe(value: yaml.Node) -> str:
    if isinstance(value, yaml.ScalarNode):
        return f"`{shown(value.value)}`" if value.value else "nothing"
    return "a list" if isinstance(value, yaml.SequenceNode) else "a mapping"


def _format_path(loc: Path, noun: str) -> str:
    """Format a path for messages: `spec.guardrails[1].margin`."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc]
    path = "".join(step for step in steps if not _is_tag(step[1:])).removeprefix(".")
    return f"`{path}`" if path else f"the {noun}"


_EXPLAIN: dict[str, Callable[[Path, yaml.Node, Any], Explanation]] = {
    "literal_error": _explain_choice,
    "string_type": _explain_text,
    "string_pattern_mismatch": _explain_pattern,
    "string_too_short": lambda *_: ("P006", "must not be empty", ""),
    "too_short": _explain_emptiness,
    "float_type": _expect("a number", r"-?[0-9]+(\.[0-9]+)?"),
    "int_type": _expect("a whole number", "-?[0-9]+"),
    "bool_type": _expect("true or false", "true|false"),
    "list_type": _expect("a list"),
    "model_type": _expect("a mapping"),
    "dict_type": _expect("a mapping"),
}
