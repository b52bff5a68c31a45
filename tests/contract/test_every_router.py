"""What every router must do, whatever mesh it moves."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout.decide.record.facts import Decided
from rollout.decide.record.split import Split
from rollout.decide.record.write_id import WriteId
from rollout.journal.memory import MemoryJournal
from rollout.kube.client import connect
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Ports, Router
from rollout.route.envoy.proxy import EnvoyRouter
from rollout.route.kube.router import ClusterRouter
from rollout.simulate import MemoryRouter, VirtualClock
from rollout.tick.controller import Controller
from tests.support.cluster_routes import MeshNamespace
from tests.support.local_envoy import mesh, plan_for
from tests.support.mesh_routers import creating_router, router_over
from tests.support.routes import Json, gateway, http_route, istio, parted, ref, to, virtual_service

pytestmark = pytest.mark.live


@dataclass
class Case:
    """A router before a mesh without a canary, the plan, and the plan of the rollout after it.

    `content` returns what people see of the routes: all that we may change, and our notes.
    """

    router: Router
    plan: Plan
    following: Plan
    content: Callable[[], Json] = dict


@pytest.fixture(scope="module")
def envoy(tmp_path_factory):
    with mesh(tmp_path_factory.mktemp("envoy")) as running:
        yield running


@pytest.fixture
def fresh_memory(envoy):
    return Case(MemoryRouter(), envoy.plan, plan_for(envoy.envoy, canary="v3"))


@pytest.fixture
def fresh_envoy(envoy):
    EnvoyRouter().write(envoy.plan, Split(0), "fresh")
    await_mark(EnvoyRouter(), envoy.plan, "fresh")
    file = Path(envoy.plan.spec.route.envoy.file)
    envoy_router = EnvoyRouter()
    envoy_router.write(envoy.plan, Split(0), "fresh", is_last=True)
    await_split(envoy_router, envoy.plan, Split(0))

    def content() -> Json:
        return {"resources": json.loads(file.read_text())["resources"]}

    return Case(envoy_router, envoy.plan, plan_for(envoy.envoy, canary="v3"), content)


@pytest.fixture
def objects(cluster, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(cluster.config()))
    connected = connect()
    return ClusterRouter(connected, source=connected)


def content_of(cluster, namespace, plural="virtualservices"):
    """What an object says of routes, and what is noted in it."""

    def content() -> Json:
        live = MeshNamespace(cluster, namespace).get(plural)
        return {"spec": live["spec"], "notes": live["metadata"].get("annotations", {})}

    return content


@pytest.fixture
def fresh_subsets(cluster, namespace, objects):
    MeshNamespace(cluster, namespace).create(virtual_service([to("reviews", subset="v1")]))
    content = content_of(cluster, namespace)
    return Case(objects, istio(namespace), istio(namespace, canary="v3"), content)


@pytest.fixture
def fresh_hosts(cluster, namespace, objects):
    hosts = {"stable": "reviews-v1", "canary": "reviews-v2"}
    routes = virtual_service([to("reviews-v1")], [to("reviews-v1")])
    MeshNamespace(cluster, namespace).create(routes)
    following = istio(namespace, canary="v3", hosts=hosts | {"canary": "reviews-v3"})
    return Case(objects, istio(namespace, hosts=hosts), following, content_of(cluster, namespace))


@pytest.fixture
def fresh_http_route(cluster, namespace, objects):
    MeshNamespace(cluster, namespace).create(http_route([ref("reviews-v1")]), "httproutes")
    content = content_of(cluster, namespace, "httproutes")
    return Case(objects, gateway(namespace), gateway(namespace, canary="v3"), content)


@pytest.fixture
def fresh_grpc_route(cluster, namespace, objects):
    route = http_route([ref("reviews-v1")], kind="GRPCRoute")
    MeshNamespace(cluster, namespace).create(route, "grpcroutes")
    name = {"grpcRoute": "reviews"}
    content, following = (
        content_of(cluster, namespace, "grpcroutes"),
        gateway(namespace, canary="v3", **name),
    )
    return Case(objects, gateway(namespace, **name), following, content)


@pytest.fixture
def making(cluster, monkeypatch):
    """The router of plans whose routes are yet to be made."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.config()))
    connected = connect()
    return creating_router(connected)


