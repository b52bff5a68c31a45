"""A rehearsal reads its base rates from a real Prometheus, with the production queries."""

import pytest

from rollout.rehearse.measure import measure
from rollout.wire.doctor_tools import observer
from tests.live.prom import RATE, SHAPE, labels, past
from tests.support.worlds import plan

pytestmark = pytest.mark.live
NOW, SPAN, SCRAPE = 1_700_000_000, 1800, 15


def grown(text, increment):
    """A counter that grows by `each` per scrape."""
    times = range(NOW - SPAN - SCRAPE, NOW + 1, SCRAPE)
    return [(text, at, 7 + increment * number) for number, at in enumerate(times)]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    rates = [
        *grown(labels("v1", envoy_response_code="200"), 297),
        *grown(labels("v1", envoy_response_code="503"), 3),
    ]
    shapes = [
        row
        for edge, increment in (("25", 30), ("50", 150), ("100", 270), ("+Inf", 300))
        for row in grown(labels("v1", le=edge), increment)
    ]
    with past(tmp_path_factory.mktemp("past"), {RATE: rates, SHAPE: shapes}) as address:
        yield address


def test_stable_s_figures_are_read_as_they_were_written(url):
    asked = plan(prometheus={"url": url, "scrape": "15s"}, interval="30s")
    measured = measure(asked, observer(), NOW, SPAN)
    figures = measured.figures
    assert figures.rate == pytest.approx(20.0)
    assert figures.errors == pytest.approx(0.01)
    assert figures.latency_edges == (25.0, 50.0, 100.0)
    assert figures.latency_shares == pytest.approx((0.1, 0.4, 0.4, 0.1))
    assert measured.problems == {"accuracy": "no samples of stable at both ends of that time"}


def test_a_share_beyond_an_edge_is_measured_with_the_whole_distribution(url):
    slow = {"name": "slow", "template": "envoy/latency"}
    margin = {"absolute": "1%"}
    guardrails = [
        {**slow, "slower": {"than": "50ms", "margin": margin}},
        {**slow, "name": "slowest", "slower": {"than": "70ms", "margin": margin}},
    ]
    asked = plan(prometheus={"url": url, "scrape": "15s"}, interval="30s", guardrails=guardrails)
    measured = measure(asked, observer(), NOW, SPAN)
    assert measured.figures.latency_edges == (25.0, 50.0, 100.0)
    assert measured.figures.latency_shares == pytest.approx((0.1, 0.4, 0.4, 0.1))
    problem = "no bucket of stable ends at 70 ms: the nearest edges are 50 ms and 100 ms"
    assert measured.problems == {"slowest": problem}
    assert measured.unread == {"slowest"}
