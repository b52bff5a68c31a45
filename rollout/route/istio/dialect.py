"""The `Dialect` of Istio: how its routes spell segments and mirrored requests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.traffic import Segment
from rollout.route import matching
from rollout.route.istio.destinations import destinations, every_route, weighted_routes
from rollout.route.istio.virtual_service import VirtualRoute
from rollout.route.manifest import Json
from rollout.route.weighted_route import WeightedRoute


class Istio:
    """A VirtualService: the first match wins."""

    routes, matches, copies = "http", "match", "mirrors"
    weighted_routes = staticmethod(weighted_routes)
    every_route = staticmethod(every_route)
    narrow = staticmethod(matching.istio)

    def weighted_route(self, body: Json, plan: Plan) -> WeightedRoute:
        return VirtualRoute("http", 0, body).weighted_route(destinations(plan))

    def check(
        self, routes: Sequence[Json], weighted_routes: Sequence[WeightedRoute], segment: Segment
    ) -> None:
        """Allow everything: a route right before another takes requests of that one only."""

    def copy(self, route: WeightedRoute, to: Json, split: Split) -> Json:
        """Return a mirror for a share of the requests.

        Raises RouteError if the route has a `mirror`, which Istio does not combine with `mirrors`.
        """
        if route.body.get("mirror"):
            problem = (
                "has a `mirror`, beside which Istio takes no `mirrors`: write it as one of those"
            )
            raise RouteError(f"{route.location} {problem}")
        percent = Fraction(100 * split.canary, split.total)
        value = int(percent) if percent.denominator == 1 else float(percent)
        return to | {"percentage": {"value": value}}

    def destination(self, copy: Json) -> Json:
        return copy

    def share(self, copy: Json) -> Fraction:
        return Fraction(str((copy.get("percentage") or {}).get("value", 100))) / 100
