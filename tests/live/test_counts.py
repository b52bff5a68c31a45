"""Scrapes that mislead, on a real Prometheus: counted exactly, a baseline, or blind in words."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.doctor.replicas import of_server
from rollout.doctor.setups import of_plan
from rollout.wire.doctor_tools import doctor_tools
from tests.live.prom import RATE, GuardrailWatch, Served, labels
from tests.support.asking import ERRORS, plan

pytestmark = pytest.mark.live


class Pages(Served):
    """Metrics pages by path; `serves` are functions of a path's number of requests."""

    def __init__(self, serves: dict[str, Callable[[int], str]]) -> None:
        asked = {path: itertools.count() for path in serves}

        class PageHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = serves[self.path](next(asked[self.path]))
                self.send_response(200 if text else 503)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), PageHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


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