@pytest.fixture
def fresh_made_subsets(cluster, namespace, making):
    route: Json = {"destinationRule": "reviews", "create": {}}
    plan = istio(namespace, **route)
    making.write(plan, Split(0), "fresh", is_last=True)
    content = content_of(cluster, namespace)
    return Case(making, plan, istio(namespace, canary="v3", **route), content)


@pytest.fixture
def fresh_made_route(cluster, namespace, making):
    route: Json = {"create": {"parentRefs": [{"name": "edge"}], "port": 80}}
    plan = gateway(namespace, **route)
    making.write(plan, Split(0), "fresh", is_last=True)
    content = content_of(cluster, namespace, "httproutes")
    return Case(making, plan, gateway(namespace, canary="v3", **route), content)


IN_A_CLUSTER = ("subsets", "hosts", "http_route", "grpc_route", "made_subsets", "made_route")
CLUSTERED = [pytest.param(name, marks=pytest.mark.cluster) for name in IN_A_CLUSTER]


@pytest.fixture(params=["memory", "envoy", *CLUSTERED])
def case(request) -> Case:
    prepared_case: Case = request.getfixturevalue(f"fresh_{request.param}")
    prepared_case.router = router_over(prepared_case.router)
    return prepared_case


@pytest.fixture
def router(case):
    return case.router


@pytest.fixture
def plan(case):
    return case.plan


def await_mark(router, plan, mark, total=100):
    """What the mesh shows once it shows this mark; no mesh takes 5 s."""
    until = time.monotonic() + 60
    while (status := router.read(plan, total)).write_id != mark:
        assert time.monotonic() < until, f"still {status}; {router.diagnose(plan)}"
        time.sleep(0.005)
    return status


def await_split(router, plan, split, before=None):
    """Wait until the mesh shows a split, whoever wrote it."""
    until = time.monotonic() + 60
    while (status := router.read(plan, split.total, before)).split != split:
        assert time.monotonic() < until, f"still {status}; {router.diagnose(plan)}"
        time.sleep(0.005)


def test_a_fresh_mesh_has_no_canary(router, plan):
    assert router.read(plan, 100).split == Split(0)


@pytest.mark.parametrize("split", [Split(5), Split(100), Split(0), Split(10, 10_000)])
def test_what_is_written_is_shown_with_its_mark(router, plan, split):
    router.write(plan, split, "m1")
    assert await_mark(router, plan, "m1", split.total).split == split


def test_writing_again_changes_nothing(router, plan):
    for _ in range(3):
        router.write(plan, Split(5), "again")
        assert await_mark(router, plan, "again").split == Split(5)


def test_the_last_write_wins(router, plan):
    for number in range(1, 6):
        router.write(plan, Split(number), f"w{number}")
    assert await_mark(router, plan, "w5").split == Split(5)


def test_the_same_split_under_a_new_mark_is_shown_with_it(router, plan):
    router.write(plan, Split(5), "first")
    router.write(plan, Split(5), "second")
    assert await_mark(router, plan, "second").split == Split(5)


def test_the_next_rollout_starts_without_its_canary(router, case, plan):
    router.write(plan, Split(0), "back")
    await_mark(router, plan, "back")
    assert router.read(case.following, 100).split == Split(0)


@pytest.mark.parametrize("way_back", ["rolled back", "undone"])
def test_the_last_write_of_a_rollout_leaves_no_note_and_a_way_back_what_was_there(
    router, case, plan, way_back
):
    """The file or object is what it was, and a promotion leaves its weights alone."""
    first, before = case.content(), router.read(plan, 100).leading
    router.write(plan, Split(5), f"{plan.id}/1")
    await_mark(router, plan, f"{plan.id}/1")
    assert "surefoot" in f"{case.content()}" or not first
    if way_back == "undone":
        router.write(plan, Split(100), f"{plan.id}/2", before, is_last=True)
        await_split(router, plan, Split(100), before)
        assert f"{plan.id}/2" not in f"{case.content()}"
        assert f"{case.content()}".count("surefoot") == f"{first}".count("surefoot")
    router.write(plan, Split(0), f"{plan.id}/3", before, is_last=True)
    await_split(router, plan, Split(0), before)
    assert case.content() == first


def test_a_mesh_that_shows_what_was_written_has_nothing_to_explain(router, plan):
    router.write(plan, Split(5), "fine")
    await_mark(router, plan, "fine")
    assert router.diagnose(plan) == ""


