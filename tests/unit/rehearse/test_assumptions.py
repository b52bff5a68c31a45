"""What is given wins over what is read, and that over what is assumed, which is named."""

import math

import pytest

from analysis.histograms.bucket_test import boundaries
from analysis.histograms.edges import pairs
from rollout.rehearse.assumptions import ASSUMED, KnownFigures, base, latency_edges, score_edges
from tests.support.worlds import plan


def test_nothing_known_is_assumed_and_named():
    start = base(plan(), KnownFigures())
    assert start.rate == ASSUMED.rate
    assert start.lag == 8.0, "the plan's own"
    assert start.assumed == (
        *("rate", "errors", "latency", "sigma", "latency_edges"),
        *("score", "score_sd", "score_edges", "labelled"),
    )


def test_only_what_the_plan_looks_at_is_missed():
    rate = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    assert base(plan(guardrails=[rate]), KnownFigures(rate=5.0)).assumed == ("errors",)


def test_given_figures_come_first():
    read = KnownFigures(
        rate=5.0, errors=0.02, latency_edges=(1.0, 2.0), latency_shares=(0.1, 0.2, 0.7)
    )
    start = base(plan(), KnownFigures(rate=9.0, errors=0.0).over(read))
    assert (start.rate, start.stable.errors) == (9.0, 0.0)
    assert start.stable.latency_shares == (0.1, 0.2, 0.7)


@pytest.mark.parametrize(
    "given", [KnownFigures(latency=80.0), KnownFigures(latency_edges=(1.0, 5.0))]
)
def test_a_stated_distribution_replaces_the_recorded_one(given):
    read = KnownFigures(latency_edges=(1.0, 2.0), latency_shares=(0.1, 0.2, 0.7))
    assumed = given.over(read)
    assert assumed.latency_shares is None
    assert assumed.latency_edges == (given.latency_edges or (1.0, 2.0))


@pytest.mark.parametrize("tolerance", [0.02, 0.1, 0.25, 1.0])
def test_assumed_latency_buckets_express_the_tolerance_exactly(tolerance):
    edges = latency_edges(50.0, 0.4, tolerance)
    found_pairs = pairs(boundaries(edges, "high", relative=True), math.log1p(tolerance))
    assert found_pairs
    assert all(pair.slack < 1e-6 for pair in found_pairs)
    assert len(edges) <= 201


@pytest.mark.parametrize("tolerance", [0.02, 0.04, 0.25])
def test_assumed_score_buckets_express_the_tolerance_exactly(tolerance):
    edges = score_edges(tolerance)
    found_pairs = pairs(boundaries(edges, "low", relative=False), tolerance)
    assert all(pair.slack < 1e-4 for pair in found_pairs)
    assert edges[-1] == 1.0
