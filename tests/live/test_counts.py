"""Scrapes that mislead, on a real Prometheus: counted exactly, a baseline, or blind in words."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from operator import sub
from pathlib import Path
from threading import Event

import pytest
import requests

from analysis.counting.counts import Counts
from rollout.decide.record.facts import Observed
from rollout.decide.record.split import Split
from rollout.demo.servers.envoy_config import CLUSTERS
from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.doctor.replicas import of_server
from rollout.doctor.setups import of_plan
from rollout.journal.open import open_for_reading
from rollout.wire.doctor_tools import doctor_tools
from tests.live.prom import RATE, GuardrailWatch, Pages, Served, labels
from tests.support.asking import ERRORS, plan
from tests.support.envoy_moves import move
from tests.support.local_envoy import LocalEnvoy, Reply, load, mesh
from tests.support.scrapes import get

pytestmark = pytest.mark.live


class Balancer(Served):
    """Sends each query to the next of several Prometheus servers."""

    def __init__(self, urls: list[str]) -> None:
        turns = itertools.cycle(urls)

        class BalancerHandler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = {"Content-Type": self.headers["Content-Type"]}
                with requests.Session() as session:
                    session.trust_env = False
                    answer = session.post(next(turns) + self.path, body, headers=kind, timeout=5)
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), BalancerHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def page(service: str, canary: int, stable: int, pod: str = "1") -> str:
    rows = {"v1": stable, "v2": canary}.items()
    lines = (f"{RATE}{labels(v, service, envoy_response_code='200', pod=pod)} {n}" for v, n in rows)
    return "\n".join([f"# TYPE {RATE} counter", *lines, ""])


LATE, AGAIN = 14, 14  # scrapes
SERVES = {
    "/steady": lambda n: "".join(page(s, 10 * n, 100 * n) for s in ("balanced", "late", "again")),
    "/twin": lambda n: page("twin", int(time.time()), int(time.time()) * 2),
    "/workers": lambda n: page("workers", 9000 + 3 * n if n % 2 else 4000 + 3 * n, 100 * n),
    "/late": lambda n: page("late", 500_000 + n, 500_000, pod="2") if n >= LATE else "",
    "/again": lambda n: page("again", 5000 + 10 * n if n < AGAIN else 10 * (n - AGAIN), 1, pod="2"),
}
JOBS = {
    "steady": "/steady", "one": "/twin", "two": "/twin",
    "workers": "/workers", "late": "/late", "again": "/again",
}  # fmt: skip


def test_misleading_scrapes_never_count_for_more_than_was_served(tmp_path):
    ports = free_ports(2)
    with Pages(SERVES).serving() as pages:
        jobs = {job: pages.url + path for job, path in JOBS.items()}
        pair = {"steady": jobs["steady"]}
        with (
            start_prometheus(tmp_path / "a", ports[0], jobs) as first,
            start_prometheus(tmp_path / "b", ports[1], pair) as second,
            Balancer([first.url, second.url]).serving() as balancer,
        ):
            services = ("balanced", "twin", "workers", "late", "again")
            watches = {service: _watch(service, first.url) for service in services}
            watches["balanced"] = _watch("balanced", balancer.url)
            problems = {service: set[str]() for service in services}
            begun = time.time()
            time.sleep(8)
            while time.time() < begun + 26:
                for service, watch in watches.items():
                    problems[service].add(watch.look(time.time()))
                time.sleep(0.7)
            findings = {service: _examine(service, first.url) for service in services}
            assert "several servers" in _examine("balanced", balancer.url)
            assert "several servers" not in "".join(findings.values())
    assert 'there twice and count once: {job="one"} and {job="two"}' in findings["twin"]
    assert "several processes seem to answer at one address" in findings["workers"]
    assert 'job="workers"' in findings["workers"]
    assert "twice" not in findings["balanced"]
    seconds = 26 - 6
    totals = {service: watch.total.canary_exposures for service, watch in watches.items()}
    assert 5 <= totals["twin"] <= seconds, totals
    assert "count once" in watches["twin"].unbelieved[0]
    assert any("several processes" in problem for problem in problems["workers"]), problems
    assert totals["workers"] <= 6 * seconds, totals
    assert 10 * seconds <= totals["late"] <= 21 * seconds, totals  # two servers scrape `steady`
    assert any("is new" in words for words in watches["late"].unbelieved)
    assert 15 * seconds <= totals["again"] <= 30 * seconds, totals
    assert 10 * seconds <= totals["balanced"] <= 20 * seconds, totals
    assert problems["twin"] | problems["late"] | problems["again"] == {""}


def test_a_cluster_that_is_updated_in_mid_rollout_counts_what_it_served(tmp_path):
    (port,) = free_ports(1)
    with mesh(tmp_path, watched=True) as net:
        jobs = {"envoy": f"{net.envoy.admin}/stats/prometheus?usedonly"}
        with start_prometheus(tmp_path / "prometheus", port, jobs) as server:
            replies, problems, watch = asyncio.run(_update_clusters(net, server.url))
    served = Counter(reply.version for reply in replies)
    assert {reply.status for reply in replies} == {200}
    assert watch.total.canary_bad == 0
    assert watch.total.canary_exposures <= served["v2"], "never more than was served"
    assert watch.total.stable_exposures <= served["v1"]
    # Lost is what came before the first look's baseline, and between a scrape and an update.
    assert watch.total.stable_exposures >= 0.6 * served["v1"]
    assert watch.total.canary_exposures >= 0.6 * served["v2"]
    assert problems[-1] == ""


async def _update_clusters(
    net: LocalEnvoy, url: str
) -> tuple[list[Reply], list[str], GuardrailWatch]:
    """Send requests to both versions while the canary's cluster is updated, twice."""
    move(net.plan, Split(50), "half")
    enough = asyncio.Event()
    traffic = asyncio.create_task(load(net.envoy.url + "/?ms=20", enough))
    watch = GuardrailWatch(url, ERRORS, scrape="1s")
    problems = []
    for second in range(24):
        await asyncio.sleep(1)
        problems.append(await asyncio.to_thread(watch.look, time.time()))
        if second in {9, 15}:
            _set_connect_timeout(net.folder / CLUSTERS, "summarizer-v2", f"{second}s")
    enough.set()
    replies = await traffic
    await asyncio.sleep(2)
    problems.append(await asyncio.to_thread(watch.look, time.time()))
    return replies, problems, watch


