"""Routes that a plan asks to be made, on a real API server: from nothing to the end."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import chain

import pytest

from rollout.decide.record.facts import REFUSED, HumanSaid
from rollout.decide.record.split import Split
from rollout.doctor.examine import examine
from rollout.errors import ClusterError, RouteError, StaleError
from rollout.kube.client import connect
from rollout.route.create.creation import wanted
from rollout.route.create.creator import WithCreation
from rollout.route.kube.router import ClusterRouter
from rollout.wire.doctor_tools import doctor_tools
from rollout.wire.meshes import router as wired
from tests.live.pipeline import until
from tests.support.cluster_routes import Place, climbed
from tests.support.made_routes import GATEWAY, ISTIO, lab
from tests.support.manifests import MANIFESTS, documents
from tests.support.routes import gateway, istio, plan, to, virtual_service
from tests.support.worlds import BAD, GOOD

pytestmark = pytest.mark.live


def rules(*roles):
    """The rules of these Roles of the install."""
    found = chain.from_iterable(documents(MANIFESTS / role) for role in roles)
    return [rule for each in found if each["kind"] == "Role" for rule in each["rules"]]


PEERS = "security.istio.io/v1beta1"
INSTALL, COMPONENT = "base/role.yaml", "components/creation/role.yaml"


@pytest.fixture
def place(cluster, namespace, monkeypatch):
    """A namespace without routes, where we have the rights of the install and its component."""
    cluster.allow("surefoot", namespace, *rules(INSTALL, COMPONENT))
    monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))
    return Place(cluster, namespace)


@pytest.fixture
def router(place):
    """The one that `surefoot operate` has."""
    with ExitStack() as watches:
        yield wired(watches=watches)


def shape(place, plural):
    """What somebody else would see of an object, without what changes at every write."""
    live = place.get(plural)
    if live["kind"] == "Status":
        return live["reason"]
    return live["metadata"].get("labels"), live["spec"]


def test_a_rollout_in_istio_begins_with_nothing_and_is_promoted(place, router):
    assert lab(place, router).run().phase == "promoted"
    (made,) = place.get()["spec"]["http"]
    assert [(each["destination"], each.get("weight", 0)) for each in made["route"]] == [
        ({"host": "reviews", "subset": "v1"}, 0),
        ({"host": "reviews", "subset": "v2"}, 100),
    ]
    assert shape(place, "destinationrules") == (
        {"app.kubernetes.io/managed-by": "surefoot"},
        {
            "host": "reviews",
            "subsets": [
                {"name": "v1", "labels": {"version": "v1"}},
                {"name": "v2", "labels": {"version": "v2"}},
            ],
        },
    )
    metadata = place.get()["metadata"]
    assert metadata["annotations"]["made.surefoot.dev/reviews"] == "demo"
    assert {each["manager"]: each["operation"] for each in metadata["managedFields"]}[
        "surefoot"
    ] == "Apply"


def test_a_bad_canary_leaves_a_route_that_keeps_all_traffic_at_stable(place, router):
    assert lab(place, router, BAD).run().phase == "rolled back"
    (made,) = place.get()["spec"]["http"]
    assert made["route"] == [to("reviews", 100, "v1")]


@pytest.mark.parametrize("canary", [GOOD, BAD])
def test_and_in_the_gateway_api(place, router, canary):
    phase = lab(place, router, canary, {"gateway": GATEWAY}).run().phase
    spec = place.get("httproutes")["spec"]
    backends = {each["name"]: each["weight"] for each in spec["rules"][0]["backendRefs"]}
    if canary is GOOD:
        assert (phase, backends) == ("promoted", {"reviews-v1": 0, "reviews-v2": 100})
    else:
        assert (phase, [*backends]) == ("rolled back", ["reviews-v1"])
    assert {each["port"] for each in spec["rules"][0]["backendRefs"]} == {8080}
    assert spec["parentRefs"][0]["name"] == "edge"


def test_a_grpc_route_is_made_too(place, router):
    route = {"grpcRoute": "reviews", "create": GATEWAY["create"]}
    router.write(gateway(place.namespace, **route), Split(5), "m")
    assert router.read(gateway(place.namespace, **route), 100).split == Split(5)


def test_the_next_version_finds_its_subset_in_the_rule_that_we_made(place, router):
    lab(place, router).run()
    following = plan({"istio": ISTIO}, place.namespace, canary="v3", stable={"version": "v2"})
    router.write(following, Split(5), "next")
    _, spec = shape(place, "destinationrules")
    assert [each["name"] for each in spec["subsets"]] == ["v1", "v2", "v3"]
    assert place.weights() == [0, 95, 5]


def test_a_policy_stands_in_what_was_made_and_stays_as_the_rule_grows(place, router):
    policy = {"outliers": {"consecutiveErrors": 7}, "timeout": "3s"}
    first = plan({"istio": ISTIO}, place.namespace, policy=policy)
    router.write(first, Split(100), "m1")
    policed = place.get("destinationrules")["spec"]["trafficPolicy"]
    assert policed["outlierDetection"]["consecutive5xxErrors"] == 7
    assert place.get()["spec"]["http"][0]["timeout"] == "3s"
    following = plan(
        {"istio": ISTIO}, place.namespace, canary="v3", stable={"version": "v2"}, policy=policy
    )
    router.write(following, Split(5), "m2")
    spec = place.get("destinationrules")["spec"]
    assert (len(spec["subsets"]), spec["trafficPolicy"]) == (3, policed)


def test_what_is_told_to_pods_is_made_without_a_mode_and_a_rollback_takes_the_mode_back(
    place, router
):
    create = {"pods": "app=reviews"}
    mtls = {"mode": "strict", "peerAuthentication": "reviews", "create": create}
    asked = plan({"istio": ISTIO}, place.namespace, policy={"mtls": mtls})
    path = place.path("peerauthentications").replace("gateway.networking.k8s.io/v1", PEERS)
    selector = {"matchLabels": {"app": "reviews"}}
    router.write(asked, Split(5), "m1")
    live = place.cluster.ask("GET", path)
    assert live["spec"] == {"selector": selector, "mtls": {"mode": "STRICT"}}
    assert live["metadata"]["annotations"]["made.surefoot.dev/reviews"] == asked.name
    assert router.read(asked, 100).policy == ""
    router.write(asked, Split(0), "m2")
    assert place.cluster.ask("GET", path)["spec"] == {"selector": selector}


def test_somebody_else_s_objects_are_used_as_they_are(place, router):
    theirs = virtual_service([to("reviews", 100, "v1")], gateways=["edge"])
    theirs["metadata"]["labels"] = {"team": "a"}
    place.create(theirs)
    rule = {
        "kind": "DestinationRule",
        "metadata": {"name": "reviews"},
        "spec": {"host": "reviews", "subsets": [{"name": "v1"}, {"name": "v2"}]},
    }
    before = place.create(rule, "destinationrules")
    assert lab(place, router).run().phase == "promoted"
    assert place.get("destinationrules") == before
    live = place.get()
    assert live["metadata"]["labels"] == {"team": "a"}
    assert live["spec"]["gateways"] == ["edge"]
    assert not [key for key in live["metadata"]["annotations"] if key.startswith("made.")]


def test_no_route_is_made_to_a_subset_that_somebody_s_rule_lacks(place, router):
    rule = {
        "kind": "DestinationRule",
        "metadata": {"name": "reviews"},
        "spec": {"host": "reviews", "subsets": [{"name": "v1"}]},
    }
    place.create(rule, "destinationrules")
    with pytest.raises(RouteError, match="defines no subset v2"):
        router.write(istio(place.namespace, **ISTIO), Split(5), "m")
    assert shape(place, "virtualservices") == "NotFound"


def test_who_is_faster_made_the_object_that_is_used(place):
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
                    place.create(theirs)
                raise

    objects = Late()
    creating = WithCreation(ClusterRouter(objects), objects)
    creating.write(istio(place.namespace, **ISTIO), Split(5), "m")
    live = place.get()
    assert "labels" not in live["metadata"]
    assert {*live["spec"]} == {"hosts", "tcp"}
    assert [each["weight"] for each in live["spec"]["tcp"][0]["route"]] == [95, 5]


def test_an_object_that_is_deleted_under_way_pauses_and_an_abort_makes_it_again(place, router):
    running = climbed(lab(place, router))
    place.cluster.ask("DELETE", place.path())
    running.run_until(lambda state: state.phase == "paused")
    assert "there is no such object" in running.decisions[-1].sentence
    _say(running, "abort")
    assert running.run().phase == "rolled back"
    assert place.weights() == [100]


def test_a_resume_makes_what_was_deleted_again_and_goes_on(place, router):
    running = climbed(lab(place, router))
    for plural in ("virtualservices", "destinationrules"):
        place.cluster.ask("DELETE", place.path(plural))
    running.run_until(lambda state: state.phase == "paused")
    weight = running.state.split.canary
    _say(running, "resume")
    running.run_until(lambda state: state.phase == "stepping" and state.awaiting is None)
    assert place.weights() == [100 - weight, weight]
    assert len(place.get("destinationrules")["spec"]["subsets"]) == 2
    assert running.run().phase == "promoted"


def test_a_rollback_makes_the_route_that_sends_all_to_stable(place, router):
    router.write(istio(place.namespace, **ISTIO), Split(0), "back")
    assert place.get()["spec"]["http"][0]["route"] == [to("reviews", 100, "v1")]


def test_without_the_right_to_make_it_the_rollout_is_paused_with_the_rule(cluster, place, router):
    _lose_the_component(cluster, place)
    running = lab(place, router)
    running.run_until(lambda state: state.phase == "paused")
    pause = running.decisions[-1]
    assert pause.reasons == (REFUSED,)
    assert "may not create DestinationRule" in pause.sentence
    assert 'resources: [destinationrules], verbs: ["create"]' in pause.sentence
    assert shape(place, "virtualservices") == "NotFound"
    _say(running, "abort")
    running.run(3)
    assert running.state.phase == "reverting", "nothing keeps traffic at stable yet"
    place.create(virtual_service([to("reviews", 100, "v1")]))
    assert running.run().phase == "rolled back"


def _say(lab, command):
    said = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=command, actor="ana")
    lab.journal.append([said], lab.entries[-1].seq)


def test_doctor_knows_that_the_route_is_made_and_which_rights_that_takes(cluster, place, tmp_path):
    def found():
        every = examine([asked], None, tmp_path / "journal.db", doctor_tools())
        return [(e.level, e.said) for e in every if e.check in {"mesh", "rights"}]

    asked = istio(place.namespace, **ISTIO)
    missing = f"VirtualService {place.namespace}/reviews: there is no such object"
    mesh = ("ok", f"{missing}; the rollout creates it before the first weight")
    assert found() == [mesh, ("ok", "all 6 needed rights are granted")]
    _lose_the_component(cluster, place)
    lacking = [f"may not create {kind} in {place.namespace}" for kind in MADE]
    assert found() == [mesh, *(("fail", said) for said in lacking)]


MADE = ("destinationrules", "virtualservices")


def _lose_the_component(cluster, place):
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{place.namespace}/roles/surefoot"
    cluster.ask("PATCH", rbac, {"rules": rules(INSTALL)})
    istio_group, user = "networking.istio.io", connect()
    until(lambda: not user.may("create", istio_group, MADE[0], place.namespace, ""), "no right")


def test_who_no_longer_decides_makes_nothing(place):
    def fence():
        raise StaleError("two took over")

    with pytest.raises(StaleError):
        wired(fence=fence).write(istio(place.namespace, **ISTIO), Split(5), "r-1/1")
    assert shape(place, "virtualservices") == "NotFound"


def test_what_is_made_is_all_that_the_api_server_keeps(place):
    """No field is dropped: the manifests are right in the meshes' own schemas."""
    parents = [{"name": "edge", "namespace": "infra", "sectionName": "https"}]
    parents += [{"name": "reviews", "kind": "Service"}]
    create = {"parentRefs": parents, "hostnames": ["reviews.example.org"], "port": 8080}
    full = {"gateways": ["edge", "mesh"], "hosts": ["reviews.example.org"], "port": 8080}
    every = [
        istio(place.namespace, **ISTIO | {"create": full}),
        gateway(place.namespace, httpRoute="reviews", create=create),
        gateway(place.namespace, grpcRoute="reviews", create=create),
    ]
    api = connect()
    for each in chain.from_iterable(map(wanted, every)):
        api.apply(each.kind, place.namespace, each.body)
        kept = api.get(each.kind, place.namespace, each.name)["spec"]
        assert _within(each.body["spec"], kept), (each.body, kept)


def _within(part, whole):
    """Whether all of a document is in another, which may have defaults beside it."""
    if isinstance(part, dict):
        return all(key in whole and _within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(_within, part, whole))
    return part == whole
