"""Segments and copies in a real API server: what it fills in, refuses, and shows afterwards."""

import copy
import json
from dataclasses import dataclass, field

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.kube.client import connect
from rollout.plan.model.plan import Plan
from rollout.ports import Router
from rollout.route.kube.router import ClusterRouter
from rollout.simulate import MemoryRouter
from tests.live.pipeline import until
from tests.support.cluster_routes import GATEWAY, MeshNamespace
from tests.support.routes import gateway, http_route, istio, parted, ref, to, virtual_service
from tests.support.worlds import GOOD, Behaviour, Lab
from tests.support.worlds import plan as plan_of_the_world

pytestmark = pytest.mark.live

WARD = {"header": {"name": "x-ward", "exact": "icu"}}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
COPIES = {"share": "50%", "lasts": "1m"}
WAYS = [Split(10, 100, "segment"), Split(50, 100, "mirror"), Split(50, 10_000, "segment")]
KINDS = {
    "istio": (
        "virtualservices",
        virtual_service(
            [to("reviews", 100, "v1"), to("ratings", 0)],
            [to("reviews", None, "v1")],
            [to("ratings", None)],
        ),
    ),
    "gateway": ("httproutes", http_route([ref("reviews-v1")], [ref("reviews-v1", 7), ref("b", 0)])),
}


@pytest.fixture
def mesh(cluster, namespace):
    return MeshNamespace(cluster, namespace)


@pytest.fixture
def admin(cluster, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(cluster.config()))
    return ClusterRouter(connect())


def planned(kind, namespace):
    plan = istio(namespace) if kind == "istio" else gateway(namespace)
    return parted(plan, segment=WARD, mirror=COPIES)


def build(kind):
    """An object with more in its routes than weights."""
    plural, manifest = copy.deepcopy(KINDS[kind])
    first, second, *_ = manifest["spec"]["http" if kind == "istio" else "rules"]
    if kind == "istio":
        first |= {"match": [{"uri": {"prefix": "/a"}}], "timeout": "9s"}
        second |= {"mirrors": [{"destination": {"host": "audit"}}]}
    else:
        first |= {"matches": [{"path": {"value": "/a"}}, {"method": "GET"}]}
        second |= {
            "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": ref("x")}}]
        }
    return plural, manifest


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_is_one_write_and_a_rollback_restores_the_object(mesh, admin, kind):
    plural, manifest = build(kind)
    mesh.create(manifest, plural)
    plan, first = planned(kind, mesh.namespace), mesh.get(plural)["spec"]
    before = admin.read(plan, 100).leading
    for split in WAYS:
        admin.write(plan, split, "m")
        assert admin.read(plan, split.total).split == split
        version = mesh.get(plural)["metadata"]["resourceVersion"]
        admin.write(plan, split, "m")
        assert mesh.get(plural)["metadata"]["resourceVersion"] == version, "twice is once"
        admin.write(plan, Split(0), "back", before)
        assert mesh.get(plural)["spec"] == first


@pytest.fixture
def older_definition(cluster, namespace):
    """GRPCRoutes as before Gateway API 1.3: copies of all requests, or of none."""
    path = f"{DEFINITIONS}/grpcroutes.gateway.networking.k8s.io"
    routes = f"{GATEWAY}/namespaces/{namespace}/grpcroutes?dryRun=All"

    def replace(change):
        definition = cluster.ask("GET", path)
        before = json.loads(json.dumps(definition["spec"]))
        change(definition["spec"])
        answer = cluster.ask("PUT", path, definition)
        assert answer["kind"] == "CustomResourceDefinition", answer
        return before

    def knows_a_part():
        mirror = {"backendRef": ref("reviews-v2"), "fraction": {"numerator": 1}}
        route = http_route([ref("reviews-v1")], kind="GRPCRoute")
        route["metadata"]["name"] = "probe"
        route["spec"]["rules"][0]["filters"] = [{"type": "RequestMirror", "requestMirror": mirror}]
        return cluster.ask("POST", routes, route)["kind"] == "GRPCRoute"

    assert knows_a_part()
    before = replace(_without_a_part)
    try:
        until(lambda: not knows_a_part(), "the older definition")
        yield
    finally:
        replace(lambda spec: spec.update(before))
        until(knows_a_part, "the definition as it was")


