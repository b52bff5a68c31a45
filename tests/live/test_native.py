"""Native histograms from a real Prometheus: exact counts on both arms, whatever their schemas."""

import json
import shutil
import time

import pytest

from analysis.counting.native_histogram import Grid, merged
from rollout.demo.servers.process import Process, answers, free_ports
from rollout.demo.servers.prometheus_config import config
from rollout.doctor.series import of_plan
from rollout.plan.model.prometheus import PrometheusServer
from tests.live.native import NAME, NativeExporter
from tests.live.prom import GuardrailWatch
from tests.support.asking import LATENCY, plan

pytestmark = pytest.mark.live


@pytest.fixture
def exporter():
    with NativeExporter().serving() as native:
        native.values["v1"].update({0.0: 2, 3.0: 400, 100.0: 70, 900.0: 3})
        native.values["v2"].update({3.0: 4})
        yield native


@pytest.fixture
def url(exporter, tmp_path):
    assert shutil.which("prometheus"), "prometheus is missing: run `apt-get install -y prometheus`"
    settings, address = tmp_path / "prometheus.json", f"127.0.0.1:{free_ports(1)[0]}"
    settings.write_text(json.dumps(config({"toy": exporter.url}, "200ms")))
    options = {
        "config.file": settings,
        "storage.tsdb.path": tmp_path / "data",
        "web.listen-address": address,
        "enable-feature": "native-histograms",
    }
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    with Process("prometheus", command, tmp_path / "prometheus.log") as server:
        server.wait_until(lambda: answers(f"http://{address}/-/ready"))
        yield f"http://{address}"


def look(watch, exporter):
    """Look once everything that the exporter counts by now was scraped; returns the evidence."""
    truth = {version: values.total() for version, values in exporter.values.items()}
    before, until = watch.total, time.monotonic() + 60
    while True:
        samples = watch.observer.vector(
            PrometheusServer(url=watch.words["url"]), f"histogram_count({NAME})"
        )
        if {of["destination_version"]: count for of, count in samples} == truth:
            break
        assert time.monotonic() < until, f"Prometheus shows {samples}, not {truth}"
        time.sleep(0.05)
    watch.total = type(before)()
    assert not watch.look(time.time())
    return watch.total


def test_every_unit_is_counted_once_through_schemas_and_restarts(exporter, url):
    watch = GuardrailWatch(url, LATENCY, scrape="1s")
    assert look(watch, exporter).stable_exposures == 0  # the baseline
    exporter.values["v1"].update({3.0: 7, 100.0: 1})
    exporter.values["v2"].update({100.0: 5})
    first = look(watch, exporter)
    fine = Grid(3, 0, 13)
    assert watch.cursor.grid == fine
    at = {edge: i for i, edge in enumerate(fine.edges)}
    edges = {value: min(edge for edge in at if edge >= value) for value in (3.0, 100.0)}
    assert first.stable[at[edges[3.0]]] == 7
    assert first.canary[at[edges[100.0]]] == 5
    assert (first.stable_exposures, first.canary_exposures) == (8, 5)
    exporter.schema["v2"] = 1  # full: the library merges its buckets
    exporter.values["v2"].update({3.0: 2, 0.0: 1})
    exporter.values["v1"].update({900.0: 6})
    second = look(watch, exporter)
    coarse = Grid(1, 0, 13)
    assert second.edges == coarse.edges
    assert set(coarse.edges) < set(fine.edges)
    assert (second.stable_exposures, second.canary_exposures) == (6, 3)
    assert second.canary[0] == 1
    assert merged(first.stable, first.edges, coarse.edges)[coarse.edges.index(4.0)] == 7
    for _ in range(4):  # a fall soon after the baseline has to last, before it is a restart
        exporter.values["v1"].update({3.0: 1})
        assert look(watch, exporter).stable_exposures == 1
    exporter.values["v1"].clear()  # stable restarts, and has counted again before the next scrape
    exporter.values["v1"].update({3.0: 11})
    assert look(watch, exporter).stable_exposures == 11
    (finding,) = of_plan(plan(guardrails=[LATENCY], url=url), watch.observer.vector)
    assert (finding.level, finding.said) == (
        "ok",
        "v1 and v2 have series, native histograms without classic buckets",
    )


def test_a_share_beyond_an_edge_is_exact_through_schemas_beyond_all_values(exporter, url):
    margin = {"absolute": "1%"}
    slow = {"name": "slow", "template": "envoy/latency"}
    watch, far, odd = (
        GuardrailWatch(url, {**slow, "slower": {"than": than, "margin": margin}}, scrape="1s")
        for than in ("64ms", "65.536s", "70ms")
    )
    assert look(watch, exporter).stable_exposures == 0  # the baseline
    far.look(time.time())
    exporter.values["v1"].update({64.0: 7, 100.0: 1})
    exporter.schema["v2"] = 1  # full: the library merges its buckets
    exporter.values["v2"].update({65.0: 5, 3.0: 2})
    counted = look(watch, exporter)
    assert (counted.canary, counted.stable) == ((2, 5), (7, 1))
    far.total = type(counted)()
    assert not far.look(time.time())
    assert (far.total.canary, far.total.stable) == ((7, 0), (8, 0))
    problem = odd.look(time.time())
    assert problem.startswith("no bucket of the canary ends at 70 ms: the nearest edges are 64 ms")