def test_arms_that_are_alike_have_endpoints_alike(router, plan):
    """Neither has pods here; where nobody can tell, that is no error."""
    assert router.endpoints(plan, "stable") == router.endpoints(plan, "canary")


@dataclass
class CountingRouter:
    """A router that counts the writes which a controller sends through it."""

    inner: Router
    writes: int = 0

    def write(self, plan, split, write_id, before=None, *, is_last=False):
        self.writes += 1
        self.inner.write(plan, split, write_id, before, is_last=is_last)

    def read(self, plan, total, before=None):
        return self.inner.read(plan, total, before)

    def cached(self, plan, total, before=None):
        return self.inner.cached(plan, total, before)

    def endpoints(self, plan, arm):
        return self.inner.endpoints(plan, arm)

    def diagnose(self, plan):
        return self.inner.diagnose(plan)


class NoTraffic:
    """A Prometheus that has no series."""

    def observe(self, asks, now):
        return {ask.rollout: Answer() for ask in asks}


@pytest.mark.parametrize("on_drift", ["revert", "adopt"])
@pytest.mark.parametrize("split", [Split(99), Split(50), Split(100), Split(10)])
def test_a_route_that_is_not_at_stable_is_left_alone(router, plan, split, on_drift):
    begun = plan.model_copy(update={"spec": plan.spec.model_copy(update={"on_drift": on_drift})})
    router.write(begun, split, "other-1a2b3c4d/7")
    await_mark(router, begun, "other-1a2b3c4d/7")
    counting, clock = CountingRouter(router), VirtualClock()
    controller = Controller(Ports(NoTraffic(), counting, MemoryJournal(), clock), "test")
    (rollout,) = controller.start([begun])
    for _ in range(3):
        controller.tick()
        clock.sleep(begun.spec.interval)
    state = controller.states[rollout]
    assert state.last is not None
    assert state.last.reasons == ("not-at-stable",)
    assert "written by rollout other-1a2b3c4d (decision 7)" in state.last.sentence
    assert (counting.writes, state.live) == (0, split)
    assert router.read(begun, 100).split == split


@pytest.mark.parametrize("on_drift", ["revert", "pause"])
@pytest.mark.parametrize("split", [Split(50), Split(1)])
def test_what_another_journal_of_the_plan_wrote_is_named_and_left_alone(
    router, plan, split, on_drift
):
    begun = plan.model_copy(update={"spec": plan.spec.model_copy(update={"on_drift": on_drift})})
    counting, clock, journal = CountingRouter(router), VirtualClock(), MemoryJournal()
    controller = Controller(Ports(NoTraffic(), counting, journal, clock), "test")
    (rollout,) = controller.start([begun])
    mark = str(WriteId(rollout, 7, "3f9c01ab77de"))
    router.write(begun, split, mark)
    await_mark(router, begun, mark)
    for _ in range(3):
        controller.tick()
        clock.sleep(begun.spec.interval)
    state = controller.states[rollout]
    assert state.phase == "paused"
    decisions = [entry.fact for entry in journal.read() if isinstance(entry.fact, Decided)]
    pause = next(decided for decided in decisions if decided.action == "pause")
    assert f"rollout {rollout} (decision 7 of another journal, 3f9c01ab77de)" in pause.sentence
    assert counting.writes == 0
    assert router.read(begun, 100) == await_mark(router, begun, mark)


@pytest.fixture
def ward(plan):
    """The plan of the same rollout, for one segment, with copies first."""
    header = {"name": "x-ward", "exact": "cardiology"}
    return parted(plan, segment={"header": header}, mirror={"share": "100%", "lasts": "1m"})


@pytest.mark.parametrize(
    "split", [Split(5, 100, "segment"), Split(100, 100, "segment"), Split(100, 100, "mirror")]
)
def test_every_way_is_shown_with_its_mark_and_goes_again(router, ward, split):
    for _ in range(2):
        router.write(ward, split, "m2")
        assert await_mark(router, ward, "m2").split == split
    router.write(ward, Split(0), "back")
    assert await_mark(router, ward, "back").split == Split(0)


def test_ways_follow_one_another_as_a_rollout_takes_them(router, ward):
    ways = [
        Split(100, 100, "mirror"),
        Split(5, 100, "segment"),
        Split(50, 100, "segment"),
        Split(50),
        Split(100),
    ]
    for number, split in enumerate(ways):
        router.write(ward, split, f"s{number}")
        assert await_mark(router, ward, f"s{number}").split == split
