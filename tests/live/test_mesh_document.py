"""A mesh document compiled to a folder: what its two commands start serves real requests."""

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml

from rollout.demo.servers.process import Process, answers, free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.plan.reading.files import load_file
from rollout.route.envoy.proxy import EnvoyRouter
from tests.live.pipeline import until
from tests.live.servers import register
from tests.support.local_envoy import Toys, ask_as, load, toys

pytestmark = [pytest.mark.live]
DIRECT = build_opener(ProxyHandler({}))
BIN = Path(sys.executable).parent
DOCUMENT = """
apiVersion: mesh.ai/v1
kind: ServiceMesh
metadata: {name: clinical-mesh}
spec:
  services:
    - name: summarizer
      loadBalancer: {algorithm: least_connections, healthCheck: {interval: 500ms, threshold: 2}}
      timeout: 5s
    - name: translator
      loadBalancer: {algorithm: round_robin}
      fallback: {service: translator-basic}
    - name: coder
      loadBalancer: {algorithm: consistent_hash, header: x-conversation}
      retries: {attempts: 2, backoff: 100ms}
      timeout: 300ms
      fallback: {service: coder-basic}
    - name: ranker
      circuitBreaker: {enabled: true, errorThreshold: 50%}
    - name: scorer
      loadBalancer: {algorithm: weighted}
      circuitBreaker: {enabled: true, errorThreshold: 50%}
  trafficPolicies:
    - name: summaries
      routes: [{destination: summarizer, weight: 90}, {destination: summarizer-v2, weight: 10}]
    - name: translations
      routes: [{destination: translator, weight: 80}, {destination: translator-v2, weight: 20}]
"""
ENDS = {
    "summarizer": ["summarizer"],
    "summarizer-v2": ["summarizer-v2"],
    "translator": ["translator"],
    "translator-v2": ["translator-v2"],
    "translator-basic": ["translator-basic"],
    "coder": ["coder-a", "coder-b"],
    "coder-basic": ["coder-basic"],
    "ranker": ["ranker"],
    "scorer": ["scorer-a@3", "scorer-b@1"],
}
# A person who edits the plan: faster, and with the margins that are acceptable here.
MARGIN = {"absolute": "30%"}
FAST = {
    "prometheus": {"scrape": "1s"},
    "interval": "1s",
    "warmup": "1s",
    "drain": "1s",
    "followWithin": "30s",
    "deadline": "5m",
}


@dataclass
class ServedMesh:
    """What the folder's two commands started, and what became of the rollouts."""

    folder: Path
    printed: str
    urls: dict[str, str]
    admin: str
    toys: Toys
    journal: Path
    run: Process | None = None
    outcomes: dict[str, Counter[tuple[str, int]]] = field(default_factory=dict)
    asked_while_open: int | None = None

    def clusters(self):
        with DIRECT.open(f"{self.admin}/clusters", timeout=5) as page:
            return page.read().decode()

    def ask(self, service, count, path="", **headers):
        return asyncio.run(ask_as(self.urls[service] + path, [headers] * count))


def command(folder, line):
    """A printed command, as a user's shell runs it."""
    return ["env", f"PATH={BIN}:{os.environ['PATH']}", "sh", "-c", line]


def ends(ports):
    """The values of `--endpoint`."""
    for name, toy_names in ENDS.items():
        addresses = []
        for toy in toy_names:
            toy_name, at, weight = toy.partition("@")
            addresses.append(f"127.0.0.1:{ports[toy_name]}{at}{weight}")
        yield f"{name}={','.join(addresses)}"


def free_row(count, taken):
    """The first of several free ports in a row, none of which is one of those `taken`."""
    while True:
        (first,) = free_ports(1)
        row = range(first, first + count)
        if not taken.intersection(row) and all(map(is_free, row)):
            return first


