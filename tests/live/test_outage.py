"""The API server is away for a while: decisions wait, nothing is lost, no storm when it is back."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import pytest

from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.leader.election import LeaseTimes
from tests.live.faulty import ProxiedRequest, proxied
from tests.live.operating import RIGHTS
from tests.live.pipeline import until
from tests.live.replicas import DURATION, LEASE, MOVE
from tests.live.sidecars import LastKnownTraffic, Sidecars
from tests.support.routes import plan

pytestmark = pytest.mark.live

ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/surefoot"
AWAY, FIRST = 15.0, 5.0  # seconds
SERVICES = {"reviews": "1s", "ratings": "1h"}  # how long each bakes: one stays at its first step


class Outage:
    """The API server freezes when it has taken both first steps, and before it says so."""

    def __init__(self, cluster, traffic):
        self._cluster, self._traffic = cluster, traffic
        self.begun, self._patched = threading.Event(), set()

    def fault(self, request):
        return "lost" if self._is_last(request) else ""

    def after(self, request):
        if self._is_last(request):
            os.kill(self._cluster.apiserver.pid, signal.SIGSTOP)
            self._traffic.cut.set()
            self.begun.set()
        elif request.method == "PATCH" and "/virtualservices/" in request.path:
            self._patched.add(request.path)

    def _is_last(self, request):
        step = request.method == "PATCH" and "/virtualservices/" in request.path
        other = self._patched - {request.path}
        return step and bool(other) and not self.begun.is_set()


@pytest.fixture
def staged(replicas, cluster, namespace, tmp_path):
    """Prometheus, a proxy that counts, two services with a plan each; two replicas are started."""
    watch = MOVE | {"verbs": ["get", "list", "watch", "patch"]}
    cluster.ask("PATCH", ROLES.format(namespace), {"rules": [*RIGHTS, watch, *LEASE]})
    replicas.make_route("ratings")
    traffic, port = LastKnownTraffic(replicas), free_ports(1)[0]
    errors = {service: {"v1": 0.01, "v2": 0.01} for service in SERVICES}
    with ExitStack() as stack:
        proxy = stack.enter_context(proxied(cluster, tmp_path / "proxy"))
        for _ in range(2):
            replicas.start(proxy.config("surefoot"))
        sidecars = stack.enter_context(Sidecars(traffic.shares, errors, namespace).serving())
        targets = {"sidecars": sidecars.url}
        stack.enter_context(start_prometheus(tmp_path / "prometheus", port, targets))
        yield replicas, proxy, traffic, f"http://127.0.0.1:{port}"


def declared(service, namespace, url):
    document = plan({"istio": {"virtualService": service}}, namespace, service).document()
    margin = {"name": "errors", "template": "istio/errors", "margin": {"absolute": "5%"}}
    return document | {
        "spec": document["spec"]
        | {"prometheus": {"scrape": "1s", "url": url}, "interval": "1s", "warmup": "2s"}
        | {"followWithin": "0s"}
        | {"ramp": {"steps": ["10%", "50%"], "bake": SERVICES[service]}, "guardrails": [margin]}
    }


@dataclass(frozen=True)
class Requests:
    """What came by within some seconds, answered or not; each client waits between two of them."""

    asked: list[ProxiedRequest]
    seconds: float

    def about(self, what):
        return [request for request in self.asked if f"/{what}" in request.path]

    @property
    def is_calm(self):
        """Two requests for each attempt of each replica, and a few for all the rest."""
        leases = len(self.about("leases"))
        attempts = self.seconds / LeaseTimes(DURATION).retry + 1
        return leases <= 2 * 2 * attempts and len(self.asked) - leases <= 20 + 8 * self.seconds


def requests(proxy, begin, end):
    return Requests([request for request in proxy.asked if begin <= request.at < end], end - begin)


@contextmanager
def away(replicas, cluster, outage):
    """From the freeze on: first nobody answers, then nobody listens, then it starts again."""
    assert outage.begun.wait(120), "no first steps"
    end = time.monotonic() + AWAY
    try:
        yield
        until(lambda: all("does not answer" in e.tail(50) for e in replicas.processes), "told", 90)
        cluster.apiserver.kill()
        time.sleep(max(0.0, end - time.monotonic()))
    finally:
        cluster.start()


def shows(replicas, name, phase):
    return replicas.status(name).get("phase") == phase


@pytest.mark.timeout(400)
def test_decisions_wait_nothing_is_lost_and_no_storm_on_return(staged, cluster, namespace):
    replicas, proxy, traffic, url = staged
    outage = Outage(cluster, traffic)
    proxy.fault, proxy.after = outage.fault, outage.after
    for service in SERVICES:
        cluster.apply(declared(service, namespace, url))
    with away(replicas, cluster, outage):
        begun, before = time.monotonic(), len(replicas.entries())
        replicas.say("abort", "ratings-v2")
    back, between = time.monotonic(), replicas.entries()[before:]
    traffic.cut.clear()
    for name, phase in {"ratings-v2": "rolled back", "reviews-v2": "promoted"}.items():
        until(partial(shows, replicas, name, phase), f"{name} {phase}", 200)
    until(lambda: time.monotonic() >= back + FIRST, "the first seconds")
    assert requests(proxy, begun, back).is_calm
    assert requests(proxy, back, back + FIRST).is_calm
    assert requests(proxy, back, back + FIRST).about("leases"), "they go through the proxy"
    assert len(between) <= 20, "no entry for each attempt"
    assert {"advance", "promote"}.isdisjoint(getattr(e.fact, "action", "") for e in between)
    assert (replicas.weights_of("ratings"), replicas.weights) == ([100, 0], [0, 100])
    check(replicas)


def check(replicas):
    """One history, which reading has verified; each change is one decision, each is confirmed."""
    entries, elected = replicas.entries(), replicas.facts("elected")
    assert [entry.seq for entry in entries] == [*range(1, len(entries) + 1)]
    assert all(earlier.term < other.term for earlier, other in pairwise(elected))
    until(lambda: replicas.holder == replicas.facts("elected")[-1].controller, "one leader")
    decided = [e for e in entries if e.fact.kind == "decided" and e.fact.action != "hold"]
    confirmed = {fact.decision for fact in replicas.facts("confirmed")}
    moves = {
        service: [entry for entry in decided if entry.fact.rollout.startswith(service)]
        for service in SERVICES
    }
    assert {service: [entry.fact.action for entry in of] for service, of in moves.items()} == {
        "reviews": ["advance", "advance", "promote"],
        "ratings": ["advance", "roll back"],
    }
    assert {entry.seq for entry in (*moves["reviews"], moves["ratings"][-1])} <= confirmed
