"""Rollouts whose routes are yet to be made."""

from __future__ import annotations

from rollout.plan.model.plan import Plan
from tests.support.cluster_routes import LiveRouter
from tests.support.routes import Json
from tests.support.worlds import GOOD, Lab
from tests.support.worlds import plan as plan_of_the_world

ISTIO: Json = {"virtualService": "reviews", "destinationRule": "reviews", "create": {}}


GATEWAY: Json = {"httpRoute": "reviews", "create": {"parentRefs": [{"name": "edge"}], "port": 8080}}


def lab(mesh, router, canary=GOOD, route=None):
    document = plan_of_the_world(service="reviews", route=route or {"istio": ISTIO}).document()
    document["metadata"]["namespace"] = mesh.namespace
    return Lab(canary, Plan.model_validate(document), router=LiveRouter(inner=router))
