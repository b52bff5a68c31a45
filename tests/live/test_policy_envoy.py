"""A plan's policy on a real Envoy: what it does to traffic, and how it comes and goes."""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import pytest

from rollout.decide.record.split import Split
from rollout.demo.servers.process import Process, answers, free_ports
from rollout.demo.servers.start import Envoy, start_envoy
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.route.envoy.proxy import EnvoyRouter
from rollout.route.policy.proxy import EnvoyPolicyStore
from tests.support.local_envoy import SERVICE, Toys, ask_as, ask_many, load, plan_for, toys
from tests.support.mesh_routers import router_over

pytestmark = pytest.mark.live
ROUTER = router_over(EnvoyRouter(), EnvoyPolicyStore())
V1, V2 = f"{SERVICE}-v1", f"{SERVICE}-v2"


@dataclass
class PolicyEnvoy:
    """An Envoy that watches its clusters; v2 has two endpoints, which answer `a` and `b`."""

    envoy: Envoy
    toys: Toys

    def plan(self, policy, **spec) -> Plan:
        document = plan_for(self.envoy, **spec).document()
        document["spec"]["route"]["envoy"]["clusterFile"] = str(self.envoy.clusters)
        return Plan.model_validate(document | {"spec": document["spec"] | {"policy": policy}})

    @property
    def files(self):
        return [json.loads(file.read_text()) for file in (self.envoy.file, self.envoy.clusters)]

    def ask(self, count, path="", **headers):
        return asyncio.run(ask_as(self.envoy.url + path, [headers] * count))


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    listen, admin, *ports = free_ports(5)
    ends = dict(zip(("v1", "a", "b"), ports, strict=True))
    folder = tmp_path_factory.mktemp("envoy")
    clusters = {V1: ends["v1"], V2: ends["a"]}
    with (
        toys(ends) as served,
        start_envoy(folder, listen, admin, clusters, SERVICE, watched=True) as envoy,
    ):
        document = json.loads(envoy.clusters.read_text())
        (ends_of_v2,) = document["resources"][1]["load_assignment"]["endpoints"]
        second = json.loads(
            json.dumps(ends_of_v2["lb_endpoints"][0]).replace(str(ends["a"]), str(ends["b"]))
        )
        ends_of_v2["lb_endpoints"].append(second)
        put(envoy.clusters, document)
        yield PolicyEnvoy(envoy, served)


def put(file, document):
    """Somebody else writes a watched file."""
    new = file.with_name("theirs")
    new.write_text(json.dumps(document))
    new.replace(file)


@pytest.fixture
def service(running):
    """As it was at the start."""
    yield running
    plan = running.plan({"timeout": "1s"})
    ROUTER.write(plan, Split(0), "end")


def move(plan, canary, mark):
    ROUTER.write(plan, Split(canary), mark)
    until = time.monotonic() + 60
    while ROUTER.read(plan, 100).write_id != mark:
        assert time.monotonic() < until, ROUTER.diagnose(plan)
        time.sleep(0.005)
    assert ROUTER.read(plan, 100).policy == ""


def statuses(replies):
    return Counter(reply.status for reply in replies)


def test_a_time_out_ends_a_request_and_goes_with_the_rollback(service):
    plan = service.plan({"timeout": "200ms"})
    move(plan, 100, "all")
    assert statuses(service.ask(3, "/?ms=600")) == {504: 3}
    move(plan, 0, "back")
    assert statuses(service.ask(3, "/?ms=300")) == {200: 3}


def test_what_a_rollback_leaves_is_what_was_there(service):
    _, before = service.files
    everything = {
        "outliers": {},
        "connections": {"max": 100, "pending": 50},
        "retries": {"attempts": 1, "budget": "30%"},
        "timeout": "5s",
        "balance": {"method": "hash", "cookie": "user"},
        "fallback": True,
    }
    plan = service.plan(everything)
    for number in (5, 6, 6):
        move(plan, number, f"m{number}")
    first = service.files
    move(plan, 6, "m6")
    assert service.files == first, "N passes equal one"
    assert statuses(service.ask(50)) == {200: 50}
    move(plan, 0, "back")
    routes, clusters = service.files
    assert clusters == before
    (route,) = routes["resources"][0]["virtual_hosts"][0]["routes"]
    weights = {"clusters": [{"name": V1, "weight": 100}]}
    assert route == {
        "match": {"prefix": "/"},
        "route": {"timeout": "30s", "weighted_clusters": weights},
    }
    notes = routes["resources"][0]["metadata"]["filter_metadata"]["surefoot"]
    assert notes == {"services": {"summarizer": {"mark": "back"}}}


