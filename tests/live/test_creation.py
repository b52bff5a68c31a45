"""Routes that a plan asks to be made, on a real API server: from nothing to the end."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import chain

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.reasons import Reason
from rollout.decide.record.split import Split
from rollout.doctor.examine import examine
from rollout.errors import ClusterError, RouteError, StaleError
from rollout.kube.client import connect
from rollout.route.create.creation import wanted
from rollout.wire.doctor_tools import doctor_tools
from rollout.wire.meshes import router as wired
from tests.live.pipeline import until
from tests.support.cluster_routes import MeshNamespace, climbed
from tests.support.made_routes import GATEWAY, ISTIO, lab
from tests.support.manifests import role_rules
from tests.support.mesh_routers import creating_router
from tests.support.routes import destination_rule, gateway, istio, plan, to, virtual_service
from tests.support.worlds import BAD, GOOD

pytestmark = pytest.mark.live


PEERS = "security.istio.io/v1beta1"
INSTALL, COMPONENT = "base/role.yaml", "components/creation/role.yaml"


@pytest.fixture
def mesh(cluster, namespace, monkeypatch):
    """A namespace without routes, where we have the rights of the install and its component."""
    cluster.allow("surefoot", namespace, *role_rules(INSTALL, COMPONENT))
    monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))
    return MeshNamespace(cluster, namespace)


@pytest.fixture
def router(mesh):
    """The one that `surefoot operate` has."""
    with ExitStack() as watches:
        yield wired(watches=watches)


def shape(mesh, plural):
    """What somebody else would see of an object, without what changes at every write."""
    live = mesh.get(plural)
    if live["kind"] == "Status":
        return live["reason"]
    return live["metadata"].get("labels"), live["spec"]


def test_a_rollout_in_istio_begins_with_nothing_and_is_promoted(mesh, router):
    assert lab(mesh, router).run().phase == "promoted"
    (rule,) = mesh.get()["spec"]["http"]
    assert [
        (destination["destination"], destination.get("weight", 0)) for destination in rule["route"]
    ] == [
        ({"host": "reviews", "subset": "v1"}, 0),
        ({"host": "reviews", "subset": "v2"}, 100),
    ]
    assert shape(mesh, "destinationrules") == (
        {"app.kubernetes.io/managed-by": "surefoot"},
        {
            "host": "reviews",
            "subsets": [
                {"name": "v1", "labels": {"version": "v1"}},
                {"name": "v2", "labels": {"version": "v2"}},
            ],
        },
    )
    metadata = mesh.get()["metadata"]
    assert metadata["annotations"]["made.surefoot.dev/reviews"] == "demo"
    managers = {(entry["manager"], entry["operation"]) for entry in metadata["managedFields"]}
    assert managers == {("surefoot", "Apply"), ("surefoot", "Update")}


def test_a_bad_canary_leaves_a_route_that_keeps_all_traffic_at_stable(mesh, router):
    assert lab(mesh, router, BAD).run().phase == "rolled back"
    (rule,) = mesh.get()["spec"]["http"]
    assert rule["route"] == [to("reviews", 100, "v1")]


@pytest.mark.parametrize("canary", [GOOD, BAD])
def test_and_in_the_gateway_api(mesh, router, canary):
    phase = lab(mesh, router, canary, {"gateway": GATEWAY}).run().phase
    spec = mesh.get("httproutes")["spec"]
    backends = {backend["name"]: backend["weight"] for backend in spec["rules"][0]["backendRefs"]}
    if canary is GOOD:
        assert (phase, backends) == ("promoted", {"reviews-v1": 0, "reviews-v2": 100})
    else:
        assert (phase, [*backends]) == ("rolled back", ["reviews-v1"])
    assert {backend["port"] for backend in spec["rules"][0]["backendRefs"]} == {8080}
    assert spec["parentRefs"][0]["name"] == "edge"


def test_a_grpc_route_is_made_too(mesh, router):
    route = {"grpcRoute": "reviews", "create": GATEWAY["create"]}
    router.write(gateway(mesh.namespace, **route), Split(5), "m")
    assert router.read(gateway(mesh.namespace, **route), 100).split == Split(5)


def test_the_next_version_finds_its_subset_in_the_rule_that_we_made(mesh, router):
    lab(mesh, router).run()
    following = plan({"istio": ISTIO}, mesh.namespace, canary="v3", stable={"version": "v2"})
    router.write(following, Split(5), "next")
    _, spec = shape(mesh, "destinationrules")
    assert [subset["name"] for subset in spec["subsets"]] == ["v1", "v2", "v3"]
    assert mesh.weights() == [0, 95, 5]


def test_a_policy_stands_in_what_was_made_and_stays_as_the_rule_grows(mesh, router):
    policy = {"outliers": {"consecutiveErrors": 7}, "timeout": "3s"}
    first = plan({"istio": ISTIO}, mesh.namespace, policy=policy)
    router.write(first, Split(100), "m1")
    policed = mesh.get("destinationrules")["spec"]["trafficPolicy"]
    assert policed["outlierDetection"]["consecutive5xxErrors"] == 7
    assert mesh.get()["spec"]["http"][0]["timeout"] == "3s"
    following = plan(
        {"istio": ISTIO}, mesh.namespace, canary="v3", stable={"version": "v2"}, policy=policy
    )
    router.write(following, Split(5), "m2")
    spec = mesh.get("destinationrules")["spec"]
    assert (len(spec["subsets"]), spec["trafficPolicy"]) == (3, policed)


def test_what_is_told_to_pods_is_made_without_a_mode_and_a_rollback_takes_the_mode_back(
    mesh, router
):
    create = {"pods": "app=reviews"}
    mtls = {"mode": "strict", "peerAuthentication": "reviews", "create": create}
    asked = plan({"istio": ISTIO}, mesh.namespace, policy={"mtls": mtls})
    path = mesh.path("peerauthentications").replace("gateway.networking.k8s.io/v1", PEERS)
    selector = {"matchLabels": {"app": "reviews"}}
    router.write(asked, Split(5), "m1")
    live = mesh.cluster.ask("GET", path)
    assert live["spec"] == {"selector": selector, "mtls": {"mode": "STRICT"}}
    assert live["metadata"]["annotations"]["made.surefoot.dev/reviews"] == asked.name
    assert router.read(asked, 100).policy == ""
    router.write(asked, Split(0), "m2")
    assert mesh.cluster.ask("GET", path)["spec"] == {"selector": selector}


def test_somebody_else_s_objects_are_used_as_they_are(mesh, router):
    theirs = virtual_service([to("reviews", 100, "v1")], gateways=["edge"])
    theirs["metadata"]["labels"] = {"team": "a"}
    mesh.create(theirs)
    before = mesh.create(destination_rule("reviews"), "destinationrules")
    assert lab(mesh, router).run().phase == "promoted"
    assert mesh.get("destinationrules") == before
    live = mesh.get()
    assert live["metadata"]["labels"] == {"team": "a"}
    assert live["spec"]["gateways"] == ["edge"]
    assert not [key for key in live["metadata"].get("annotations", {}) if "surefoot" in key]


def test_no_route_is_made_to_a_subset_that_somebody_s_rule_lacks(mesh, router):
    mesh.create(destination_rule("reviews", "v1"), "destinationrules")
    with pytest.raises(RouteError, match="defines no subset v2"):
        router.write(istio(mesh.namespace, **ISTIO), Split(5), "m")
    assert shape(mesh, "virtualservices") == "NotFound"


def test_who_is_faster_made_the_object_that_is_used(mesh):
    """Somebody makes one between our look and our apply, which would not even conflict with it."""
    theirs = virtual_service(tcp=[{"route": [to("reviews", None, "v1")]}])

    class Late:
        def __init__(self):
            self.inner = connect()

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def get(self, kind, namespace, name):
            try:
                return self.inner.get(kind, namespace, name)
            except ClusterError:
                if kind.plural == "virtualservices":
                    mesh.create(theirs)
                raise

    objects = Late()
    creating = creating_router(objects)
    creating.write(istio(mesh.namespace, **ISTIO), Split(5), "m")
    live = mesh.get()
    assert "labels" not in live["metadata"]
    assert {*live["spec"]} == {"hosts", "tcp"}
    assert [destination["weight"] for destination in live["spec"]["tcp"][0]["route"]] == [95, 5]


def test_an_object_that_is_deleted_under_way_pauses_and_an_abort_makes_it_again(mesh, router):
    running = climbed(lab(mesh, router))
    mesh.cluster.ask("DELETE", mesh.path())
    running.run_until(lambda state: state.phase == "paused")
    assert "there is no such object" in running.decisions[-1].sentence
    _say(running, "abort")
    assert running.run().phase == "rolled back"
    assert mesh.weights() == [100]


def test_a_resume_makes_what_was_deleted_again_and_goes_on(mesh, router):
    running = climbed(lab(mesh, router))
    for plural in ("virtualservices", "destinationrules"):
        mesh.cluster.ask("DELETE", mesh.path(plural))
    running.run_until(lambda state: state.phase == "paused")
    weight = running.state.split.canary
    _say(running, "resume")
    running.run_until(lambda state: state.phase == "stepping" and not state.delivery.is_open)
    assert mesh.weights() == [100 - weight, weight]
    assert len(mesh.get("destinationrules")["spec"]["subsets"]) == 2
    assert running.run().phase == "promoted"


def test_a_rollback_makes_the_route_that_sends_all_to_stable(mesh, router):
    router.write(istio(mesh.namespace, **ISTIO), Split(0), "back")
    assert mesh.get()["spec"]["http"][0]["route"] == [to("reviews", 100, "v1")]


def test_without_the_right_to_make_it_the_rollout_is_paused_with_the_rule(cluster, mesh, router):
    _lose_the_component(cluster, mesh)
    running = lab(mesh, router)
    running.run_until(lambda state: state.phase == "paused")
    pause = running.decisions[-1]
    assert pause.reasons == (Reason.ROUTE_REFUSED,)
    assert "may not create DestinationRule" in pause.sentence
    assert 'resources: [destinationrules], verbs: ["create"]' in pause.sentence
    assert shape(mesh, "virtualservices") == "NotFound"
    _say(running, "abort")
    assert running.run(3).phase == "rolled back", "no weight was ever written"
    assert shape(mesh, "virtualservices") == "NotFound"


def _say(lab, command):
    command_fact = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=command, actor="ana")
    lab.journal.append([command_fact], lab.entries[-1].seq)


def test_doctor_knows_that_the_route_is_made_and_which_rights_that_takes(cluster, mesh, tmp_path):
    def examine_mesh():
        every = examine([asked], None, tmp_path / "journal.db", doctor_tools())
        # The rights for endpoints are a component of their own, and only a warning.
        checked = [e for e in every if e.check in {"mesh", "rights"} and e.level != "warn"]
        return [(e.level, e.said) for e in checked]

    asked = istio(mesh.namespace, **ISTIO)
    missing = f"VirtualService {mesh.namespace}/reviews: there is no such object"
    to_be_made = ("ok", f"{missing}; the rollout creates it before the first weight")
    assert examine_mesh() == [to_be_made, ("ok", "all 6 needed rights are granted")]
    _lose_the_component(cluster, mesh)
    lacking = [f"may not create {kind} in {mesh.namespace}" for kind in MADE]
    assert examine_mesh() == [to_be_made, *(("fail", problem) for problem in lacking)]


MADE = ("destinationrules", "virtualservices")


def _lose_the_component(cluster, mesh):
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{mesh.namespace}/roles/surefoot"
    cluster.ask("PATCH", rbac, {"rules": role_rules(INSTALL)})
    istio_group, user = "networking.istio.io", connect()
    until(lambda: not user.may("create", istio_group, MADE[0], mesh.namespace, ""), "no right")


def test_who_no_longer_decides_makes_nothing(mesh):
    def fence():
        raise StaleError("two took over")

    with pytest.raises(StaleError):
        wired(fence=fence).write(istio(mesh.namespace, **ISTIO), Split(5), "r-1/1")
    assert shape(mesh, "virtualservices") == "NotFound"


def test_what_is_made_is_all_that_the_api_server_keeps(mesh):
    """No field is dropped: the manifests are right in the meshes' own schemas."""
    parents = [{"name": "edge", "namespace": "infra", "sectionName": "https"}]
    parents += [{"name": "reviews", "kind": "Service"}]
    create = {"parentRefs": parents, "hostnames": ["reviews.example.org"], "port": 8080}
    full = {"gateways": ["edge", "mesh"], "hosts": ["reviews.example.org"], "port": 8080}
    every = [
        istio(mesh.namespace, **ISTIO | {"create": full}),
        gateway(mesh.namespace, httpRoute="reviews", create=create),
        gateway(mesh.namespace, grpcRoute="reviews", create=create),
    ]
    api = connect()
    for manifest in chain.from_iterable(map(wanted, every)):
        api.apply(manifest.kind, mesh.namespace, manifest.body)
        stored = api.get(manifest.kind, mesh.namespace, manifest.name)["spec"]
        assert _within(manifest.body["spec"], stored), (manifest.body, stored)


def _within(fragment, whole):
    """Whether all of a document is in another, which may have defaults beside it."""
    if isinstance(fragment, dict):
        return all(key in whole and _within(value, whole[key]) for key, value in fragment.items())
    if isinstance(fragment, list):
        return len(fragment) == len(whole) and all(map(_within, fragment, whole))
    return fragment == whole
