"""Whatever a cluster's objects hold: what was asked for is written, or refused in words."""

import copy
from contextlib import suppress
from typing import Any

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.kube.router import ClusterRouter
from tests.support.foreign import COPIES, GATEWAY, VIRTUAL
from tests.support.fuzzing import fuzz
from tests.support.routes import (
    destination_rule,
    gateway,
    http_route,
    istio,
    merged,
    parted,
    ref,
)

GRPC = http_route([ref("reviews-v1", 90), ref("reviews-v2", 10)], kind="GRPCRoute")
GRPC["metadata"] |= VIRTUAL["metadata"]
SEGMENT = {"segment": {"header": {"name": "a", "exact": "b"}}}
BACKENDS: dict[str, Any] = {"backends": {"stable": "reviews-v1", "canary": "reviews-v2"}}
RULE = destination_rule("reviews", "v1", "v2")
SLICE = {"endpoints": [{"conditions": {"ready": True}, "addresses": ["10.0.0.1"]}]}
SERVICE = {"spec": {"selector": {"app": "reviews"}, "type": "ClusterIP"}}
POD = {"metadata": {"name": "p"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
CASES = [
    (VIRTUAL, istio()),
    (VIRTUAL, istio(destinationRule="reviews")),
    (GATEWAY, gateway(**BACKENDS)),
    (GRPC, gateway(grpcRoute="reviews", **BACKENDS)),
]
TRAFFIC = [{}, COPIES, SEGMENT]
SPLITS = [Split(0), Split(5), Split(99), Split(5, way="mirror"), Split(5, way="segment")]


def as_object(mutator, document):
    """Mangle what the client hands on if it is an object."""
    mangled = mutator.mangle(document)
    return mangled if isinstance(mangled, dict) else {}


class MangledCluster:
    """An API server whose objects are anything, and which takes every patch."""

    def __init__(self, live, mutator):
        self.live, self.patches = live, 0
        self.rule, self.one_service = as_object(mutator, RULE), as_object(mutator, SERVICE)
        self.slices = [as_object(mutator, SLICE), SLICE]
        self.all_pods = [as_object(mutator, POD)]

    def get(self, kind, *_):
        return self.rule if kind.name == "DestinationRule" else copy.deepcopy(self.live)

    def find(self, *address):
        return self.get(*address)

    def patch(self, _kind, _namespace, _name, body, *, dry=False):
        changed = merged(self.live, body)
        if not dry:
            self.live, self.patches = changed, self.patches + 1
        return changed

    def endpoint_slices(self, *_):
        return self.slices

    def service(self, *_):
        return self.one_service

    def pods(self, *_):
        return self.all_pods


def test_whatever_an_object_holds_is_read_or_refused():
    def check(mutator):
        document, base = mutator.random.choice(CASES)
        rollout = parted(base, **mutator.random.choice(TRAFFIC))
        split = mutator.random.choice(SPLITS)
        cluster = MangledCluster(mutator.mangle(document), mutator)
        router = ClusterRouter(cluster, cluster, cluster)  # type: ignore[arg-type]
        for read in (router.read, router.cached):
            with suppress(RouteError):
                read(rollout, 100)
        for arm in ("stable", "canary"):
            assert router.endpoints(rollout, arm) in {True, False, None}
        try:
            router.write(rollout, split, "x/2")
        except RouteError:
            assert cluster.patches == 0
            return
        if not cluster.patches:
            return  # as it should be already, or nothing in it is ours
        with suppress(RouteError):  # the mesh may report that it does not serve it
            assert router.read(rollout, 100).split == split

    fuzz("objects", 0.12, check)
