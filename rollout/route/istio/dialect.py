"""The `Dialect` of Istio: how its routes spell segments and mirrored requests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Segment
from rollout.plan.model.plan import Plan
from rollout.route import matching
from rollout.route.istio.destinations import destinations, every_route, weighted_routes
from rollout.route.istio.virtual_service import VirtualRoute
from rollout.route.manifest import Json, dicts
from rollout.route.shape import read_fraction
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

    def list_copies(self, route: WeightedRoute) -> list[Json]:
        """Return `mirrors`, and the older `mirror` with its percentage as one more of them."""
        single = route.body.get("mirror")
        if not isinstance(single, dict):
            return dicts(route.body.get(self.copies))
        percentage = route.body.get("mirrorPercentage") or {
            "value": route.body.get("mirrorPercent")
        }
        share = {} if percentage.get("value") is None else {"percentage": percentage}
        return [*dicts(route.body.get(self.copies)), {"destination": single, **share}]

    def stop_single(self, route: WeightedRoute) -> None:
        for field in ("mirror", "mirrorPercentage", "mirrorPercent"):
            route.body.pop(field, None)

    def destination(self, copy: Json) -> Json:
        return copy

    def share(self, copy: Json) -> Fraction:
        return read_fraction((copy.get("percentage") or {}).get("value", 100), 100)
