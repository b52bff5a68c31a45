"""What Envoy counts and Prometheus scrapes: the series that the templates name, exactly."""

import asyncio
import re
import time

import aiohttp
import pytest

from rollout.decide.record.split import Split
from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.plan.model.templates import METRICS
from rollout.route.envoy.bootstrap import LATENCY_EDGES
from rollout.route.envoy.proxy import EnvoyRouter
from tests.support.local_envoy import SERVICE, ask, ask_many, mesh
from tests.support.scrapes import codes, get, stored

pytestmark = pytest.mark.live
ERRORS, LATENCY = METRICS["envoy/errors"], METRICS["envoy/latency"]


def page(net, series):
    """Every (labels, value) of a series on Envoy's own metrics page."""
    samples = re.findall(rf"^{series}{{(.*)}} (\S+)$", get(net.envoy.metrics).text, re.MULTILINE)
    return [(dict(re.findall(r'(\w+)="([^"]*)"', text)), value) for text, value in samples]


def below(samples, version):
    """Requests at or below each edge, from samples of the latency template's series."""
    return {
        float(of["le"]): int(value)
        for of, value in samples
        if (of[LATENCY.service], of[LATENCY.version]) == (SERVICE, version)
    }


def wait(condition, seconds):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not so after {seconds} s"
        time.sleep(0.05)


def test_prometheus_shows_the_versions_own_counts_under_the_labels_of_the_templates(tmp_path):
    (port,) = free_ports(1)
    with (
        mesh(tmp_path / "envoy") as net,
        start_prometheus(tmp_path / "prometheus", port, {"envoy": net.envoy.metrics}) as prometheus,
    ):
        EnvoyRouter().write(net.plan, Split(50), "half")
        wait(lambda: EnvoyRouter().read(net.plan, 100).write_id == "half", 5)
        for path, count in (("/", 60), ("/?status=500", 20), ("/?status=404", 10)):
            asyncio.run(ask_many(net.envoy.url + path, count))
        assert sum(net.toys.served.values()) == 90
        wait(lambda: codes(stored(prometheus, ERRORS.total.series)) == net.toys.served, 20)
        for version in ("v1", "v2"):
            count = sum(n for (of, _), n in net.toys.served.items() if of == version)
            wait(lambda n=count, of=version: total(prometheus, of) == n, 5)


def total(prometheus, version):
    return below(stored(prometheus, LATENCY.total.series), version).get(float("inf"))


def test_every_bucket_holds_the_requests_that_took_less_than_its_latency(net):
    """Envoy's time of a request lies between the version's own sleep and the client's time."""
    delays = (3, 6, 9, 11, 14, 17, 19, 22, 31, 47, 49, 61, 77, 82, 93, 98, 102, 105, 109, 118, 145)

    async def main():
        async with aiohttp.ClientSession() as http:
            return [(ms, await ask(http, f"{net.envoy.url}/?ms={ms}")) for ms in delays]

    replies = asyncio.run(main())
    wait(lambda: below(page(net, LATENCY.total.series), "v1").get(float("inf")) == len(delays), 5)
    counts = below(page(net, LATENCY.total.series), "v1")
    assert set(counts) == {*LATENCY_EDGES, float("inf")}
    for edge in LATENCY_EDGES:
        latency = round(edge * 4096 / 4095)
        surely = sum(reply.seconds * 1000 < latency for _, reply in replies)
        at_most = sum(ms - 1 < latency for ms, _ in replies)  # a sleep may end a tick early
        assert surely <= counts[edge] <= at_most, edge


def test_a_dead_version_s_requests_are_its_errors_and_no_latencies(tmp_path):
    with mesh(tmp_path, dead="v2") as net:
        EnvoyRouter().write(net.plan, Split(100), "all")
        wait(lambda: EnvoyRouter().read(net.plan, 100).write_id == "all", 5)
        asyncio.run(ask_many(net.envoy.url, 20))
        assert codes(page(net, ERRORS.total.series)) == {("v2", 503): 20}
        time.sleep(0.5)  # a latency would have been merged by now
        assert below(page(net, LATENCY.total.series), "v2").get(float("inf"), 0) == 0
