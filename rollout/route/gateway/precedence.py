"""Keep a segment's route from taking requests of another rule, by the Gateway API's precedence.

Of two matches with the same path and method the one with more headers wins, then the one with more
query parameters, then the first in the list. A segment's match has one header or parameter more
than its rule's own match, so it may now win over a foreign match that the rule itself lost to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Segment
from rollout.route.manifest import Json, dicts
from rollout.route.matching import gateway
from rollout.route.weighted_route import WeightedRoute

_Rank = tuple[int, int, float]


def refuse_overtaking(
    rules: Sequence[Json], routes: Sequence[WeightedRoute], segment: Segment
) -> None:
    """Raise RouteError where a foreign rule would lose requests to a segment's route."""
    ours = [id(route.body) for route in routes]
    numbers = {id(rule): number for number, rule in enumerate(rules)}
    foreign = [rule for rule in rules if id(rule) not in ours]
    for route in routes:
        number = numbers[id(route.body)]
        for rule in foreign:
            if _overtakes(route, number, rule, numbers[id(rule)], segment):
                name = rule.get("name") or numbers[id(rule)] + 1
                raise RouteError(
                    f"rule `{name}` is narrower than {route.location}, but not than its segment, "
                    "which would take requests from it: narrow it further"
                )


def _overtakes(
    route: WeightedRoute, number: int, rule: Json, rule_number: int, segment: Segment
) -> bool:
    """Return whether the segment's match wins over a foreign match that wins over ours.

    The segment's route is inserted right before ours, hence the position `number - 0.5`.
    """
    return any(
        _rank(own, number) < _rank(theirs, rule_number) < _rank(narrowed, number - 0.5)
        for own in _iter_matches(route.body)
        for narrowed in gateway([own], segment, route.location)
        for theirs in _iter_matches(rule)
        if all(own.get(key) == theirs.get(key) for key in ("path", "method"))
    )


def _iter_matches(rule: Json) -> Iterator[Json]:
    """Yield every match; a rule without one matches every path."""
    yield from dicts(rule.get("matches")) or [{}]


def _rank(match: Json, position: float) -> _Rank:
    """Return the precedence of a match: the larger of two wins. Earlier positions are larger."""
    return len(dicts(match.get("headers"))), len(dicts(match.get("queryParams"))), -position
