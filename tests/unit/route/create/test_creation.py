"""The manifests of routes that are made, and who is asked before they are."""

from __future__ import annotations

import pytest

from rollout.decide.record.split import Split
from rollout.errors import ClusterError, RouteError, StaleError
from rollout.route.create.creation import grown, is_ours, wanted
from rollout.route.create.creator import Creator
from rollout.route.fence import FencedObjects
from rollout.route.kube.patch import patch, split_of
from rollout.route.kube.router import ClusterRouter
from tests.support.creations import HOSTS, METADATA, PARENT, PEERED, RULED, Store
from tests.support.mesh_routers import creating_router, router_over
from tests.support.routes import gateway, istio, merged, plan, to, virtual_service

CORE = {"group": "", "kind": "Service"}  # as the API server fills in


def build_bodies(plan):
    return {manifest.kind.name: manifest.body for manifest in wanted(plan)}


@pytest.mark.parametrize("plan", [istio(), istio(destinationRule="r"), gateway()])
def test_nothing_is_made_that_no_plan_asks_for(plan):
    assert build_bodies(plan) == {}


def test_a_rule_with_both_subsets_comes_before_the_route_that_leads_there():
    assert [*build_bodies(istio(**RULED)).items()] == [
        (
            "DestinationRule",
            {
                "metadata": METADATA | {"name": "reviews-rule"},
                "spec": {
                    "host": "reviews",
                    "subsets": [
                        {"name": "v1", "labels": {"version": "v1"}},
                        {"name": "v2", "labels": {"version": "v2"}},
                    ],
                },
            },
        ),
        (
            "VirtualService",
            {
                "metadata": METADATA | {"name": "reviews"},
                "spec": {"hosts": ["reviews"], "http": [{"route": [to("reviews", 100, "v1")]}]},
            },
        ),
    ]


def test_subsets_of_other_names_still_select_by_the_version():
    names = {"stable": "old", "canary": "new"}
    rule = build_bodies(istio(**RULED, subsets=names, host="reviews.ns"))["DestinationRule"]
    assert rule["spec"]["host"] == "reviews.ns"
    assert rule["spec"]["subsets"] == [
        {"name": "old", "labels": {"version": "v1"}},
        {"name": "new", "labels": {"version": "v2"}},
    ]


def test_two_hosts_need_no_rule_and_options_are_taken_over():
    options = {"gateways": ["edge"], "hosts": ["reviews.example.org"], "port": 8080}
    bodies = build_bodies(istio(**HOSTS | {"create": options}))
    assert [*bodies] == ["VirtualService"]
    destination = {"host": "reviews-v1", "port": {"number": 8080}}
    assert bodies["VirtualService"]["spec"] == {
        "hosts": ["reviews.example.org"],
        "gateways": ["edge"],
        "http": [{"route": [{"destination": destination, "weight": 100}]}],
    }
    assert build_bodies(istio(**HOSTS))["VirtualService"]["spec"]["hosts"] == ["reviews"]


def test_a_route_of_the_gateway_api_attaches_to_gateways_and_services():
    parents = [
        {"name": "edge", "namespace": "infra", "sectionName": "https"},
        {"name": "reviews", "kind": "Service"},
    ]
    create = {"parentRefs": parents, "hostnames": ["r.example.org"], "port": 80}
    spec = build_bodies(gateway(create=create))["HTTPRoute"]["spec"]
    assert spec == {
        "parentRefs": [
            {
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                "name": "edge",
                "namespace": "infra",
                "sectionName": "https",
            },
            {"group": "", "kind": "Service", "name": "reviews"},
        ],
        "hostnames": ["r.example.org"],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{**CORE, "name": "reviews-v1", "port": 80, "weight": 1}],
            }
        ],
    }


def test_backends_of_another_kind_are_told_in_a_grpc_route():
    theirs = {"stable": "a", "canary": "b", "group": "multicluster.x-k8s.io", "kind": "Import"}
    (backend,) = build_bodies(gateway(grpcRoute="reviews", backends=theirs, create=PARENT))[
        "GRPCRoute"
    ]["spec"]["rules"][0]["backendRefs"]
    assert backend == {
        "name": "a",
        "port": 80,
        "weight": 1,
        "group": "multicluster.x-k8s.io",
        "kind": "Import",
    }


