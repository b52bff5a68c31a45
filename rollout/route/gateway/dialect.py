"""What a segment and copies are called in the Gateway API's routes: a `Dialect`."""

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
    """An HTTPRoute or a GRPCRoute: its narrowest match wins."""

    routes, matches, copies = "rules", "matches", "filters"
    forks = staticmethod(rules.forks)
    narrow = staticmethod(matching.gateway)

    def fork(self, body: Json, plan: Plan) -> WeightedRoute:
        return rules.fork(0, body, rules.backends(plan))

    def check(
        self, routes: Sequence[Json], forks: Sequence[WeightedRoute], segment: Segment
    ) -> None:
        refuse_overtaking(routes, forks, segment)

    def copy(self, fork: WeightedRoute, to: Json, split: Split) -> Json:
        """All requests, or a fraction, which the Gateway API knows since 1.3."""
        del fork
        part = {"fraction": {"numerator": split.canary, "denominator": split.total}}
        mirror = {"backendRef": to} | ({} if split.canary == split.total else part)
        return {"type": "RequestMirror", "requestMirror": mirror}

    def destination(self, copy: Json) -> Json:
        return (copy.get("requestMirror") or {}).get("backendRef") or {}

    def share(self, copy: Json) -> Fraction:
        mirror = copy["requestMirror"]
        if isinstance(part := mirror.get("fraction"), dict):
            return Fraction(int(part.get("numerator", 0)), int(part.get("denominator", 100)))
        return Fraction(str(mirror.get("percent", 100))) / 100
