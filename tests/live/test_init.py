"""A plan is drafted from the series of a real Prometheus, and is one that reads them."""

import time

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.plan.reading.load import load
from tests.live.prom import past

pytestmark = pytest.mark.live
SCRAPE, SCRAPES = 15, 120
UNITS = {"v1": 90, "v2": 10}
SHARES = {"25": 0.2, "100": 0.9, "250": 0.97, "500": 1, "+Inf": 1}


def grown(text, increment, now):
    times = range(now - SCRAPE * SCRAPES, now + 1, SCRAPE)
    return [(text, at, 7 + increment * number) for number, at in enumerate(times)]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    now = int(time.time()) // SCRAPE * SCRAPE
    rates, times = [], []
    for version, units in UNITS.items():
        labels = (
            f'reporter="source",destination_service_name="summarizer",'
            f'destination_version="{version}",destination_service_namespace="clinic"'
        )
        pods = ("a", "b") if version == "v1" else ("a",)
        for pod in pods:
            rates += grown(f'{{{labels},pod="{pod}",response_code="200"}}', units, now)
            rates += grown(f'{{{labels},pod="{pod}",response_code="503"}}', 1, now)
            for le, share in SHARES.items():
                text = f'{{{labels},pod="{pod}",le="{le}"}}'
                times += grown(text, int(10 * units * share), now)
    metrics = {"istio_requests_total": rates}
    metrics["istio_request_duration_milliseconds_bucket"] = times
    with past(tmp_path_factory.mktemp("past"), metrics) as address:
        yield address


def call(*arguments):
    return CliRunner().invoke(surefoot, ["init", *arguments])


def test_the_plan_reads_what_the_service_has(url):
    done = call("summarizer", "--prometheus", url)
    assert done.exit_code == 0, done.output
    (plan,) = load(done.stdout, "draft")
    assert (plan.metadata.namespace, plan.spec.service) == ("clinic", "summarizer")
    assert (plan.spec.stable.version, plan.spec.canary.version) == ("v1", "v2")
    assert [guardrail.name for guardrail in plan.spec.guardrails] == [
        "istio-errors",
        "istio-latency",
    ]
    assert plan.spec.guardrails[1].metric.edge == 250


def test_services_are_listed_and_an_unknown_one_is_bad_input(url):
    assert call("--prometheus", url).output == (
        "summarizer: versions v1, v2; istio/errors, istio/latency\n"
    )
    unknown = call("typo", "--prometheus", url)
    assert unknown.exit_code == 2
    assert "summarizer" in unknown.output


def test_a_version_that_cannot_be_stable_is_bad_input(url):
    typo = call("summarizer", "--prometheus", url, "--stable", "v9")
    assert typo.exit_code == 2
    assert "no series of a version 'v9', it has v1, v2" in typo.output
    twin = call("summarizer", "--prometheus", url, "--stable", "v2", "--canary", "v2")
    assert twin.exit_code == 2
    assert "v2 is stable's version" in twin.output
    assert call("summarizer", "--prometheus", url, "--canary", "v3").exit_code == 0, "yet to come"


def test_a_file_that_is_there_is_not_written_over(url, tmp_path):
    file = tmp_path / "plan.yaml"
    assert call("summarizer", "--prometheus", url, "-o", str(file)).exit_code == 0
    text = file.read_text()
    assert call("summarizer", "--prometheus", url, "-o", str(file)).exit_code == 2
    assert file.read_text() == text
    assert CliRunner().invoke(surefoot, ["check", str(file)]).exit_code == 0