def test_what_is_told_to_pods_names_them_and_leaves_the_mode_to_the_policy():
    asked = plan({"istio": {"virtualService": "reviews", **RULED}}, policy=PEERED)
    bodies = build_bodies(asked)
    assert [*bodies] == ["PeerAuthentication", "DestinationRule", "VirtualService"]
    labels = {"app": "reviews", "example.org/tier": "web"}
    assert bodies["PeerAuthentication"]["spec"] == {"selector": {"matchLabels": labels}}
    unmade = plan({"istio": {"virtualService": "reviews", "destinationRule": "r"}}, policy=PEERED)
    assert [*build_bodies(unmade)] == ["PeerAuthentication"]


def test_a_way_back_makes_the_route_and_asks_for_nothing_else():
    store = Store()
    asked = plan({"istio": {"virtualService": "reviews", **RULED}}, policy=PEERED)
    creating_router(store).write(asked, Split(0), "m")
    assert {kind for kind, _ in store.held} == {"DestinationRule", "VirtualService"}


@pytest.mark.parametrize("plan", [istio(**RULED), istio(**HOSTS), gateway(create=PARENT)])
def test_what_is_made_shows_no_canary_and_takes_any_weight(plan):
    body = [*build_bodies(plan).values()][-1]
    assert split_of(body, plan, 100) == Split(0)
    for split in (Split(5), Split(10, 10_000), Split(100), Split(0)):
        body = merged(body, patch(body, plan, split, "m"))
        assert split_of(body, plan, split.total) == split


def test_a_rule_of_ours_grows_and_loses_nothing():
    before, after = istio(**RULED), istio(canary="v3", **RULED)
    live = build_bodies(before)["DestinationRule"]
    live["metadata"] |= {"resourceVersion": "77"}
    body = grown(live, next(wanted(after)))
    assert [subset["name"] for subset in body["spec"]["subsets"]] == ["v2", "v1", "v3"]
    assert body["metadata"]["resourceVersion"] == "77", "good for the version that was read"


def test_ours_is_what_carries_both_marks():
    body, plan = build_bodies(istio(**RULED))["VirtualService"], istio(**RULED)
    assert is_ours(body, plan)
    assert not is_ours(virtual_service(), plan)
    for key in ("labels", "annotations"):
        without = {**body["metadata"], key: {"other": "x"}}
        assert not is_ours({"metadata": without}, plan)


def test_what_is_there_costs_a_look_and_a_way_back_not_even_that():
    store, plan = Store(), istio(**RULED)
    creating_router(store).write(plan, Split(5), "m1")
    assert [request for request in store.calls if not request.startswith("get")] == [
        "apply DestinationRule",
        "apply VirtualService",
        "patch VirtualService",
    ]
    store.calls.clear()
    creating_router(store).write(plan, Split(0), "m2")
    assert store.calls == ["get VirtualService", "patch VirtualService"]


def test_the_fence_stands_before_what_is_made():
    def fence():
        raise StaleError("two took over")

    store = Store()
    with pytest.raises(StaleError):
        creating_router(FencedObjects(store, fence)).write(istio(**RULED), Split(5), "m")
    assert store.held == {}


@pytest.mark.parametrize(
    ("status", "problem", "words", "refused"),
    [
        (403, "is forbidden", r'may not create Dest.*verbs: \["create"\]', True),
        (403, 'cannot patch resource "x"', r'may not patch Dest.*verbs: \["patch"\]', True),
        (422, "subsets: invalid", "cannot create DestinationRule.*subsets: invalid", True),
        (503, "away", "cannot create DestinationRule.*away", False),
        (409, "exists", "there is no such object", True),
    ],
)
def test_what_cannot_be_made_is_said(status, problem, words, refused):
    store = Store(ClusterError(problem, status))
    with pytest.raises(RouteError, match=words) as caught:
        creating_router(store).write(istio(**RULED), Split(5), "m")
    assert caught.value.refused is refused
    assert len(store.calls) <= 6


def test_an_object_that_no_plan_asks_for_stays_missing_also_on_the_way_back():
    store = Store()
    for split in (Split(5), Split(0)):
        with pytest.raises(RouteError, match="there is no such object"):
            creating_router(store).write(istio(), split, "m")
    assert store.calls == ["get VirtualService"] * 2


def test_proxies_hear_of_a_subset_a_second_before_a_route_leads_to_it():
    store, order = Store(), []
    apply = store.apply

    def noted(kind, namespace, body):
        order.append(kind.name)
        apply(kind, namespace, body)

    store.apply = noted  # type: ignore[method-assign]
    router = router_over(ClusterRouter(store), creator=Creator(store, order.append))
    router.write(istio(**RULED), Split(5), "m")
    assert order == ["DestinationRule", 1.0, "VirtualService"]
    order.clear()
    router.write(istio(canary="v3", **RULED), Split(5), "m")
    assert order == ["DestinationRule", 1.0]
