"""Whether an arm has endpoints, by slices of its Service or by pods of its subset."""

import pytest

from rollout.errors import ClusterError, RouteError
from rollout.route.kube.endpoints import has_endpoints
from rollout.route.kube.router import ClusterRouter
from tests.support.routes import gateway, istio
from tests.support.worlds import plan as envoy_plan

SUBSETS = [{"name": v, "labels": {"version": v}} for v in ("v1", "v2")]


class FakeEndpoints:
    """A cluster's Services, slices and pods, and what was asked for."""

    def __init__(self, endpoints=(), pods=(), service=None, status=0):
        self.endpoints, self.ready_pods = endpoints, pods
        self.spec, self.status = service or {"selector": {"app": "reviews"}}, status
        self.asked = []

    def endpoint_slices(self, namespace, service):
        self.asked.append(("slices", namespace, service))
        return [{"endpoints": None}, {"endpoints": [*self.endpoints]}]

    def service(self, namespace, name):
        if self.status:
            raise ClusterError("no", self.status)
        return {"spec": self.spec}

    def pods(self, namespace, labels):
        self.asked.append(("pods", namespace, labels))
        return self.ready_pods


class Rules:
    """Objects that know one DestinationRule, or none."""

    def __init__(self, subsets=None):
        self.subsets = subsets

    def get(self, kind, namespace, name):
        if self.subsets is None:
            raise ClusterError("no such rule", 404)
        return {"spec": {"host": "reviews", "subsets": self.subsets}}

    def patch(self, *address, dry=False):
        raise AssertionError(address)


def pod(status="True", **metadata):
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": status}]}}


@pytest.mark.parametrize(
    "source",
    [
        FakeEndpoints(endpoints=["x"]),
        FakeEndpoints(endpoints=[{"conditions": "x"}]),
        FakeEndpoints(service={"type": 1}),
    ],
)
def test_what_is_no_slice_or_service_is_unknown(source):
    router = ClusterRouter(Rules(), source=source)
    assert router.endpoints(gateway(), "canary") is None


@pytest.mark.parametrize(
    ("endpoints", "answer"),
    [
        ([{"conditions": {"ready": True}}], True),
        ([{"conditions": {}}], True),
        ([{}], True),
        ([{"conditions": {"ready": None}}], True),
        ([{"conditions": {"ready": False}}], False),
        ([{"conditions": {"ready": False}}, {"conditions": {"ready": True}}], True),
        ([], False),
    ],
)
def test_two_services_have_slices_and_an_absent_condition_is_ready(endpoints, answer):
    source = FakeEndpoints(endpoints)
    assert has_endpoints(gateway("clinic"), "canary", Rules(), source) is answer
    assert source.asked == [("slices", "clinic", "reviews-v2")]


def test_services_without_slices():
    assert has_endpoints(gateway("clinic"), "canary", Rules(), FakeEndpoints(status=404)) is False
    external = FakeEndpoints(service={"type": "ExternalName"})
    assert has_endpoints(gateway("clinic"), "canary", Rules(), external) is None
    with pytest.raises(ClusterError):
        has_endpoints(gateway("clinic"), "canary", Rules(), FakeEndpoints(status=403))


def test_hosts_are_asked_for_where_they_are():
    hosts = {"stable": "reviews-v1", "canary": "reviews-v2.other.svc.cluster.local"}
    source = FakeEndpoints([{}])
    assert has_endpoints(istio("clinic", hosts=hosts), "canary", Rules(), source) is True
    assert source.asked == [("slices", "other", "reviews-v2")]
    away = {"stable": "reviews-v1", "canary": "api.example.com"}
    assert has_endpoints(istio("clinic", hosts=away), "canary", Rules(), source) is None


def test_backends_of_another_kind_are_unknown():
    imports = {"stable": "a", "canary": "b", "kind": "ServiceImport", "group": "x.k8s.aws"}
    assert (
        has_endpoints(gateway("clinic", backends=imports), "canary", Rules(), FakeEndpoints())
        is None
    )


@pytest.mark.parametrize(
    ("pods", "answer"),
    [
        ([pod()], True),
        ([pod("False")], False),
        ([pod(deletionTimestamp="now")], False),
        ([pod("False"), pod()], True),
        ([], False),
    ],
)
def test_subsets_are_pods_by_the_subset_s_labels_and_the_service_s_selector(pods, answer):
    source = FakeEndpoints(pods=pods)
    plan = istio("clinic", destinationRule="reviews")
    assert has_endpoints(plan, "canary", Rules(SUBSETS), source) is answer
    assert source.asked == [("pods", "clinic", {"app": "reviews", "version": "v2"})]


def test_subsets_that_nobody_defines_are_unknown_unless_the_plan_creates_them():
    source, plan = FakeEndpoints(pods=[pod()]), istio("clinic", destinationRule="reviews")
    assert has_endpoints(istio("clinic"), "canary", Rules(SUBSETS), source) is None
    assert has_endpoints(plan, "canary", Rules([]), source) is None
    assert has_endpoints(plan, "canary", Rules(), source) is None
    created = istio("clinic", destinationRule="reviews", create={})
    assert has_endpoints(created, "canary", Rules(), source) is True
    unselected = FakeEndpoints(pods=[pod()], service={"ports": []})
    assert has_endpoints(plan, "canary", Rules(SUBSETS), unselected) is None


def test_a_router_never_raises_for_what_it_may_not_ask():
    plan = gateway("clinic")
    assert ClusterRouter(Rules()).endpoints(plan, "canary") is None
    assert ClusterRouter(Rules(), None, FakeEndpoints(status=403)).endpoints(plan, "canary") is None
    assert ClusterRouter(Rules(), None, FakeEndpoints([{}])).endpoints(plan, "canary") is True


def test_a_plan_of_another_mesh_is_an_error():
    with pytest.raises(RouteError):
        has_endpoints(envoy_plan(), "canary", Rules(), FakeEndpoints())


ARMS = {"stable": "v1", "canary": "v2"}


@pytest.mark.parametrize("arm", ARMS)
def test_each_arm_is_asked_for_by_its_own_object(arm):
    version, source = ARMS[arm], FakeEndpoints([{}], pods=[pod()])
    hosts = {"stable": "reviews-v1", "canary": "reviews-v2"}
    subsets = istio("clinic", destinationRule="reviews")
    for plan in (gateway("clinic"), istio("clinic", hosts=hosts), subsets):
        assert has_endpoints(plan, arm, Rules(SUBSETS), source) is True
    slices = ("slices", "clinic", f"reviews-{version}")
    pods = ("pods", "clinic", {"app": "reviews", "version": version})
    assert source.asked == [slices, slices, pods]
    created = istio("clinic", destinationRule="reviews", create={})
    has_endpoints(created, arm, Rules(), source)
    assert source.asked[-1] == pods


def test_a_subset_of_stable_that_its_rule_lacks_has_none():
    """Nothing refuses a write for stable, unlike one for the canary."""
    plan, source = istio("clinic", destinationRule="reviews"), FakeEndpoints(pods=[pod()])
    assert has_endpoints(plan, "stable", Rules(SUBSETS[1:]), source) is False
    assert has_endpoints(plan, "canary", Rules(SUBSETS[:1]), source) is None
    assert has_endpoints(plan, "stable", Rules(), source) is None, "it may be defined elsewhere"