def is_free(port):
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def compile_to(folder, listen, admin, ports):
    file = folder / "mesh.yaml"
    file.write_text(DOCUMENT)
    options = [option for end in ends(ports) for option in ("--endpoint", end)]
    arguments = ["mesh", "compile", str(file), "--to", "envoy", "--write", str(folder / "run")]
    arguments += ["--listen", f"127.0.0.1:{listen}", "--admin", f"127.0.0.1:{admin}", *options]
    done = subprocess.run(
        [sys.executable, "-m", "rollout.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def hasten(folder, prometheus):
    for file in (folder / "plans").iterdir():
        plan = yaml.safe_load(file.read_text())
        plan["spec"] |= FAST
        plan["spec"]["prometheus"] |= {"url": prometheus}
        plan["spec"]["ramp"]["bake"] = "2s"
        plan["spec"]["guardrails"] = [plan["spec"]["guardrails"][0] | {"margin": MARGIN}]
        file.write_text(yaml.safe_dump(plan))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mesh")
    names = [toy.partition("@")[0] for toy_names in ENDS.values() for toy in toy_names]
    admin, prometheus, *backends = taken = free_ports(2 + len(names))
    listen, ports = free_row(5, set(taken)), dict(zip(names, backends, strict=True))
    printed = compile_to(folder, listen, admin, ports)
    urls = dict(re.findall(r"^(\S+) is asked at (\S+)$", printed, re.MULTILINE))
    envoy_line, run_line = re.findall(r"^cd .*$", printed, re.MULTILINE)
    journal = folder / "journal.db"
    scraped = {"envoy": f"http://127.0.0.1:{admin}/stats/prometheus?usedonly"}
    with ExitStack() as stack:
        url = stack.enter_context(start_prometheus(folder / "prometheus", prometheus, scraped)).url
        hasten(folder / "run", url)
        served = stack.enter_context(toys(ports))
        envoy = register(Process("envoy", command(folder, envoy_line), folder / "envoy.log"))
        stack.callback(envoy.stop)
        envoy.wait_until(lambda: answers(f"http://127.0.0.1:{admin}/ready"))
        mesh = ServedMesh(
            folder / "run", printed, urls, f"http://127.0.0.1:{admin}", served, journal
        )
        mesh.run = Process(
            "surefoot",
            command(folder, f"{run_line} --journal {journal}"),
            folder / "run.log",
        )
        stack.callback(mesh.run.stop)
        asyncio.run(carry_out(mesh))
        yield mesh


async def carry_out(mesh):
    """Both rollouts at once, under load; one canary answers with errors."""
    mesh.toys.failing.add("translator-v2")
    enough = asyncio.Event()
    loads = {
        service: asyncio.create_task(load(f"{mesh.urls[service]}/?ms=10", enough, 2))
        for service in ("summarizer", "translator")
    }
    breakers = asyncio.create_task(asyncio.to_thread(open_breaker, mesh))
    await asyncio.to_thread(until, lambda: not mesh.run.running, "the end of both rollouts", 120)
    await breakers
    await asyncio.sleep(0.5)
    enough.set()
    for service, task in loads.items():
        mesh.outcomes[service] = Counter((r.version, r.status) for r in await task)


def open_breaker(mesh):
    """Of 100 requests 60 fail to one service, and 30 to the other, until a breaker opens."""

    def is_open():
        return re.search(
            r"^ranker::.*::health_flags::/failed_outlier", mesh.clusters(), re.MULTILINE
        )

    end = time.monotonic() + 45
    while not is_open() and time.monotonic() < end:
        # Once more after an interval: Envoy may have ended one in the middle of the hundred.
        for service, failing in (("ranker", 60), ("scorer", 30)):
            mesh.ask(service, failing, "/?status=500")
            mesh.ask(service, 100 - failing)
        with contextlib.suppress(AssertionError):
            until(is_open, "the breaker opens", 11)

    def count_served():
        return sum(count for (name, _), count in mesh.toys.served.items() if name == "ranker")

    before = count_served()
    for service in ("ranker", "scorer"):
        replies = mesh.ask(service, 10)
        mesh.outcomes[service] = Counter((reply.version, reply.status) for reply in replies)
    mesh.asked_while_open = count_served() - before


def test_one_version_is_promoted_and_the_bad_one_rolled_back(served):
    log = served.run.log.read_text()
    assert served.run._popen.returncode == 1, log  # one was not promoted
    router, cwd = EnvoyRouter(), Path.cwd()
    shares = {}
    os.chdir(served.folder)  # the plans' paths begin there
    try:
        for name in ("summaries", "translations"):
            (plan,) = load_file(f"plans/{name}.yaml")
            shares[name] = router.read(plan, 100).split.canary
    finally:
        os.chdir(cwd)
    assert shares == {"summaries": 100, "translations": 0}, log
    assert {reply.version for reply in served.ask("summarizer", 20)} == {"summarizer-v2"}
    assert {reply.version for reply in served.ask("translator", 20)} == {"translator"}


def test_errors_of_a_canary_are_its_users_until_it_is_rolled_back(served):
    """A fallback would have answered for it, and the evidence would have been of the fallback."""
    outcomes = served.outcomes["translator"]
    assert outcomes["translator-v2", 503] > 0
    assert {version for version, _ in outcomes} == {"translator", "translator-v2"}
    assert served.outcomes["summarizer"].keys() == {("summarizer", 200), ("summarizer-v2", 200)}


def test_the_same_key_meets_the_same_endpoint(served):
    versions = {
        key: {reply.version for reply in served.ask("coder", 3, **{"x-conversation": key})}
        for key in map(str, range(24))
    }
    assert all(len(names) == 1 for names in versions.values())
    assert set.union(*versions.values()) == {"coder-a", "coder-b"}


def test_endpoints_are_asked_by_their_weights(served):
    counts = Counter(reply.version for reply in served.ask("scorer", 200))
    assert counts["scorer-a"] == pytest.approx(150, abs=8)  # each of Envoy's threads has its turn
    assert counts.total() == 200


def test_a_request_ends_after_the_time_out(served):
    (reply,) = served.ask("coder", 1, "/?ms=900")
    assert reply.status == 504


def test_another_service_answers_where_the_first_cannot(served):
    served.toys.failing |= {"coder-a", "coder-b"}
    try:
        replies = [reply for _ in range(10) for reply in served.ask("coder", 20)]
    finally:
        served.toys.failing.clear()
    counts = Counter((reply.version, reply.status) for reply in replies)
    assert counts.keys() == {("coder-a", 503), ("coder-b", 503), ("coder-basic", 200)}
    assert {reply.version for reply in replies[-100:]} == {"coder-basic"}, counts


def test_a_breaker_opens_at_its_share_of_errors_and_not_below(served):
    statuses = {
        service: Counter(status for _, status in served.outcomes[service].elements())
        for service in ("ranker", "scorer")
    }
    assert statuses == {"ranker": {503: 10}, "scorer": {200: 10}}
    assert served.asked_while_open == 0
