"""Quiet looks cost no request, and no watch is believed that may be wrong: a real API server."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from rollout.decide.record.facts import Decided, Started
from rollout.decide.record.route_facts import Confirmed, Drifted, RouteFailed
from rollout.decide.record.split import Split
from rollout.journal.memory import MemoryJournal
from rollout.kube.client import connect
from rollout.kube.informer import Informer
from rollout.kube.watches import WatchedObjects
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Ports
from rollout.route.kube.objects import VIRTUAL_SERVICE
from rollout.route.kube.router import ClusterRouter
from rollout.simulate import VirtualClock
from rollout.tick.controller import Controller
from tests.live.pipeline import until
from tests.support.routes import plan, to, virtual_service

pytestmark = pytest.mark.live

GROUP = "networking.istio.io"
PATH = f"/apis/{GROUP}/v1beta1/namespaces/{{}}/virtualservices"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/surefoot"


def may(*verbs):
    return {"apiGroups": [GROUP], "resources": ["virtualservices"], "verbs": [*verbs]}


class SilentPrometheus:
    """A Prometheus that never has a new sample."""

    def observe(self, asks, now):
        return {ask.rollout: Answer() for ask in asks}


class WatchedRollouts:
    """Rollouts at 5 %, each on a VirtualService of its own, and who looks after them."""

    def __init__(self, cluster, namespace, count, stack, relist=600):
        self.cluster, self.namespace = cluster, namespace
        client = connect()

        def watch(kind, where):
            return Informer(client.api, kind, where, lambda _: None, relist)

        self.watched, self.clock = WatchedObjects(watch), VirtualClock()
        stack.callback(self.watched.stop)
        self.router, self.journal = ClusterRouter(client, self.watched), MemoryJournal()
        self.plans = [self._plan(f"s{number}") for number in range(count)]
        ports = Ports(SilentPrometheus(), self.router, self.journal, self.clock)
        self.controller = Controller(ports, "test")
        for the_plan in self.plans:
            self._begin(the_plan)
        self.controller.catch_up()

    def _plan(self, service):
        document = plan({"istio": {"virtualService": service}}, self.namespace, service).document()
        document["spec"] |= {"interval": "15s", "onDrift": "adopt", "deadline": "2h"}
        return Plan.model_validate(document)

    def _begin(self, the_plan):
        service = the_plan.spec.service
        manifest = virtual_service([to(service, None, "v1")], name=service)
        manifest["apiVersion"] = f"{GROUP}/v1beta1"
        created = self.cluster.ask("POST", PATH.format(self.namespace), manifest)
        assert created["kind"] == "VirtualService", created
        head = {"rollout": the_plan.id, "at": self.clock.now()}
        seq = self.journal.read()[-1].seq if self.journal.read() else 0
        started = Started(
            **head, plan=the_plan.document(), digest=the_plan.digest, total=100, controller="test"
        )
        decided = Decided(**head, action="advance", split=Split(5), reasons=(), sentence="")
        confirmed = Confirmed(**head, decision=seq + 2, split=Split(5))
        self.journal.append([started, decided, confirmed], seq)
        self.router.write(the_plan, Split(5), f"{the_plan.id}/{seq + 2}")

    def await_weights(self):
        """Wait until the watch shows every weight."""

        def every():
            return all(self.cached(the_plan) == Split(5) for the_plan in self.plans)

        until(every, "the watch shows it")

    def cached(self, the_plan):
        status = self.router.cached(the_plan, 100)
        return status and status.split

    def tick(self, times=1):
        for _ in range(times):
            self.clock.sleep(15)
            self.controller.tick()

    def facts(self, kind):
        return [entry.fact for entry in self.journal.read() if isinstance(entry.fact, kind)]

    def requests(self):
        """Reads of VirtualServices as the API server itself counts them."""
        metrics = self._metrics()
        counted = 'apiserver_request_total{code="200"'
        lines = [line for line in metrics.splitlines() if line.startswith(counted)]
        ours = [line for line in lines if 'resource="virtualservices"' in line]
        reads = [line for line in ours if 'verb="GET"' in line or 'verb="LIST"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in reads)

    def _metrics(self):
        with self.cluster.request("/metrics") as answer:
            return answer.read().decode()

    def edit(self, name, stable, canary):
        route = [to(name, stable, "v1"), to(name, canary, "v2")]
        path = f"{PATH.format(self.namespace)}/{name}"
        self.cluster.ask("PATCH", path, {"spec": {"http": [{"name": "r1", "route": route}]}})


@pytest.fixture
def fleet(cluster, namespace, monkeypatch):
    with ExitStack() as stack:

        def build(count=1, verbs=("get", "list", "watch", "patch"), relist=600):
            cluster.allow("surefoot", namespace, may(*verbs))
            monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))
            return WatchedRollouts(cluster, namespace, count, stack, relist)

        yield build


def test_flagger_and_argo_ask_the_api_server_about_every_idle_rollout(fleet):
    fleet = fleet(50)
    fleet.await_weights()
    fleet.tick()  # the first look says that there is no evidence
    before = fleet.requests()
    fleet.tick(10)
    assert fleet.requests() == before
    assert len(fleet.facts(Decided)) == 100
    assert fleet.facts(Drifted) == []
    fleet.edit("s7", 60, 40)
    until(lambda: fleet.cached(fleet.plans[7]) == Split(40), "the watch shows the edit")
    fleet.tick()
    assert fleet.requests() == before + 1, "only what moved is read"
    assert [fact.seen for fact in fleet.facts(Drifted)] == [Split(40)]


def test_what_a_watch_shows_otherwise_is_read_before_it_is_called_drift(fleet):
    """A watch that lags behind our own write shows the weights of before."""
    fleet = fleet()
    fleet.await_weights()
    (only,) = fleet.plans
    live = fleet.watched.find(VIRTUAL_SERVICE, fleet.namespace, "s0")
    live["spec"]["http"][0]["route"][1]["weight"] = 0
    assert fleet.cached(only) == Split(0)
    fleet.tick(2)
    assert fleet.facts(Drifted) == []


def test_without_the_right_to_watch_each_look_is_a_request(fleet):
    fleet = fleet(verbs=("get", "patch"))
    before = fleet.requests()
    fleet.tick(3)
    assert fleet.requests() == before + 3
    fleet.edit("s0", 60, 40)
    fleet.tick()
    assert [fact.seen for fact in fleet.facts(Drifted)] == [Split(40)]


def test_a_lost_watch_is_not_believed(fleet, cluster, namespace):
    fleet = fleet(relist=1)  # the API server ends the watch after a second
    fleet.await_weights()
    cluster.ask("PATCH", ROLES.format(namespace), {"rules": [may("get", "patch")]})
    until(lambda: fleet.cached(fleet.plans[0]) is None, "the watch is lost")
    fleet.edit("s0", 60, 40)
    fleet.tick()
    assert [fact.seen for fact in fleet.facts(Drifted)] == [Split(40)]
    cluster.ask("PATCH", ROLES.format(namespace), {"rules": [may("get", "list", "watch")]})
    until(lambda: fleet.cached(fleet.plans[0]) == Split(40), "it is back")


def test_an_object_that_is_gone_is_said(fleet, cluster, namespace):
    fleet = fleet()
    fleet.await_weights()
    cluster.ask("DELETE", f"{PATH.format(namespace)}/s0")
    until(lambda: fleet.cached(fleet.plans[0]) is None, "the watch shows it")
    fleet.tick()
    assert "there is no such object" in fleet.facts(RouteFailed)[0].problem
