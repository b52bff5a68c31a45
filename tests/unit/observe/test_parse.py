"""Matrices to series, and every way in which an answer can be wrong, in words."""

import math

import pytest

from rollout.observe.parse import parse
from rollout.observe.query import queries
from tests.support.asking import ERRORS, LATENCY, ask

NOW = 1000.0


@pytest.fixture
def read():
    """Parse an answer for one guardrail of one rollout: (series, problem)."""

    def go(result, guardrail=ERRORS, since=None):
        since_by_guardrail = {} if since is None else {guardrail["name"]: since}
        (query,) = queries([ask(since_by_guardrail, guardrails=[guardrail])], NOW)
        (reading,) = parse(query, result)
        return reading.series, reading.problem

    return go


def item(version, *samples, code="200", service="summarizer", **labels):
    named = {"destination_service": service, "destination_version": version}
    metric = {"__name__": "envoy_cluster_upstream_rq", "envoy_response_code": code}
    values = [[float(at), str(value)] for at, value in samples]
    return {"metric": metric | named | labels, "values": values}


def buckets(version, *samples, edges=("1", "2", "+Inf"), **labels):
    """One histogram's items; a sample is (time, cumulative counts)."""
    named = {"destination_service": "summarizer", "destination_version": version} | labels
    return [
        {"metric": named | {"le": edge}, "values": [[at, str(c[i])] for at, c in samples]}
        for i, edge in enumerate(edges)
    ]


def test_arms_codes_and_keys(read):
    result = [
        item("v1", (998, 10), instance="b"),
        item("v2", (998, 2), code="503", instance="a"),
        item("v3", (998, 7)),
        item("v1", (998, 7), service="other"),
    ]
    series, problem = read(result)
    assert not problem
    assert [
        (one_series.arm, one_series.key, one_series.bad, one_series.samples)
        for one_series in series
    ] == [
        ("canary", "envoy_response_code=503,instance=a", True, ((998, (2,)),)),
        ("stable", "envoy_response_code=200,instance=b", False, ((998, (10,)),)),
    ]


@pytest.mark.parametrize(("code", "bad"), [("500", True), ("5000", False), ("0", False)])
def test_a_bad_unit_s_label_matches_as_a_whole(read, code, bad):
    ((one_series,), _) = read([item("v1", (998, 10), code=code)])
    assert one_series.bad is bad


def test_keys_are_canonical_short_and_different(read):
    pods = [f"{'pod-of-a-rather-long-name' * 3}-{i}" for i in range(2)]
    pod_item, other_item = (item("v1", (998, 1), pod=pod, app="x") for pod in pods)
    backwards = {**pod_item, "metric": dict(reversed(pod_item["metric"].items()))}
    keys = [series.key for series in read([pod_item, other_item])[0]]
    assert len(set(keys)) == 2
    assert max(map(len, keys)) <= 80
    assert read([backwards])[0][0].key in keys


def test_label_values_cannot_imitate_other_labels(read):
    series, problem = read([item("v1", (998, 1), a="1,b=2"), item("v1", (998, 1), a="1", b="2")])
    assert not problem
    assert len({one_series.key for one_series in series}) == 2


def test_buckets_become_one_series_in_the_order_of_their_edges(read):
    result = buckets("v2", (996, (1, 4, 9)), (998, (2, 6, 12)), edges=("2.5", "10", "+Inf"))
    series, problem = read(result[::-1], LATENCY)
    assert not problem
    (one_series,) = series
    assert one_series.edges == (2.5, 10.0, math.inf)
    assert one_series.samples == ((996, (1, 4, 9)), (998, (2, 6, 12)))


def test_an_edge_is_its_number_however_it_is_written(read):
    old = buckets("v1", (994, (1, 4, 9)), (996, (2, 6, 12)), edges=("10", "100", "+Inf"))
    new = buckets("v1", (998, (3, 7, 13)), edges=("10.0", "1e2", "+Inf"))
    ((one_series,), problem) = read([*old, *new], LATENCY)
    assert not problem
    assert one_series.edges == (10.0, 100.0, math.inf)
    assert [at for at, _ in one_series.samples] == [994, 998]


def test_an_exporter_that_changes_its_buckets_is_read_at_the_common_edges(read):
    old = buckets("v1", (992, (1, 4, 9)), (994, (2, 6, 12)), edges=("10", "100", "+Inf"))
    new = buckets("v1", (996, (3, 8, 14)), (998, (4, 9, 15)), edges=("10", "200", "+Inf"))
    ((one_series,), _) = read([*old, *new], LATENCY)
    assert one_series.edges == (10.0, math.inf)
    assert one_series.samples == ((992, (1, 9)), (998, (4, 15)))


def test_only_scrapes_with_every_bucket_count(read):
    result = buckets("v2", (996, (1, 4, 9)), (998, (2, 6, 12)))
    result[1]["values"].pop()
    ((one_series,), _) = read(result, LATENCY)
    assert one_series.samples == ((996, (1, 4, 9)),)


def test_only_what_is_later_than_since_is_kept_as_far_as_counting_needs_it(read):
    rows = [(990, 5), (992, 6), (994, 8), (996, 9), (998, 9)]
    ((one_series,), _) = read([item("v1", *rows)], since=992)
    assert one_series.samples == ((998, (9,)),)


def test_a_reset_between_two_looks_keeps_both_its_sides(read):
    rows = [(990, 5), (992, 6), (994, 8), (996, 2), (998, 7)]
    ((one_series,), _) = read([item("v1", *rows)], since=992)
    assert one_series.samples == ((994, (8,)), (996, (2,)), (998, (7,)))


