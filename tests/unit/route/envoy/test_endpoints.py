"""Whether an arm of a local Envoy can answer: known only where Envoy checks it actively."""

import json

import pytest

from rollout.errors import RouteError
from rollout.route.envoy import admin
from rollout.route.envoy.proxy import EnvoyRouter
from rollout.route.envoy.safety_net import is_serving
from tests.support.worlds import plan

HEALTHY = "summarizer-v2::10.0.0.1:80::health_flags::healthy"
FAILED = "summarizer-v2::10.0.0.2:80::health_flags::/failed_active_hc"
OTHER = "summarizer-v2-shadow::10.0.0.1:80::health_flags::healthy"
CHECKED = {"configs": [{"cluster": {"name": "summarizer-v2", "health_checks": [{}]}}]}
CHECKED_STABLE = {"name": "summarizer-v1", "health_checks": [{}]}
UNCHECKED = {"configs": [{"cluster": {"name": "summarizer-v2"}}]}


@pytest.mark.parametrize(
    ("lines", "serving"),
    [
        ([HEALTHY], True),
        ([FAILED], False),
        ([FAILED, HEALTHY], True),
        ([OTHER], False),
        ([], False),
    ],
)
def test_a_cluster_serves_with_one_endpoint_that_has_not_failed(lines, serving):
    assert is_serving("\n".join(lines), "summarizer-v2") is serving


@pytest.mark.parametrize(
    ("dumps", "clusters", "answer"),
    [
        ({"static_clusters": CHECKED}, FAILED, False),
        ({"static_clusters": CHECKED}, HEALTHY, True),
        ({"dynamic_active_clusters": CHECKED}, FAILED, False),
        ({"static_clusters": UNCHECKED, "dynamic_active_clusters": UNCHECKED}, FAILED, None),
        ({}, FAILED, None),
        ({"static_clusters": CHECKED}, None, None),
    ],
)
def test_endpoints_are_unknown_without_active_checks(monkeypatch, dumps, clusters, answer):
    answering(monkeypatch, dumps, clusters)
    assert EnvoyRouter().endpoints(plan(), "canary") is answer


def answering(monkeypatch, dumps, clusters):
    """An Envoy with these dumps and clusters; without clusters it does not answer for them."""

    def ask(_route, path):
        resource = path.partition("resource=")[2]
        if resource in dumps:
            return json.dumps(dumps[resource])
        if path == "/clusters" and clusters is not None:
            return clusters
        raise RouteError("Envoy said 404")

    monkeypatch.setattr(admin, "ask", ask)


STABLE = FAILED.replace("summarizer-v2", "summarizer-v1")


@pytest.mark.parametrize(
    ("dumps", "clusters", "answer"),
    [
        ({"static_clusters": CHECKED}, f"{HEALTHY}\n{STABLE}", None),
        ({"static_clusters": {"configs": [{"cluster": CHECKED_STABLE}]}}, STABLE, False),
        ({"static_clusters": CHECKED}, HEALTHY, False),
        ({}, None, None),
    ],
    ids=["unchecked", "failed", "a cluster that is not there", "no answer"],
)
def test_stable_is_asked_for_by_its_own_cluster(monkeypatch, dumps, clusters, answer):
    answering(monkeypatch, dumps, clusters)
    assert EnvoyRouter().endpoints(plan(), "stable") is answer