def _without_a_part(node):
    """Take `fraction` and `percent` from every `requestMirror`, and the rules about them."""
    if isinstance(node, list):
        for item in node:
            _without_a_part(item)
    elif isinstance(node, dict):
        if "fraction" in node.get("properties", {}):
            del node["properties"]["fraction"], node["properties"]["percent"]
            del node["x-kubernetes-validations"]
        for item in node.values():
            _without_a_part(item)


@pytest.mark.usefixtures("older_definition")
def test_an_older_mesh_refuses_a_part_of_the_copies_and_nothing_moves(mesh, admin):
    mesh.create(http_route([ref("reviews-v1")], kind="GRPCRoute"), "grpcroutes")
    plan = parted(gateway(mesh.namespace, grpcRoute="reviews"), mirror=COPIES)
    with pytest.raises(RouteError, match="definitions of it are too old for a mirror") as error:
        admin.write(plan, Split(50, 100, "mirror"), "m")
    assert error.value.refused, "trying again does not help"
    assert admin.read(plan, 100).split == Split(0)
    admin.write(plan, Split(100, 100, "mirror"), "m")
    assert admin.read(plan, 100).split == Split(100, 100, "mirror")


def test_an_edit_of_the_segment_s_route_is_seen_and_mended(mesh, admin):
    mesh.create(virtual_service([to("reviews", None, "v1")]))
    plan, split = planned("istio", mesh.namespace), Split(10, 100, "segment")
    admin.write(plan, split, "m")
    mesh.weigh(60, 40)
    assert admin.read(plan, 100).split == Split(40, 100, "segment")
    ours, rest = mesh.get()["spec"]["http"]
    ours["match"] = [{"uri": {"prefix": "/"}}]
    mesh.edit({"spec": {"http": [ours, rest]}})
    with pytest.raises(RouteError, match="the route for the segment of http route `r1` was edited"):
        admin.read(plan, 100)
    admin.write(plan, split, "again")
    assert admin.read(plan, 100).split == split
    mesh.edit({"spec": {"http": [rest]}})
    assert admin.read(plan, 100).split == Split(0)


@dataclass
class WrittenRouter(MemoryRouter):
    """Simulated traffic that follows what was written, segment and copies too."""

    inner: Router = field(default_factory=MemoryRouter)

    def write(self, plan, split, write_id, before=None, *, is_last=False):
        self.inner.write(plan, split, write_id, before, is_last=is_last)
        super().write(plan, split, write_id, before, is_last=is_last)

    def read(self, plan, total, before=None):
        return self.inner.read(plan, total, before)


@pytest.mark.parametrize(
    ("canary", "end", "ways"),
    [
        (GOOD, "promoted", [("mirror", 50), ("segment", 50), ("segment", 100), ("weights", 100)]),
        (Behaviour(errors=0.5), "rolled back", [("mirror", 50), ("segment", 50), ("weights", 0)]),
    ],
)
def test_copies_then_a_segment_to_the_end_and_the_routes_are_as_before(
    mesh, admin, canary, end, ways
):
    mesh.create(virtual_service([to("reviews", None, "v1")]))
    document = plan_of_the_world(
        service="reviews",
        route={"istio": {"virtualService": "reviews"}},
        ramp={"steps": ["50%", "100%"], "bake": "8s"},
        traffic={"segment": WARD, "mirror": {"share": "50%", "lasts": "20s"}},
        guardrails=[{"name": "errors", "template": "istio/errors", "margin": {"absolute": "2%"}}],
    ).document()
    document["metadata"]["namespace"] = mesh.namespace
    lab = Lab(canary, Plan.model_validate(document), router=WrittenRouter(inner=admin))
    assert lab.run(600).phase == end
    assert [(split.way, split.canary) for _, split, _ in lab.router.writes] == ways
    (route,) = mesh.get()["spec"]["http"]
    assert "mirrors" not in route
    assert "match" not in route
    assert admin.read(lab.plan, 100).split == Split(100 if canary == GOOD else 0)