def test_a_reset_just_after_the_last_known_sample_is_kept(read):
    ((one_series,), _) = read([item("v1", (992, 6), (994, 1), (996, 9))], since=992)
    assert one_series.samples == ((992, (6,)), (994, (1,)), (996, (9,)))


def test_a_slow_scrape_s_sample_from_just_before_since_is_not_lost(read):
    slow, quick = item("v2", (991.5, 40), code="500"), item("v1", (990, 5), (992, 6), (994, 7))
    series, _ = read([slow, quick], since=992)
    assert [one_series.samples[-1][0] for one_series in series] == [991.5, 994]


def test_nothing_new_is_no_series(read):
    assert read([item("v1", (990, 5), (992, 6))], since=992) == ((), "")
    assert read([]) == ((), "")


def test_a_vanished_series_is_left_out_once_it_is_known(read):
    gone, there = item("v1", (980, 5), pod="gone"), item("v1", (998, 5), pod="there")
    series, _ = read([gone, there], since=996)
    assert [one_series.key for one_series in series] == ["envoy_response_code=200,pod=there"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("NaN", "not a finite number"),
        ("+Inf", "not a finite number"),
        ("-Inf", "not a finite number"),
        ("-3", "negative"),
        ("2.5", "no counter"),
        ("ten", "not a finite number"),
        ("1_000", "not a finite number"),
        ("\u0661\u0662", "not a finite number"),
    ],
)
def test_a_newest_sample_that_is_no_count_is_a_problem(read, value, words):
    series, problem = read([item("v1", (996, 5), (998, value)), item("v2", (998, 1))])
    assert series == ()
    assert words in problem


def test_a_sample_that_is_no_count_is_passed_over_once_a_good_one_follows(read):
    rows = [(992, 5), (994, "NaN"), (996, 3), (998, 4)]
    ((one_series,), problem) = read([item("v1", *rows)], since=992)
    assert not problem
    assert one_series.samples == ((992, (5,)), (996, (3,)), (998, (4,)))


def test_a_series_that_ended_on_nan_does_not_blind_for_ever(read):
    series, problem = read([item("v1", (980, "NaN"), pod="gone"), item("v1", (998, 1))])
    assert not problem
    assert len(series) == 1


@pytest.mark.parametrize(
    "result",
    [
        None,
        [998.0, "12"],
        {"metric": {}},
        "none",
        [{"metric": {}, "value": [998.0, "12"]}],
        [{"metric": {"destination_version": 1}, "values": []}],
        [{"metric": {}, "values": [["then", "1"]]}],
        [{"metric": {}, "values": [[998.0]]}],
    ],
)
def test_what_is_no_matrix_is_a_problem(read, result):
    series, problem = read(result)
    assert series == ()
    assert problem.startswith("the answer of Prometheus holds no")


def test_a_series_without_samples_is_no_series(read):
    assert read([item("v1")]) == ((), "")


def test_of_a_counter_without_the_label_that_marks_bad_units_nobody_can_tell(read):
    row = item("v1", (998, 5))
    del row["metric"]["envoy_response_code"]
    (series,), problem = read([row])
    assert not problem
    assert (series.unlabelled, series.bad, series.total) == (True, False, True)


@pytest.mark.parametrize(
    ("result", "guardrail", "words"),
    [
        ([item("v1", (998, 5))] * 2, ERRORS, "two series have the same labels"),
        (
            [*buckets("v1", (998, (1, 2, 3))), *buckets("v1", (998, (1, 2, 4)))],
            LATENCY,
            "two series have the same labels",
        ),
        (
            buckets("v1", (998, (1, 2, 3)), edges=("1", "1.0", "+Inf")),
            LATENCY,
            "two series have the same labels",
        ),
        (buckets("v1", (998, (1, 2)), edges=("1", "2")), LATENCY, "no +Inf bucket"),
        (buckets("v1", (998, (1, 2)), edges=("one", "+Inf")), LATENCY, "is not a number"),
        (buckets("v1", (998, (3, 2, 4))), LATENCY, "fall with rising edges"),
        (
            [
                *buckets("v1", (998, (1, 2, 3))),
                *buckets("v2", (998, (1, 2, 3)), edges=("5", "7", "+Inf")),
            ],
            LATENCY,
            "bucket layouts differ",
        ),
        (
            [
                *buckets("v1", (996, (1,)), edges=("1",)),
                *buckets("v1", (998, (1,)), edges=("+Inf",)),
            ],
            LATENCY,
            "no scrape has every bucket",
        ),
        ([{**item("v1"), "histograms": [[998, {"count": "1"}]]}], ERRORS, "native histogram"),
        (
            [item("v1", (996, 5), (998, 9)), item("v2", (996, 5), (998, 9))],
            ERRORS,
            "same series: check the version label",
        ),
    ],
)
def test_series_that_cannot_be_used_are_a_problem(read, result, guardrail, words):
    series, problem = read(result, guardrail)
    assert series == ()
    assert words in problem


def test_idle_arms_may_agree(read):
    still = [item(version, (996, 0), (998, 0)) for version in ("v1", "v2")]
    assert read(still)[1] == ""


def test_a_problem_stays_with_its_rollout():
    asks = [ask(service=name, guardrails=[ERRORS]) for name in ("well", "ill")]
    (query,) = queries(asks, NOW)
    result = [item("v1", (998, 5), service="well"), item("v1", (998, "NaN"), service="ill")]
    readings = {reading.query_part.rollout: reading for reading in parse(query, result)}
    assert readings["ill"].problem
    assert not readings["well"].problem
    assert len(readings["well"].series) == 1
