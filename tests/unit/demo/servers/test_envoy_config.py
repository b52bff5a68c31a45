"""The demo Envoy's configuration: edges that count exactly, labels that tell versions apart."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from rollout.demo.servers.envoy_config import (
    LATENCIES,
    LATENCY_EDGES,
    bootstrap,
    first_routes,
    version_of,
)
from rollout.demo.servers.prometheus_config import config
from rollout.route.envoy.weights import Arms, split_of


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


@pytest.mark.parametrize(
    ("cluster", "version"),
    [("s-v1", "v1"), ("s-v1.2-rc", "v1.2-rc"), ("other-v3", "v3")],
)
def test_versions_of_clusters(cluster, version):
    assert version_of(cluster, "s") == version


def test_labels_tell_versions_apart_even_with_dots():
    clusters = {"s-v1": 1, "s-v1.2": 2}
    tags = bootstrap(Path("/d"), 1, 2, clusters, "s")["stats_config"]["stats_tags"]
    for version in ("v1", "v1.2"):
        name = f"cluster.s;{version}.upstream_rq_200"
        values = [re.search(tag["regex"], name) for tag in tags]
        assert [(match[1], match[2]) for match in values if match] == [
            (f"s;{version}.", "s"),
            (f"s;{version}.", version),
        ]


def test_all_traffic_goes_to_the_first_version_without_retries():
    routes = first_routes("s", "s-v1")
    assert split_of(routes, Arms("s-v1", "s-v2"), 100).canary == 0
    assert "retry" not in str(routes)


def test_a_target_s_url_becomes_a_scrape_job():
    (job,) = config({"envoy": "http://h:1/stats/prometheus?usedonly"}, "1s")["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["h:1"]}]
    assert (job["metrics_path"], job["params"]) == ("/stats/prometheus", {"usedonly": [""]})
