"""The rules that a plan asks for, by name or by one of their matches.

Servers before Gateway API 1.4 drop the names of rules, so a match is the only way to choose there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from rollout.plan.model.mesh.route import GatewayRoute
from rollout.route.manifest import Json, dicts

# What an API server fills in where a match leaves it out.
_PATH = {"type": "PathPrefix", "value": "/"}


@dataclass(frozen=True)
class RuleWish:
    """A rule that a plan asks for; an empty `match` asks for the rules that match everything."""

    name: str = ""
    match: Json | None = None

    def fits(self, rule: Json) -> bool:
        """Return whether a rule has the name, or one of its matches is the wished one."""
        if self.match is None:
            return bool(rule.get("name") == self.name)
        matches = dicts(rule.get("matches")) or [{}]
        return any(_complete(match) == _complete(self.match) for match in matches)

    def __str__(self) -> str:
        if self.match is None:
            return f"named `{self.name}`"
        return f"that matches {json.dumps(self.match)}"


def requested_routes(route: GatewayRoute) -> Iterator[RuleWish]:
    """Yield the rules that a plan names."""
    yield from (RuleWish(name) for name in route.rules or ())
    yield from (RuleWish(match=match) for match in route.matches or ())


def _complete(match: Json) -> Json:
    """Return a match with the defaults of the API spelled out, in one order."""
    completed = {key: value for key, value in match.items() if value not in (None, [], {})}
    method = completed.get("method")
    if isinstance(method, dict):
        completed["method"] = {"type": "Exact", **method}
    else:
        completed["path"] = _PATH | (completed.get("path") or {})
    for field in ("headers", "queryParams"):
        if field in completed:
            conditions = [{"type": "Exact", **condition} for condition in dicts(completed[field])]
            completed[field] = sorted(conditions, key=lambda item: json.dumps(item, sort_keys=True))
    return completed