def _set_connect_timeout(path: Path, cluster: str, timeout: str) -> None:
    """Change one field of a cluster, as an operator does: Envoy sees a file that is moved there."""
    config = json.loads(path.read_text())
    (entry,) = (entry for entry in config["resources"] if entry["name"] == cluster)
    entry["connect_timeout"], config["version_info"] = timeout, timeout
    fresh = path.with_suffix(".fresh")
    fresh.write_text(json.dumps(config))
    fresh.rename(path)


KILLS = (2.5, 0.7, 3.1, 1.4, 4.0, 0.3, 2.2)  # seconds of a life


def _count_page(pod: str, failing: Event, number: int) -> str:
    times = 3 if pod == "/two" else 1  # the same counts would be one process scraped twice
    rows = {("v1", "200"): 100 * times * number, ("v2", "200"): 10 * times * number}
    if failing.is_set():
        rows["v2", "503"] = times * (40 + number)  # the first errors come all at once
    lines = (
        f"{RATE}{labels(version, envoy_response_code=code, pod=pod)} {value}"
        for (version, code), value in rows.items()
    )
    return "\n".join([f"# TYPE {RATE} counter", *lines, ""])


def test_a_controller_that_is_killed_between_looks_counts_what_the_servers_counted(tmp_path):
    (port,) = free_ports(1)
    failing = Event()
    serves = {path: partial(_count_page, path, failing) for path in ("/one", "/two")}
    with Pages(serves).serving() as pages:
        jobs = {path[1:]: pages.url + path for path in serves}
        with start_prometheus(tmp_path / "prometheus", port, jobs) as server:
            time.sleep(8)  # its first samples
            command = [sys.executable, "-m", "tests.live.counting_controller", tmp_path, server.url]
            for life in KILLS:
                before = len(_list_looks(tmp_path / "journal.db"))
                with subprocess.Popen([*map(str, command)]) as controller:
                    try:
                        until = time.time() + 60
                        while len(_list_looks(tmp_path / "journal.db")) == before:
                            assert time.time() < until, "it never looked"
                            time.sleep(0.1)
                        time.sleep(life)
                    finally:
                        controller.kill()
                assert controller.returncode == -signal.SIGKILL
                failing.set()  # while nobody looks
            facts = _list_looks(tmp_path / "journal.db")
            looks = [fact.tallies["errors"] for fact in facts if fact.tallies]
            ends = looks[0].until, looks[-1].until
            first, last = (_stored_by_arm(server.url, at) for at in ends)
    assert not any(fact.unbelieved for fact in facts)
    assert len(looks) > 3
    counted = sum((look.counts for look in looks), Counts())
    assert counted.canary_bad >= 40
    assert {"v1": counted.stable, "v2": counted.canary} == {
        version: tuple(map(sub, last[version], first[version])) for version in ("v1", "v2")
    }


def _list_looks(path: Path) -> list[Observed]:
    if not path.exists():
        return []
    facts = [entry.fact for entry in open_for_reading(path).read()]
    return [fact for fact in facts if isinstance(fact, Observed)]


def _stored_by_arm(url: str, at: float) -> Mapping[str, tuple[int, int]]:
    """Return units and bad units by version that the servers had counted at a time."""
    answer = get(f"{url}/api/v1/query", query=RATE, time=f"{at:.3f}").json()
    units = {"v1": (0, 0), "v2": (0, 0)}
    for row in answer["data"]["result"]:
        version, number = row["metric"]["destination_version"], int(row["value"][1])
        bad = number * (row["metric"]["envoy_response_code"] == "503")
        units[version] = units[version][0] + number, units[version][1] + bad
    return units


def _examine(service: str, url: str) -> str:
    """Return what `doctor` tells of a plan's Prometheus and its samples, a line each."""
    examined, tools = plan(service, [ERRORS], url, scrape="1s"), doctor_tools()
    findings = [
        *of_server(examined, tools.read, tools.now()),
        *of_plan(examined, tools.read, tools.now()),
    ]
    return "\n".join(map(str, findings))


def _watch(service: str, url: str) -> GuardrailWatch:
    return GuardrailWatch(url, ERRORS, scrape="1s", service=service)
