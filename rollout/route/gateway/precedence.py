"""The Gateway API's order of matches: a route for a segment must not overtake another's rule.

Of two matches with the same path and method the one with more headers wins, then the one with more
query parameters, then the first in the list. A match for a segment has one header or parameter
more than the rule's own, so it may pass a foreign one that the rule itself gave way to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.errors import RouteError
from rollout.plan.model.traffic import Segment
from rollout.route.manifest import Json, dicts
from rollout.route.matching import gateway
from rollout.route.weighted_route import WeightedRoute

_Rank = tuple[int, int, float]


def refuse_overtaking(
    rules: Sequence[Json], forks: Sequence[WeightedRoute], segment: Segment
) -> None:
    """Raise RouteError where a foreign rule would lose requests to a segment's."""
    ours = [id(fork.body) for fork in forks]
    numbers = {id(rule): number for number, rule in enumerate(rules)}
    foreign = [rule for rule in rules if id(rule) not in ours]
    for fork in forks:
        number = numbers[id(fork.body)]
        for rule in foreign:
            if _overtakes(fork, number, rule, numbers[id(rule)], segment):
                name = rule.get("name") or numbers[id(rule)] + 1
                raise RouteError(
                    f"rule `{name}` is narrower than {fork.place}, but not than its segment, "
                    "which would take requests from it: narrow it further"
                )


def _overtakes(fork: WeightedRoute, number: int, rule: Json, place: int, segment: Segment) -> bool:
    return any(
        _rank(own, number) < _rank(theirs, place) < _rank(narrowed, number - 0.5)
        for own in _matches(fork.body)
        for narrowed in gateway([own], segment, fork.place)
        for theirs in _matches(rule)
        if all(own.get(key) == theirs.get(key) for key in ("path", "method"))
    )


def _matches(rule: Json) -> Iterator[Json]:
    """Every match; a rule without one matches every path."""
    yield from dicts(rule.get("matches")) or [{}]


def _rank(match: Json, place: float) -> _Rank:
    return len(dicts(match.get("headers"))), len(dicts(match.get("queryParams"))), -place
