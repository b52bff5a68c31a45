"""A plan's policy as fields of Istio's objects, and what is put back."""

from typing import Any

import pytest

from rollout.errors import ClusterError, RouteError
from rollout.plan.model.mesh.policy import Policy
from rollout.route.kube.object_annotations import POLICY
from rollout.route.policy.cluster import ClusterPolicyStore, parts
from rollout.route.policy.istio import overruled, pods_fields, route_fields, rule_fields
from tests.support.policies import plan
from tests.support.routes import merged, to, virtual_service

RULE: dict[str, Any] = {
    "metadata": {"name": "reviews"},
    "spec": {"host": "reviews", "subsets": [{"name": "v1"}, {"name": "v2"}, {"name": "theirs"}]},
}


def rule(policy):
    return rule_fields(Policy.model_validate(policy))


def short(fields):
    return {".".join(path[2:]): value for path, value in fields.items()}


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        (
            {"outliers": {"consecutiveErrors": 7, "interval": "1500ms", "most": "100%"}},
            {
                "outlierDetection.consecutive5xxErrors": 7,
                "outlierDetection.interval": "1.5s",
                "outlierDetection.baseEjectionTime": "30s",
                "outlierDetection.maxEjectionPercent": 100,
            },
        ),
        (
            {"connections": {"max": 10, "requests": 3}},
            {"connectionPool.tcp.maxConnections": 10, "connectionPool.http.http2MaxRequests": 3},
        ),
        (
            {"balance": {"method": "leastRequest"}},
            {"loadBalancer.simple": "LEAST_REQUEST", "loadBalancer.consistentHash": None},
        ),
        (
            {"balance": {"method": "hash", "cookie": "user"}},
            {
                "loadBalancer.simple": None,
                "loadBalancer.consistentHash.httpCookie": {"name": "user", "ttl": "0s"},
                "loadBalancer.consistentHash.httpHeaderName": None,
                "loadBalancer.consistentHash.useSourceIp": None,
                "loadBalancer.consistentHash.httpQueryParameterName": None,
            },
        ),
        ({"mtls": {"mode": "strict"}}, {"tls.mode": "ISTIO_MUTUAL"}),
        ({"mtls": {"mode": "permissive"}}, {"tls.mode": "ISTIO_MUTUAL"}),
        ({"mtls": {"mode": "disable"}}, {"tls.mode": "DISABLE"}),
        ({"timeout": "3s", "retries": {"attempts": 1}}, {}),
    ],
)
def test_a_destination_rule_s_fields(policy, fields):
    assert short(rule(policy)) == fields


def test_regions():
    changed_fields = short(rule({"locality": {"failover": [{"from": "east", "to": "west"}]}}))
    setting = "loadBalancer.localityLbSetting"
    assert changed_fields == {
        f"{setting}.enabled": True,
        f"{setting}.failover": [{"from": "east", "to": "west"}],
        f"{setting}.distribute": None,
        f"{setting}.failoverPriority": None,
    }


def test_a_peer_authentication_s_fields():
    policy = Policy.model_validate({"mtls": {"mode": "permissive"}})
    assert pods_fields(policy) == {("spec", "mtls", "mode"): "PERMISSIVE"}


@pytest.mark.parametrize(
    ("retries", "fields"),
    [
        ({"attempts": 2}, {"attempts": 2, "retryOn": "connect-failure,refused-stream"}),
        (
            {"attempts": 2, "perTry": "1s", "backoff": "100ms", "when": ["5xx"]},
            {"attempts": 2, "retryOn": "5xx", "perTryTimeout": "1s", "backoff": "0.1s"},
        ),
        (
            {"attempts": 0, "perTry": "1s"},
            {"attempts": 0, "retryOn": None, "perTryTimeout": None, "backoff": None},
        ),
    ],
)
def test_retries_at_the_http_routes_of_ours_only(retries, fields):
    service = virtual_service(
        [to("reviews", subset="v1")], [to("ratings")], [to("reviews", 1, "v1")]
    )
    asked = plan({"retries": retries}, http=["r1"])
    changed_fields = route_fields(service, asked, asked.spec.policy)
    ((root, *_), *_) = changed_fields
    assert root.endswith(" http route `r1`")
    assert changed_fields == {(root, "retries", key): value for key, value in fields.items()}
    every = plan({"timeout": "3s"})
    found_fields = route_fields(service, every, every.spec.policy)
    assert {path[0].partition(" ")[2] for path in found_fields} == {
        "http route `r1`",
        "http route `r3`",
    }
    assert {*found_fields.values()} == {"3s"}


