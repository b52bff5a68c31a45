"""Metrics that teams declare, and those that are shipped, scraped by a real Prometheus."""

from __future__ import annotations

import time

import pytest

from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.doctor.series import of_plan
from rollout.plan.model.templates import SHIPPED as TEMPLATES
from rollout.wire.prometheus import open_prometheus
from tests.live.dotted import DOTTED_PAGES, keep_dots
from tests.live.expositions import DECLARED, SHIPPED, Exposition
from tests.live.pipeline import until
from tests.live.prom import GuardrailWatch, Pages
from tests.live.shipped_pages import SHIPPED_PAGES
from tests.support.asking import plan

pytestmark = pytest.mark.live

ALL = DECLARED | SHIPPED | SHIPPED_PAGES | DOTTED_PAGES
SCRAPES = 5  # that lie between the two looks


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    """A Prometheus that has scraped every page for some seconds."""
    pages = {f"/{path_of(name)}": exposition.page() for name, exposition in ALL.items()}
    with Pages(pages).serving() as serving:
        targets = {path_of(name): f"{serving.url}/{path_of(name)}" for name in ALL}
        folder = tmp_path_factory.mktemp("declared")
        server = start_prometheus(folder, free_ports(1)[0], targets)
        try:
            wait_for_scrapes(server.url, 2 * SCRAPES)
            with keep_dots(server.url) as front:
                yield {name: front.url if name in DOTTED_PAGES else server.url for name in ALL}
        finally:
            server.stop()


def path_of(name):
    return name.replace("/", "-")


def wait_for_scrapes(url, number):
    observer, end = open_prometheus(), time.monotonic() + 60
    server = plan(url=url).spec.prometheus.server
    while time.monotonic() < end:
        counts = [count for _, count in observer.vector(server, "count_over_time(up[1m])")]
        if len(counts) == len(ALL) and min(counts) >= number:
            return
        time.sleep(0.5)
    raise AssertionError("the pages are not scraped")


def watch_of(urls, name: str):
    """Watch what stands on one page: several templates read series of one name."""
    exposition: Exposition = ALL[name]
    page = {"where": [{"label": "job", "value": path_of(name)}]}
    guardrail = exposition.guardrail | {"labels": exposition.guardrail.get("labels", {}) | page}
    watch = GuardrailWatch(urls[name], guardrail, scrape="1s", service="summarizer")
    watch.words["versions"] = (exposition.stable_version, exposition.canary_version)
    return watch


def test_every_shipped_template_is_read_here():
    assert sorted(ALL.keys() - DECLARED) == sorted(TEMPLATES)


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_production_reader_counts_what_the_page_shows(urls, name):
    exposition, watch = ALL[name], watch_of(urls, name)
    now = time.time()
    assert [watch.look(at) for at in (now - SCRAPES, now)] == ["", ""]
    for counted, served in (
        (watch.total.canary, exposition.canary),
        (watch.total.stable, exposition.stable),
    ):
        units = sum(counted) if watch.total.edges else counted[0]
        assert units >= served[0]
        # Whole scrapes are counted, so the bad ones are exactly in proportion.
        assert counted[-1] * served[0] == units * served[1]


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_doctor_finds_the_series_of_both_versions(urls, name):
    """A scrape that a busy machine misses is one that the doctor tells: the next is there again."""
    words, ask = watch_of(urls, name).words, open_prometheus().vector

    def examine():
        (finding,) = of_plan(plan(**words), ask)
        return finding if finding.level == "ok" else None

    finding = until(examine, "series of both versions", 60)
    assert finding.said.startswith(
        f"{ALL[name].stable_version} and {ALL[name].canary_version} have series"
    )


def test_what_must_not_happen_is_counted_from_the_first_time_on_without_stable(tmp_path):
    guardrail = {
        "name": "leaks",
        "counter": {"series": "outputs_total", "bad": {"identifier": "!="}, "unit": "outputs"},
        "labels": {"version": "build"},
        "never": {"count": 1},
    }
    first = 6  # scrapes that show nothing at all: then outputs and a leak stand there at once

    def page(n):
        rows = "".join(
            f'outputs_total{{build="v2"{more}}} {units}\n'
            for more, units in (("", 9 * (n - first)), (',identifier="name"', 1))
        )
        return "up_and_running 1\n" + rows * (n > first)

    with Pages({"/v2": page}).serving() as serving:
        server = start_prometheus(tmp_path, free_ports(1)[0], {"v2": f"{serving.url}/v2"})
        try:
            observer, asked = open_prometheus(), plan(url=server.url).spec.prometheus.server
            watch, end = GuardrailWatch(server.url, guardrail, scrape="1s"), time.monotonic() + 60
            watch.began = time.time()
            while time.monotonic() < end and not watch.total.canary_bad:
                assert not watch.look(time.time())
                time.sleep(0.5)
            samples = observer.vector(asked, "outputs_total")
        finally:
            server.stop()
    assert watch.total.canary_bad == 1
    assert watch.total.stable == (0, 0)
    assert watch.total.canary_exposures <= max(value for _, value in samples) + 1
    assert not watch.unbelieved