def test_the_same_key_meets_the_same_endpoint(service):
    move(service.plan({"balance": {"method": "hash", "header": "x-conversation"}}), 100, "hash")
    versions_by_key = {
        key: {reply.version for reply in service.ask(3, **{"x-conversation": key})}
        for key in map(str, range(24))
    }
    assert all(len(versions) == 1 for versions in versions_by_key.values())
    assert set.union(*versions_by_key.values()) == {"a", "b"}


@pytest.mark.parametrize("attempts", [0, 2])
def test_retries_are_sent_to_the_same_version(service, attempts):
    policy = {"retries": {"attempts": attempts, "when": ["5xx"], "budget": "100%"}}
    move(service.plan(policy), 100, f"retries-{attempts}")
    service.toys.served.clear()
    assert [service.ask(1, "/?status=500")[0].status for _ in range(4)] == [500] * 4
    assert sum(service.toys.served.values()) == 4 * (1 + attempts)
    assert {version for version, _ in service.toys.served} <= {"a", "b"}


def test_what_goes_beyond_a_limit_is_refused_at_once(service):
    move(service.plan({"connections": {"max": 1, "pending": 1, "requests": 1}}), 100, "limits")
    replies = service.ask(12, "/?ms=100")
    counts = statuses(replies)
    assert counts[503] >= 6
    assert counts[200] >= 1
    took = {status: [r.seconds for r in replies if r.status == status] for status in counts}
    assert median(took[503]) < max(took[200]), "a refusal waits for nobody"
    move(service.plan({}), 100, "none")  # the plan asks no longer
    assert statuses(service.ask(12, "/?ms=20")) == {200: 12}


def test_an_endpoint_that_keeps_failing_is_ejected(service):
    outliers = {"consecutiveErrors": 3, "interval": "1s", "eject": "30s", "most": "50%"}
    move(service.plan({"outliers": outliers}), 100, "eject")
    service.toys.failing.add("b")
    try:
        service.ask(40)
        assert {reply.version for reply in service.ask(20)} == {"a"}
    finally:
        service.toys.failing.clear()


def test_no_request_fails_while_policies_come_and_go(service):
    async def main():
        enough = asyncio.Event()
        slow = asyncio.create_task(load(service.envoy.url + "/?ms=100", enough))
        fast = asyncio.create_task(load(service.envoy.url, enough))
        for number in range(8):
            policy = {"timeout": f"{3 + number}s", "outliers": {"consecutiveErrors": 5 + number}}
            plan = service.plan(
                policy | {"fallback": number % 2 == 0, "connections": {"max": 1000}}
            )
            canary = 0 if number % 4 == 3 else 50
            await asyncio.to_thread(ROUTER.write, plan, Split(canary), f"flip-{number}")
        enough.set()
        return await slow + await fast

    replies = asyncio.run(main())
    assert [reply for reply in replies if reply.status != 200] == []
    assert {reply.version for reply in replies} == {"v1", "a", "b"}


def test_what_envoy_refuses_is_said_and_put_back_and_no_traffic_moves(service):
    routes, clusters = service.files
    broken = json.loads(json.dumps(clusters))
    broken["resources"][1]["connect_timeout"] = "-1s"
    put(service.envoy.clusters, broken)
    try:
        with pytest.raises(RouteError, match=r"Envoy does not take the policy in .*cds\.json"):
            ROUTER.write(service.plan({"outliers": {}}), Split(50), "never")
        assert service.files == [routes, broken]
        ROUTER.write(service.plan({"outliers": {}}), Split(0), "back")  # waits for nothing
    finally:
        put(service.envoy.clusters, clusters)
    with pytest.raises(RouteError, match="the cluster file has no cluster summarizer-v9"):
        ROUTER.write(service.plan({"outliers": {}}, canary="v9"), Split(50), "never")


