"""The `Dialect` of the Gateway API: how its routes spell segments and mirrored requests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.plan.model.plan import Plan
from rollout.plan.model.traffic import Segment
from rollout.route import matching
from rollout.route.gateway import rules
from rollout.route.gateway.precedence import refuse_overtaking
from rollout.route.manifest import Json
from rollout.route.weighted_route import WeightedRoute


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

    def destination(self, copy: Json) -> Json:
        return (copy.get("requestMirror") or {}).get("backendRef") or {}

    def share(self, copy: Json) -> Fraction:
        mirror = copy["requestMirror"]
        if isinstance(fraction := mirror.get("fraction"), dict):
            return Fraction(
                int(fraction.get("numerator", 0)), int(fraction.get("denominator", 100))
            )
        return Fraction(str(mirror.get("percent", 100))) / 100
