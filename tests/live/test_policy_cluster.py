"""A plan's policy in Istio's objects, before a real API server."""

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.route_facts import Drifted, RouteFailed
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.kube.client import connect
from rollout.plan.model.plan import Plan
from rollout.route.kube.object_annotations import POLICY
from rollout.route.kube.router import ClusterRouter
from rollout.route.policy.cluster import ClusterPolicyStore
from tests.support.cluster_routes import LiveRouter, climbed
from tests.support.mesh_routers import router_over
from tests.support.routes import istio, to, virtual_service
from tests.support.worlds import BAD, GOOD, Lab
from tests.support.worlds import plan as plan_of_the_world

pytestmark = pytest.mark.live

NETWORKING, SECURITY = "networking.istio.io", "security.istio.io"
POLICIES = {
    "outliers": {"consecutiveErrors": 7},
    "connections": {"max": 100, "requests": 50},
    "balance": {"method": "hash", "header": "x-conversation"},
    "locality": {"failover": [{"from": "east", "to": "west"}]},
    "mtls": {"mode": "strict", "peerAuthentication": "reviews"},
    "retries": {"attempts": 2},
    "timeout": "3s",
}
RULE = {
    "apiVersion": f"{NETWORKING}/v1beta1",
    "kind": "DestinationRule",
    "metadata": {"name": "reviews", "annotations": {"theirs": "1"}},
    "spec": {
        "host": "reviews",
        "subsets": [{"name": "v1"}, {"name": "v2"}],
        "trafficPolicy": {
            "loadBalancer": {"simple": "RANDOM", "warmup": {"duration": "9s"}},
            "outlierDetection": {"consecutive5xxErrors": 9, "splitExternalLocalOriginErrors": True},
        },
    },
}
PEER = {
    "apiVersion": f"{SECURITY}/v1beta1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "reviews"},
    "spec": {"selector": {"matchLabels": {"app": "reviews"}}, "mtls": {"mode": "PERMISSIVE"}},
}


class PolicyObjects:
    """A namespace with the three objects, as its people see them."""

    def __init__(self, cluster, namespace):
        self.cluster, self.namespace = cluster, namespace
        service = virtual_service([to("reviews", subset="v1")], [to("ratings")])
        service["spec"]["http"][0]["timeout"] = "30s"
        for plural, manifest in zip(self.plurals, (service, RULE, PEER), strict=True):
            group = PEER if plural == "peerauthentications" else RULE
            body = manifest | {"apiVersion": group["apiVersion"]}
            created = cluster.ask("POST", self.path(plural, ""), body)
            assert created["kind"] == manifest["kind"], created

    plurals = ("virtualservices", "destinationrules", "peerauthentications")

    def path(self, plural, name="reviews"):
        group = SECURITY if plural == "peerauthentications" else NETWORKING
        path = f"/apis/{group}/v1beta1/namespaces/{self.namespace}/{plural}/{name}"
        return path.removesuffix("/")

    def get(self, plural):
        return self.cluster.ask("GET", self.path(plural))

    def specs(self):
        return [self.get(plural)["spec"] for plural in self.plurals]

    def versions(self):
        return [self.get(plural)["metadata"]["resourceVersion"] for plural in self.plurals]

    def edit(self, plural, spec):
        edited = self.cluster.ask("PATCH", self.path(plural), {"spec": spec})
        assert edited["kind"] != "Status", edited

    def plan(self, policy=POLICIES, **spec):
        document = istio(self.namespace, destinationRule="reviews").document()
        document["spec"] |= {"policy": policy, **spec}
        return Plan.model_validate(document)


@pytest.fixture
def policy_objects(cluster, namespace):
    return PolicyObjects(cluster, namespace)


def rule(group, *plurals, verbs=("get", "patch")):
    return {"apiGroups": [group], "resources": [*plurals], "verbs": [*verbs]}


@pytest.fixture
def router(cluster, namespace, policy_objects, monkeypatch):
    """A controller with the rights that the manual names."""
    cluster.allow(
        "surefoot",
        namespace,
        rule(NETWORKING, "virtualservices", "destinationrules"),
        rule(SECURITY, "peerauthentications"),
    )
    monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))
    objects = connect()
    return router_over(ClusterRouter(objects), ClusterPolicyStore(objects))


@pytest.fixture
def lab(policy_objects, router):
    """A rollout in simulated traffic and time, on these objects."""

    def build(canary=GOOD, policy=POLICIES, **spec):
        route = {"istio": {"virtualService": "reviews", "destinationRule": "reviews"}}
        document = plan_of_the_world(service="reviews", route=route, **spec).document()
        document["metadata"]["namespace"] = policy_objects.namespace
        document["spec"]["policy"] = policy
        return Lab(canary, Plan.model_validate(document), router=LiveRouter(inner=router))

    return build


def say(running, command):
    """A person's command."""
    running.journal.append(
        [HumanSaid(rollout=running.plan.id, at=running.clock.now(), command=command, actor="ana")],
        after=len(running.entries),
    )


