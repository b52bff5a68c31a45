"""The split that several routes show together, and the one that we noted with our last write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import zip_longest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.nearest import format_shares, nearest
from rollout.route.weighted_route import WeightedRoute

Shares = tuple[Fraction, ...]  # one for each canary; empty where none has any


def read_together(
    routes: Sequence[WeightedRoute],
    written: Shares | None,
    total: int,
    *,
    is_begun: bool = False,
) -> Split:
    """Return the split that the routes show together, in parts of `total`.

    Where they differ and one still has the shares `written` by our last patch, somebody moved
    another: the shares farthest from ours are returned, so that the drift is noticed. Where those
    are nothing, the mean of all is: a rollback must not look complete while one route gives some.
    So it is where nothing tells what we wrote, although we have (`is_begun`): a last write notes
    nothing. Raises RouteError, with the largest share, if they differ and none has the shares that
    we wrote.
    """
    shares = {route.shares(): route for route in routes}
    if len(shares) == 1:
        return nearest(next(iter(shares)), total)
    if written is None and is_begun:
        return nearest(_average([*shares]), total)
    if written is not None and written in shares:
        farthest = max(shares, key=partial(_measure_distance, written))
        return nearest(farthest or _average([*shares]), total)
    raise RouteError(
        f"routes disagree on the share of {routes[0].mesh.name('canary')}: "
        f"{describe_shares(shares)}",
        most=float(max(map(sum, shares))),
    )


def describe_shares(shares: Mapping[Shares, WeightedRoute]) -> str:
    """Name each route with its share; of routes with the same one, a single one."""
    return ", ".join(
        f"{format_shares(share)} in {route.location}" for share, route in shares.items()
    )


def _average(shares: Sequence[Shares]) -> Shares:
    positions = zip_longest(*shares, fillvalue=Fraction(0))
    return tuple(sum(position, Fraction(0)) / len(shares) for position in positions)


def _measure_distance(shares: Shares, others: Shares) -> Fraction:
    pairs = zip_longest(shares, others, fillvalue=Fraction(0))
    return sum((abs(share - other) for share, other in pairs), Fraction(0))


def format_split(split: Split) -> str:
    """Return a split as we note it: `5/100`, or `3+2/100` of two canaries."""
    weights = "+".join(map(str, split.canaries or [split.canary]))
    return f"{weights}/{split.total}"


def parse_shares(text: str) -> Shares | None:
    """Return the shares of a noted split; None for another text."""
    weights, _, total = text.partition("/")
    try:
        shares = tuple(Fraction(f"{weight}/{total}") for weight in weights.split("+"))
    except (ValueError, ZeroDivisionError):
        return None
    return shares if any(shares) else ()
