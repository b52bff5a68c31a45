"""What each version cost: read from what Envoy and the judge tell Prometheus."""

import pytest

from rollout.demo.costs import Cost, Edges, costs

LABELS = 'envoy_cluster_name="summarizer",destination_version="{}"'
REQUESTS = "# TYPE envoy_cluster_upstream_rq counter\n" + "".join(
    f'envoy_cluster_upstream_rq{{envoy_response_code="{code}",{LABELS.format(version)}}} {count}\n'
    for version, code, count in [("v2", 200, 990), ("v2", 503, 10), ("v3", 200, 100)]
)
TIMES = "".join(
    f'envoy_cluster_upstream_rq_time_bucket{{{LABELS.format(version)},le="{edge}"}} {count}\n'
    for version, *counts in [("v2", 600, 970, 1000), ("v3", 10, 60, 100)]
    for edge, count in zip(("50", "119.970703125", "+Inf"), counts, strict=True)
)
SCORES = "".join(
    f'gen_ai_evaluation_score_bucket{{judge="a",model_version="v2",le="{edge}"}} {count}.0\n'
    for edge, count in [("0.18", 3), ("0.3", 20), ("+Inf", 600)]
)


def test_each_version_is_counted_beyond_the_edges_of_the_decision():
    costs_by_version = costs(REQUESTS + TIMES, SCORES, Edges(latency=119.971, score=0.18))
    assert costs_by_version == {
        "v2": Cost(requests=1000, failed=10, slow=30, scored=600, poor=3),
        "v3": Cost(requests=100, failed=0, slow=40, scored=0, poor=0),
    }


def test_without_an_edge_nothing_is_called_slow_or_poor():
    cost = costs(REQUESTS + TIMES, SCORES, Edges())["v2"]
    assert (cost.slow, cost.scored, cost.poor) == (
        None,
        600,
        None,
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", 'envoy_cluster_upstream_rq{a="b"} 3\n'])
def test_nothing_served_costs_nothing(text):
    assert costs(text, text, Edges(1.0, 1.0)) == {}


def test_an_edge_that_no_bucket_has_is_not_rounded_to_another():
    cost = costs(REQUESTS + TIMES, SCORES, Edges(latency=150.0, score=0.2))["v2"]
    assert (cost.slow, cost.poor) == (None, None)
