"""The `Dialect` of the Gateway API: how its routes spell segments and mirrored requests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Segment
from rollout.plan.model.plan import Plan
from rollout.route import matching
from rollout.route.gateway import rules
from rollout.route.gateway.precedence import refuse_overtaking
from rollout.route.manifest import Json, dicts
from rollout.route.shape import read_fraction
from rollout.route.weighted_route import WeightedRoute

_OF = "of"  # our key in a copy by a reference's filter: the share that the reference gets


class Gateway:
    """An HTTPRoute or a GRPCRoute: the most specific match wins."""

    routes, matches, copies = "rules", "matches", "filters"
    weighted_routes = staticmethod(rules.weighted_routes)
    every_route = staticmethod(rules.every_route)
    narrow = staticmethod(matching.gateway)

    def weighted_route(self, body: Json, plan: Plan) -> WeightedRoute:
        return rules.weighted_route(0, body, rules.backends(plan))

    def check(
        self, routes: Sequence[Json], weighted_routes: Sequence[WeightedRoute], segment: Segment
    ) -> None:
        refuse_overtaking(routes, weighted_routes, segment)

    def copy(self, route: WeightedRoute, to: Json, split: Split) -> Json:
        """Return a mirror filter for a share of the requests.

        A fraction needs Gateway API 1.3; without one the filter mirrors every request, so the full
        share works on older versions.
        """
        del route
        fraction = {"fraction": {"numerator": split.canary, "denominator": split.total}}
        mirror = {"backendRef": to} | ({} if split.canary == split.total else fraction)
        return {"type": "RequestMirror", "requestMirror": mirror}

    def list_copies(self, route: WeightedRoute) -> list[Json]:
        """Return the rule's filters, and those of its references with the share that these get."""
        own = [
            {**item, _OF: str(_find_share(route, entry))}
            for entry in route.entries
            for item in dicts(entry.get(self.copies))
        ]
        return [*dicts(route.body.get(self.copies)), *own]

    def stop_single(self, route: WeightedRoute) -> None:
        """Remove what mirrors the requests of single references to the canary."""
        for entry in route.entries:
            filters = dicts(entry.get(self.copies))
            others = [
                item for item in filters if route.mesh.arm_of(self.destination(item)) != "canary"
            ]
            if others != filters:
                entry[self.copies] = others
                if not others:
                    del entry[self.copies]

    def destination(self, copy: Json) -> Json:
        return (copy.get("requestMirror") or {}).get("backendRef") or {}

    def share(self, copy: Json) -> Fraction:
        mirror, share = copy["requestMirror"], Fraction(copy.get(_OF, 1))
        if isinstance(fraction := mirror.get("fraction"), dict):
            numerator, denominator = fraction.get("numerator", 0), fraction.get("denominator", 100)
            return share * read_fraction(numerator, denominator)
        return share * read_fraction(mirror.get("percent", 100), 100)


def _find_share(route: WeightedRoute, entry: Json) -> Fraction:
    """Return the share of a rule's requests that a reference gets; all where nobody can tell."""
    try:
        total = sum(route.read_weight(other) for other in route.entries)
        return Fraction(route.read_weight(entry), total) if total else Fraction(0)
    except RouteError:
        return Fraction(1)
