"""Translate a segment into each mesh's route match.

Every mesh matches a header's whole value and uses RE2 for regular expressions.
"""

from __future__ import annotations

import re
from typing import Literal

from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Match, Segment
from rollout.route.manifest import Json, dicts, key

Kind = Literal["header", "query"]


def envoy(match: Json, segment: Segment) -> None:
    """Narrow an Envoy route's match to the segment.

    Envoy allows several matchers of one header, so no match of the route can conflict.
    """
    kind, test = _as_header(segment)
    field = key(match, "headers" if kind == "header" else "query_parameters")
    string_match = {"safe_regex": {"regex": test.regex}} if test.regex else _to_string_match(test)
    match[field] = [*dicts(match.get(field)), {"name": test.name, "string_match": string_match}]


def istio(matches: list[Json], segment: Segment, route_name: str) -> list[Json]:
    """Return the matches of an Istio route, narrowed to the segment.

    No match at all matches every request. Raises RouteError for a match that already tests the
    segment's key by another value.
    """
    kind, test = _as_header(segment)
    field, name = ("headers", test.name.lower()) if kind == "header" else ("queryParams", test.name)
    # Istio supports no prefix match for query parameters, only exact and regex.
    string_match = (
        {"regex": _to_regex(test)} if kind == "query" and test.prefix else _to_string_match(test)
    )
    narrowed = []
    for match in matches or [{}]:
        conditions = match.get(field) or {}
        if conditions.get(name, string_match) != string_match:
            raise RouteError(f"{route_name} matches {kind} {test.name} already, by another value")
        narrowed.append({**match, field: {**conditions, name: string_match}})
    return narrowed


def gateway(matches: list[Json], segment: Segment, rule_name: str) -> list[Json]:
    """Return the matches of a Gateway API rule, narrowed to the segment.

    No match at all matches every request. Raises RouteError for a match that already tests the
    segment's key by another value.
    """
    kind, test = _as_header(segment)
    field = "headers" if kind == "header" else "queryParams"
    exact = test.exact is not None
    condition = {
        "name": test.name,
        "type": "Exact" if exact else "RegularExpression",
        "value": test.exact if exact else _to_regex(test),
    }
    narrowed = []
    for match in matches or [{}]:
        conditions = dicts(match.get(field))
        twins = [
            twin
            for twin in conditions
            if _normalize_name(twin, kind) == _normalize_name(condition, kind)
        ]
        if any({"type": "Exact", **twin} != condition for twin in twins):
            raise RouteError(f"{rule_name} matches {kind} {test.name} already, by another value")
        narrowed.append({**match, field: conditions if twins else [*conditions, condition]})
    return narrowed


def _normalize_name(entry: Json, kind: Kind) -> str:
    """Return the name of a condition in comparable form: header names ignore case."""
    name = str(entry.get("name"))
    return name.lower() if kind == "header" else name


def _as_header(segment: Segment) -> tuple[Kind, Match]:
    """Return the segment's key as meshes know it: a header or a query parameter.

    No mesh matches single cookies, so a cookie becomes a regex on the `cookie` header, which holds
    all cookies of a request.
    """
    kind, test = segment.key
    if kind != "cookie":
        return ("query" if kind == "query" else "header"), test
    value = f"{re.escape(test.prefix)}[^;]*" if test.prefix else f"(?:{_to_regex(test)})"
    pattern = f"(?:.*; *)?{re.escape(test.name)}={value}(?: *;.*)?"
    # Not validated again: in the middle Python takes no flags such as `(?i)`, which RE2 does.
    return "header", Match.model_construct(name="cookie", regex=pattern)


def _to_string_match(test: Match) -> Json:
    """Return the fields that the plan sets, as a StringMatch."""
    fields = {"exact": test.exact, "prefix": test.prefix, "regex": test.regex}
    return {name: value for name, value in fields.items() if value is not None}


def _to_regex(test: Match) -> str:
    """Return the test as a regular expression of the whole value."""
    if test.exact is not None:
        return re.escape(test.exact)
    if test.prefix is not None:
        return f"{re.escape(test.prefix)}.*"
    return test.regex or ""
