"""The demo Envoy's configuration: labels that tell versions apart."""

import re
from pathlib import Path

import pytest

from rollout.demo.servers.envoy_config import bootstrap, first_routes, version_of
from rollout.demo.servers.prometheus_config import config
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.weights import split_of


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
