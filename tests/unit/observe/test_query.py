"""One query per metric for the fleet, over a window that holds all that is new."""

import re

import pytest

from rollout.observe.query import queries
from tests.support.asking import ERRORS, LATENCY, ask

NOW = 10_000.0
LATENCIES = "envoy_cluster_upstream_rq_time"


def window(text):
    return int(text.rpartition("[")[2].removesuffix("s]"))


def test_two_metrics_of_two_rollouts_are_two_queries():
    found_queries = queries([ask(service="a"), ask(service="b")], NOW)
    labels = '{destination_service=~"a|b",destination_version=~"v1|v2"}[15s]'
    assert [query.text for query in found_queries] == [
        f"envoy_cluster_upstream_rq{labels}",
        labels.replace("{", f'{{__name__=~"{LATENCIES}_bucket|{LATENCIES}",'),
    ]
    assert [[member.rollout for member in query.parts] for query in found_queries] == [
        ["a", "b"]
    ] * 2


def test_a_template_s_own_matchers_and_the_plan_s_labels_are_used():
    istio = ERRORS | {"template": "istio/errors", "labels": {"version": "app_version"}}
    (query,) = queries([ask(guardrails=[istio])], NOW)
    assert query.text.startswith(
        'istio_requests_total{destination_service_name=~"summarizer",'
        'app_version=~"v1|v2",destination_service_namespace="default",reporter="source"}['
    )


def test_linkerd_is_read_at_the_pods_that_received_the_requests():
    (query,) = queries([ask(guardrails=[ERRORS | {"template": "linkerd/errors"}])], NOW)
    assert query.text.startswith(
        'response_total{app=~"summarizer",version=~"v1|v2",direction="inbound",'
        'namespace="default"}['
    )


def test_a_namespace_and_the_name_of_a_score_are_matched_where_labels_hold_them():
    labels = {"namespace": "kubernetes_namespace", "where": [{"label": "name", "value": "rouge"}]}
    scores = {"name": "score", "template": "quality/score", "tolerance": 0.1, "labels": labels}
    (query,) = queries([ask(guardrails=[scores])], NOW)
    assert 'kubernetes_namespace="default",name="rouge"}[' in query.text


def test_servers_and_labels_are_asked_apart():
    odd = ERRORS | {"labels": {"service": "app"}}
    asks = [
        ask(service="a", guardrails=[ERRORS]),
        ask(service="b", guardrails=[odd]),
        ask(service="c", guardrails=[ERRORS], url="http://q:9090/"),
        ask(service="d", guardrails=[ERRORS], url="http://q:9090"),
    ]
    assert sorted(len(query.parts) for query in queries(asks, NOW)) == [1, 1, 2]


def test_two_guardrails_on_one_metric_share_a_query():
    strict = ERRORS | {"name": "strict", "margin": {"absolute": "0.1%"}}
    (query,) = queries([ask(guardrails=[ERRORS, strict])], NOW)
    assert [member.guardrail for member in query.parts] == ["errors", "strict"]


def test_rates_are_asked_first():
    verdicts = ERRORS | {"name": "verdicts", "template": "quality/verdict"}
    found_queries = queries([ask(guardrails=[LATENCY, verdicts])], NOW)
    assert [query.parts[0].guardrail for query in found_queries] == ["verdicts", "latency"]


def test_names_match_only_themselves():
    (query,) = queries([ask(service="a.b-c", guardrails=[ERRORS])], NOW)
    assert r'destination_service=~"a\\.b-c"' in query.text


@pytest.mark.parametrize(
    ("since", "seconds"),
    [
        (None, 5 * 2 + 2 * 2 + 1),  # a first look reaches over missed scrapes
        (NOW, 2 * 2 + 2 * 2 + 1),  # two scrapes at least
        (NOW - 31.2, 37),  # all that is new, and a known sample before it
        (NOW + 500, 2 * 2 + 2 * 2 + 1),  # a clock that went back
        (NOW - 90_000, 3600 + 2 * 2 + 1),  # an hour at most
    ],
)
def test_the_window_reaches_back_to_the_last_known_sample(since, seconds):
    since_by_guardrail = {} if since is None else {"errors": since}
    (query,) = queries([ask(since_by_guardrail, guardrails=[ERRORS])], NOW)
    assert window(query.text) == seconds


def test_the_oldest_since_sets_the_window():
    asks = [ask({"errors": NOW - age}, f"s{age}", guardrails=[ERRORS]) for age in (4, 60, 8)]
    (query,) = queries(asks, NOW)
    assert window(query.text) == 65


def test_a_large_fleet_is_asked_in_chunks_and_every_service_once():
    asks = [ask({"errors": NOW - 2}, f"s{i}", guardrails=[ERRORS]) for i in range(600)]
    found_queries = queries(asks, NOW)
    assert [len(query.parts) for query in found_queries] == [250, 250, 100]
    named = [
        name for query in found_queries for name in re.findall(r"s\d+", query.text.split("[")[0])
    ]
    assert sorted(named) == sorted(f"s{i}" for i in range(600))


def test_a_rollout_that_was_blind_for_long_widens_its_own_chunk_only():
    fresh = [ask({"errors": NOW - 2}, f"s{i}", guardrails=[ERRORS]) for i in range(300)]
    late = [ask({"errors": NOW - 3000}, f"late{i}", guardrails=[ERRORS]) for i in range(3)]
    found_queries = queries([*fresh, *late], NOW)
    wide = [query for query in found_queries if window(query.text) > 60]
    assert len(wide) == 1
    assert len(wide[0].parts) < 10


def test_nobody_asks_nothing():
    assert queries([], NOW) == []
