"""The latencies at which our Envoy counts: edges that count exactly."""

from itertools import pairwise

from rollout.route.envoy.bootstrap import LATENCIES, LATENCY_EDGES


def test_latencies_have_two_significant_digits_and_grow():
    assert all(float(f"{latency:.1e}") == latency for latency in LATENCIES)
    assert list(LATENCIES) == sorted(set(LATENCIES))


def test_each_edge_lies_in_the_bin_just_below_its_latency():
    for latency, edge in zip(LATENCIES, LATENCY_EDGES, strict=True):
        start_of_bin = latency - 10 ** (len(str(latency - 1)) - 2)
        assert start_of_bin <= edge < latency
        assert len(repr(edge)) < 20


def test_most_edges_have_one_a_factor_of_exactly_1_25_below():
    paired = [edge for edge in LATENCY_EDGES if edge / 1.25 in LATENCY_EDGES]
    assert len(paired) > 0.6 * len(LATENCY_EDGES)
    gaps = [b / a for a, b in pairwise(paired) if 10 < a < 4000]
    assert max(gaps) < 1.35  # a guarded quantile is never far from a paired edge
