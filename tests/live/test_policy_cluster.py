"""A plan's policy in Istio's objects, before a real API server."""

import pytest

from rollout.decide.record.facts import Drifted, HumanSaid, RouteFailed
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.kube.client import connect
from rollout.plan.model.plan import Plan
from rollout.route.kube.object_annotations import POLICY
from rollout.route.kube.router import ClusterRouter
from rollout.route.policy.cluster import ClusterPolicyStore
from rollout.route.policy.router import WithPolicy
from tests.support.cluster_routes import Live, climbed
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


class Place:
    """A namespace with the three objects, as its people see them."""

    def __init__(self, cluster, namespace):
        self.cluster, self.namespace = cluster, namespace
        service = virtual_service([to("reviews", subset="v1")], [to("ratings")])
        service["spec"]["http"][0]["timeout"] = "30s"
        for plural, manifest in zip(self.plurals, (service, RULE, PEER), strict=True):
            group = PEER if plural == "peerauthentications" else RULE
            body = manifest | {"apiVersion": group["apiVersion"]}
            made = cluster.ask("POST", self.path(plural, ""), body)
            assert made["kind"] == manifest["kind"], made

    plurals = ("virtualservices", "destinationrules", "peerauthentications")

    def path(self, plural, name="reviews"):
        group = SECURITY if plural == "peerauthentications" else NETWORKING
        found = f"/apis/{group}/v1beta1/namespaces/{self.namespace}/{plural}/{name}"
        return found.removesuffix("/")

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
def place(cluster, namespace):
    return Place(cluster, namespace)


def rule(group, *plurals, verbs=("get", "patch")):
    return {"apiGroups": [group], "resources": [*plurals], "verbs": [*verbs]}


@pytest.fixture
def router(cluster, namespace, place, monkeypatch):
    """A controller with the rights that the manual names."""
    cluster.allow(
        "surefoot",
        namespace,
        rule(NETWORKING, "virtualservices", "destinationrules"),
        rule(SECURITY, "peerauthentications"),
    )
    monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))
    objects = connect()
    return WithPolicy(ClusterRouter(objects), ClusterPolicyStore(objects))


@pytest.fixture
def lab(place, router):
    """A rollout in simulated traffic and time, on these objects."""

    def made(canary=GOOD, policy=POLICIES, **spec):
        route = {"istio": {"virtualService": "reviews", "destinationRule": "reviews"}}
        document = plan_of_the_world(service="reviews", route=route, **spec).document()
        document["metadata"]["namespace"] = place.namespace
        document["spec"]["policy"] = policy
        return Lab(canary, Plan.model_validate(document), router=Live(inner=router))

    return made


def say(running, command):
    """A person's command."""
    running.journal.append(
        [HumanSaid(rollout=running.plan.id, at=running.clock.now(), command=command, actor="ana")],
        after=len(running.entries),
    )


def test_only_our_fields_come_and_go(place, router):
    before, plan = place.specs(), place.plan()
    router.write(plan, Split(5), "m")
    service, rule, peer = place.specs()
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
    there = place.versions()
    router.write(plan, Split(5), "m")
    assert place.versions() == there, "a second pass writes nothing"
    router.write(plan, Split(0), "back")
    service, *others = place.specs()
    assert others == before[1:]
    assert service["http"][0].pop("route") == [{**to("reviews", 100, "v1")}]
    assert service["http"][0] == {"name": "r1", "timeout": "30s"}
    assert place.get("destinationrules")["metadata"]["annotations"] == {"theirs": "1"}


def test_a_plan_that_asks_no_longer_leaves_what_was_there(place, router):
    before = place.specs()[1]
    router.write(place.plan(), Split(100), "promoted")
    router.write(place.plan({"timeout": "9s"}), Split(5), "the next")
    assert place.specs()[1] == before
    assert place.specs()[0]["http"][0]["timeout"] == "9s"
    router.write(place.plan(None), Split(5), "without")
    assert place.specs()[0]["http"][0]["timeout"] == "30s"
    assert POLICY + "reviews" not in place.get("virtualservices")["metadata"]["annotations"]


def test_what_would_win_over_the_policy_holds_the_traffic(place, router):
    own = {"name": "v2", "trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 1}}}
    place.edit("destinationrules", {"subsets": [{"name": "v1"}, own]})
    with pytest.raises(RouteError, match="subset v2 has a outlierDetection of its own"):
        router.write(place.plan(), Split(5), "m")
    assert router.read(place.plan(), 100).split == Split(0)


def test_a_right_that_is_lacking_holds_the_traffic_and_no_rollback(place, lab, cluster):
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{place.namespace}/roles/surefoot"
    less = [
        rule(NETWORKING, "virtualservices"),
        rule(NETWORKING, "destinationrules", verbs=["get"]),
        rule(SECURITY, "peerauthentications", verbs=["get"]),
    ]
    running = lab()
    cluster.ask("PATCH", roles, {"rules": less})
    running.run_until(lambda state: state.delivery.attempts > 1)
    (problem, *_) = [fact.problem for fact in running.facts if isinstance(fact, RouteFailed)]
    assert problem == (
        f"may not patch DestinationRule {place.namespace}/reviews; a Role needs the rule "
        '{apiGroups: [networking.istio.io], resources: [destinationrules], verbs: ["patch"]}'
    )
    assert running.router.read(running.plan, 100).split == Split(0)
    say(running, "abort")
    assert running.run().phase == "rolled back"


@pytest.mark.parametrize("then", ["pause", "revert", "adopt"])
def test_a_hand_edit_of_the_policy_is_a_drift_and_the_plan_says_what_then(place, lab, then):
    running = climbed(lab(onDrift=then))
    place.edit(
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
        (paused,) = (each for each in running.decisions if each.action == "pause")
        assert "somebody else changed the policy (DestinationRule reviews" in paused.sentence
        say(running, "resume")
    assert running.run().phase == "promoted"
    detection = place.specs()[1]["trafficPolicy"]["outlierDetection"]
    assert detection["consecutive5xxErrors"] == (1 if then == "adopt" else 7)


def test_a_bad_canary_leaves_the_objects_as_they_were(place, lab):
    before = place.specs()[1:]
    assert lab(BAD).run().phase == "rolled back"
    assert place.specs()[1:] == before
    assert place.specs()[0]["http"][0]["timeout"] == "30s"