def test_what_says_it_more_closely_would_win_and_is_told():
    live = {
        "spec": {
            "trafficPolicy": {"portLevelSettings": [{"port": {"number": 80}, "tls": {}}]},
            "subsets": [
                {"name": "v2", "trafficPolicy": {"outlierDetection": {}, "tls": {}}},
                {"name": "theirs", "trafficPolicy": {"outlierDetection": {}}},
            ],
        }
    }
    asked = plan({"outliers": {}, "mtls": {"mode": "strict"}})
    wanted = rule({"outliers": {}, "mtls": {"mode": "strict"}})
    assert [*overruled(live, asked, wanted)] == [
        "subset v2 has a outlierDetection of its own, which would win",
        "subset v2 has a tls of its own, which would win",
        "port 80 has a tls of its own, which would win",
    ]
    assert [*overruled(RULE, asked, wanted)] == []


def find_object(asked, kind):
    return next(mesh_object for mesh_object in parts(asked) if mesh_object.kind.name == kind)


def test_a_patch_is_small_and_the_second_is_empty_and_back_is_back():
    asked = plan({"outliers": {}, "balance": {"method": "leastRequest"}})
    theirs = {"loadBalancer": {"consistentHash": {"useSourceIp": True}}, "proxyProtocol": {}}
    live = {**RULE, "spec": {**RULE["spec"], "trafficPolicy": theirs}}
    rule = find_object(asked, "DestinationRule")
    body = rule.patch(live, asked, asked.spec.policy)
    assert set(body["spec"]) == {"trafficPolicy"}
    assert set(body["metadata"]["annotations"]) == {f"{POLICY}reviews"}
    there = merged(live, body)
    assert there["spec"]["trafficPolicy"]["loadBalancer"] == {"simple": "LEAST_REQUEST"}
    assert there["spec"]["trafficPolicy"]["proxyProtocol"] == {}
    assert rule.patch(there, asked, asked.spec.policy) == {}
    back = merged(there, rule.patch(there, asked, None))
    assert back["spec"] == live["spec"]
    assert back["metadata"]["annotations"] == {}


def test_the_next_plan_takes_over_what_the_first_found():
    first, second = plan({"timeout": "3s"}), plan({"timeout": "4s", "retries": {"attempts": 1}})
    live = virtual_service([to("reviews", 100, "v1")])
    live["spec"]["http"][0]["timeout"] = "30s"
    service = find_object(first, "VirtualService")
    there = merged(live, service.patch(live, first, first.spec.policy))
    there = merged(there, service.patch(there, second, second.spec.policy))
    assert there["spec"]["http"][0]["timeout"] == "4s"
    back = merged(there, service.patch(there, second, None))
    assert back["spec"] == live["spec"]


class Two:
    """A cluster with a DestinationRule and a VirtualService, and no PeerAuthentication."""

    def __init__(self):
        self.patched = []

    def get(self, kind, namespace, name):
        if kind.name == "PeerAuthentication":
            raise ClusterError("not found", 404)
        return RULE if kind.name == "DestinationRule" else virtual_service([to("reviews", 1, "v1")])

    def patch(self, kind, namespace, name, body, *, dry=False):
        self.patched.append(kind.name)
        return body


def test_what_one_object_refuses_is_written_to_none():
    asked = plan({"outliers": {}, "mtls": {"mode": "strict", "peerAuthentication": "reviews"}})
    cluster = Two()
    with pytest.raises(RouteError, match="PeerAuthentication"):
        ClusterPolicyStore(cluster).apply(asked, asked.spec.policy)
    assert cluster.patched == []


def test_an_object_that_is_gone_needs_nothing_to_be_put_back():
    asked = plan({"outliers": {}, "mtls": {"mode": "strict", "peerAuthentication": "reviews"}})
    assert [mesh_object.patch({}, asked, None) for mesh_object in parts(asked)] == [{}, {}, {}]


@pytest.mark.parametrize(
    "edit",
    [
        lambda http: http.insert(0, {"route": [to("health")], "match": [{"port": 1}]}),
        lambda http: http[0].update(name="renamed"),
        lambda http: http.insert(0, {"name": "r1", "route": [to("health")]}),
        lambda http: http[0].update(match=[{"port": 2}]),
    ],
)
@pytest.mark.parametrize("is_named", [True, False])
def test_a_policy_goes_from_its_route_wherever_that_is_by_now(edit, is_named):
    asked = plan({"timeout": "5s", "retries": {"attempts": 2}})
    live = virtual_service([to("reviews", 100, "v1")])
    if not is_named:
        del live["spec"]["http"][0]["name"]
    (*_, service) = parts(asked)
    edited = service.settled(live, asked, asked.spec.policy)
    assert edited["spec"]["http"][0]["timeout"] == "5s"
    edit(edited["spec"]["http"])
    back = service.settled(edited, asked, None)
    names_alone_remain = not is_named and edited["spec"]["http"][0].get("match") == [{"port": 2}]
    if not names_alone_remain:
        assert not any("timeout" in route for route in back["spec"]["http"])
        assert "policy.surefoot.dev/reviews" not in back["metadata"]["annotations"]