@pytest.mark.parametrize("then", ["pause", "revert", "adopt"])
def test_a_hand_edit_of_the_policy_is_told_and_the_plan_says_what_then(service, then):
    plan = service.plan({"timeout": "5s", "outliers": {}}, onDrift=then)
    move(plan, 50, "ours")
    routes, clusters = service.files
    route = routes["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]
    route |= {"timeout": "9s", "priority": "HIGH"}
    clusters["resources"][1]["outlier_detection"] |= {
        "consecutive_5xx": 50,
        "success_rate_minimum_hosts": 9,
    }
    put(service.envoy.file, routes)
    put(service.envoy.clusters, clusters)
    difference = ROUTER.read(plan, 100).policy
    assert difference == (
        'routes summarizer: timeout is "9s", not "5s"; '
        "cluster summarizer-v2: outlier_detection.consecutive_5xx is 50, not 5"
    )
    ROUTER.write(plan, Split(60), "again")
    after = service.files[0]["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]
    assert (after["timeout"], after["priority"]) == ("9s" if then == "adopt" else "5s", "HIGH")
    detection = service.files[1]["resources"][1]["outlier_detection"]
    assert detection["consecutive_5xx"] == (50 if then == "adopt" else 5)
    ROUTER.write(plan, Split(0), "back")
    routes, clusters = service.files
    after = routes["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]
    assert after["timeout"] == ("9s" if then == "adopt" else "30s")
    theirs = {"success_rate_minimum_hosts": 9} | (
        {"consecutive_5xx": 50} if then == "adopt" else {}
    )
    assert clusters["resources"][1]["outlier_detection"] == theirs
    route = {"timeout": "30s", "weighted_clusters": after["weighted_clusters"]}
    routes["resources"][0]["virtual_hosts"][0]["routes"][0]["route"] = route
    clusters["resources"][1].pop("outlier_detection")
    put(service.envoy.file, routes)
    put(service.envoy.clusters, clusters)


ANSWER = """
import sys, http.server as h
class Handler(h.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "2"); self.end_headers()
        self.wfile.write(b"v2")
    def log_message(self, *_): pass
h.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_without_a_controller_a_dead_canary_falls_back_within_milliseconds(tmp_path):
    listen, admin, first, second = free_ports(4)
    canary = Process("v2", [sys.executable, "-c", ANSWER, str(second)], tmp_path / "v2.log")
    with ExitStack() as stack:
        stack.callback(canary.stop)
        canary.wait_until(lambda: answers(f"http://127.0.0.1:{second}/"))
        served = stack.enter_context(toys({"v1": first}))
        envoy = stack.enter_context(
            start_envoy(tmp_path, listen, admin, {V1: first, V2: second}, SERVICE, watched=True)
        )
        plan = PolicyEnvoy(envoy, served).plan({"fallback": True})
        move(plan, 50, "half")
        replies, killed = asyncio.run(killing(envoy, canary))
        with pytest.raises(RouteError, match=r"no endpoint of .* serves: Envoy asks .* instead"):
            ROUTER.read(plan, 100)
        move(plan, 0, "back")
    after = [reply for reply in replies if reply.sent > killed]
    failed = [reply for reply in replies if reply.status != 200]
    assert {"v1", "v2"} <= {reply.version for reply in replies if reply.sent < killed}
    assert len(after) >= 400
    assert 1 <= len(failed) <= 20, "without the fallback half of all requests would fail"


async def killing(envoy, canary):
    """Four connections ask all along; the canary is killed, and 400 requests follow; and when."""
    enough = asyncio.Event()
    running = asyncio.create_task(load(envoy.url, enough))
    await asyncio.sleep(0.5)
    killed = time.perf_counter()
    canary.kill()
    after = await ask_many(envoy.url, 400, connections=4)
    enough.set()
    return await running + after, killed
