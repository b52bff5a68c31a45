"""A segment's match in each mesh's words. Every mesh tests a header's whole value, with RE2."""

from __future__ import annotations

import re
from typing import Literal

from rollout.errors import RouteError
from rollout.plan.model.traffic import Match, Segment
from rollout.route.manifest import Json, dicts, key

Kind = Literal["header", "query"]


def envoy(match: Json, segment: Segment) -> None:
    """Narrow the match of an Envoy route; it may hold several tests of one header."""
    kind, test = _as_header(segment)
    field = key(match, "headers" if kind == "header" else "query_parameters")
    said = {"safe_regex": {"regex": test.regex}} if test.regex else _given(test)
    match[field] = [*dicts(match.get(field)), {"name": test.name, "string_match": said}]


def istio(matches: list[Json], segment: Segment, place: str) -> list[Json]:
    """The matches of an Istio route, narrowed; none matches everything. Raises RouteError."""
    kind, test = _as_header(segment)
    field, name = ("headers", test.name.lower()) if kind == "header" else ("queryParams", test.name)
    # Istio takes no prefix for query parameters.
    said = {"regex": _regex(test)} if kind == "query" and test.prefix else _given(test)
    made = []
    for match in matches or [{}]:
        there = match.get(field) or {}
        if there.get(name, said) != said:
            raise RouteError(f"{place} matches {kind} {test.name} already, by another value")
        made.append({**match, field: {**there, name: said}})
    return made


def gateway(matches: list[Json], segment: Segment, place: str) -> list[Json]:
    """The matches of a Gateway API rule, narrowed; none matches everything. Raises RouteError."""
    kind, test = _as_header(segment)
    field = "headers" if kind == "header" else "queryParams"
    exact = test.exact is not None
    said = {
        "name": test.name,
        "type": "Exact" if exact else "RegularExpression",
        "value": test.exact if exact else _regex(test),
    }
    made = []
    for match in matches or [{}]:
        there = dicts(match.get(field))
        twins = [each for each in there if _named(each, kind) == _named(said, kind)]
        if any({"type": "Exact", **each} != said for each in twins):
            raise RouteError(f"{place} matches {kind} {test.name} already, by another value")
        made.append({**match, field: there if twins else [*there, said]})
    return made


def _named(entry: Json, kind: Kind) -> str:
    name = str(entry.get("name"))
    return name.lower() if kind == "header" else name


def _as_header(segment: Segment) -> tuple[Kind, Match]:
    """The key as meshes know it: a cookie is a part of the header that holds all of them."""
    kind, test = segment.key
    if kind != "cookie":
        return ("query" if kind == "query" else "header"), test
    value = f"{re.escape(test.prefix)}[^;]*" if test.prefix else f"(?:{_regex(test)})"
    said = f"(?:.*; *)?{re.escape(test.name)}={value}(?: *;.*)?"
    return "header", Match(name="cookie", regex=said)


def _given(test: Match) -> Json:
    said = {"exact": test.exact, "prefix": test.prefix, "regex": test.regex}
    return {name: value for name, value in said.items() if value is not None}


def _regex(test: Match) -> str:
    """The test as a regular expression of the whole value."""
    if test.exact is not None:
        return re.escape(test.exact)
    if test.prefix is not None:
        return f"{re.escape(test.prefix)}.*"
    return test.regex or ""