def test_only_our_fields_come_and_go(policy_objects, router):
    before, plan = policy_objects.specs(), policy_objects.plan()
    router.write(plan, Split(5), "m")
    service, rule, peer = policy_objects.specs()
    assert service["http"][0]["timeout"] == "3s"
    assert service["http"][0]["retries"] == {
        "attempts": 2,
        "retryOn": "connect-failure,refused-stream",
    }
    assert service["http"][1] == before[0]["http"][1]
    assert rule["trafficPolicy"] == {
        "connectionPool": {"http": {"http2MaxRequests": 50}, "tcp": {"maxConnections": 100}},
        "loadBalancer": {
            "consistentHash": {"httpHeaderName": "x-conversation"},
            "localityLbSetting": {"enabled": True, "failover": [{"from": "east", "to": "west"}]},
            "warmup": {"duration": "9s"},
        },
        "outlierDetection": {
            "baseEjectionTime": "30s",
            "consecutive5xxErrors": 7,
            "interval": "10s",
            "maxEjectionPercent": 50,
            "splitExternalLocalOriginErrors": True,
        },
        "tls": {"mode": "ISTIO_MUTUAL"},
    }
    assert peer == before[2] | {"mtls": {"mode": "STRICT"}}
    assert router.read(plan, 100).policy == ""
    there = policy_objects.versions()
    router.write(plan, Split(5), "m")
    assert policy_objects.versions() == there, "a second pass writes nothing"
    router.write(plan, Split(0), "back")
    service, *others = policy_objects.specs()
    assert others == before[1:]
    assert service["http"][0].pop("route") == [{**to("reviews", 100, "v1")}]
    assert service["http"][0] == {"name": "r1", "timeout": "30s"}
    assert policy_objects.get("destinationrules")["metadata"]["annotations"] == {"theirs": "1"}


def test_a_plan_that_asks_no_longer_leaves_what_was_there(policy_objects, router):
    before = policy_objects.specs()[1]
    router.write(policy_objects.plan(), Split(100), "promoted")
    router.write(policy_objects.plan({"timeout": "9s"}), Split(5), "the next")
    assert policy_objects.specs()[1] == before
    assert policy_objects.specs()[0]["http"][0]["timeout"] == "9s"
    router.write(policy_objects.plan(None), Split(5), "without")
    assert policy_objects.specs()[0]["http"][0]["timeout"] == "30s"
    assert (
        POLICY + "reviews" not in policy_objects.get("virtualservices")["metadata"]["annotations"]
    )


def test_what_would_win_over_the_policy_holds_the_traffic(policy_objects, router):
    own = {"name": "v2", "trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 1}}}
    policy_objects.edit("destinationrules", {"subsets": [{"name": "v1"}, own]})
    with pytest.raises(RouteError, match="subset v2 has a outlierDetection of its own"):
        router.write(policy_objects.plan(), Split(5), "m")
    assert router.read(policy_objects.plan(), 100).split == Split(0)


def test_a_right_that_is_lacking_holds_the_traffic_and_no_rollback(policy_objects, lab, cluster):
    roles = (
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{policy_objects.namespace}/roles/surefoot"
    )
    less = [
        rule(NETWORKING, "virtualservices"),
        rule(NETWORKING, "destinationrules", verbs=["get"]),
        rule(SECURITY, "peerauthentications", verbs=["get"]),
    ]
    running = lab()
    cluster.ask("PATCH", roles, {"rules": less})
    running.run_until(lambda state: state.delivery.attempts > 0)
    (problem, *_) = [fact.problem for fact in running.facts if isinstance(fact, RouteFailed)]
    assert problem == (
        f"may not patch DestinationRule {policy_objects.namespace}/reviews; a Role needs the rule "
        '{apiGroups: [networking.istio.io], resources: [destinationrules], verbs: ["patch"]}'
    )
    assert running.router.read(running.plan, 100).split == Split(0)
    say(running, "abort")
    assert running.run().phase == "rolled back"


@pytest.mark.parametrize("then", ["pause", "revert", "adopt"])
def test_a_hand_edit_of_the_policy_is_a_drift_and_the_plan_says_what_then(
    policy_objects, lab, then
):
    running = climbed(lab(onDrift=then))
    policy_objects.edit(
        "destinationrules", {"trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 1}}}
    )
    running.run_until(lambda _: any(isinstance(fact, Drifted) for fact in running.facts), 3)
    running.run(3)
    (drift,) = (fact for fact in running.facts if isinstance(fact, Drifted))
    assert drift.seen == Split(5)
    assert drift.policy == (
        "DestinationRule reviews: trafficPolicy.outlierDetection.consecutive5xxErrors is 1, not 7"
    )
    assert running.state.phase == ("paused" if then == "pause" else "stepping")
    if then == "pause":
        (paused,) = (decision for decision in running.decisions if decision.action == "pause")
        assert "somebody else changed the policy (DestinationRule reviews" in paused.sentence
        say(running, "resume")
    assert running.run().phase == "promoted"
    detection = policy_objects.specs()[1]["trafficPolicy"]["outlierDetection"]
    assert detection["consecutive5xxErrors"] == (1 if then == "adopt" else 7)


def test_a_bad_canary_leaves_the_objects_as_they_were(policy_objects, lab):
    before = policy_objects.specs()[1:]
    assert lab(BAD).run().phase == "rolled back"
    assert policy_objects.specs()[1:] == before
    assert policy_objects.specs()[0]["http"][0]["timeout"] == "30s"
