"""Declared metrics are read by the production reader: any series, labels and selectors."""

from dataclasses import replace

import pytest

from analysis.counting.belief import count_look
from analysis.counting.counts import Counts
from analysis.counting.cursor import Cursor
from rollout.observe.bulk.catalogue import Catalogue
from rollout.observe.parse import parse
from rollout.observe.query import queries
from rollout.plan.model.guardrail import Guardrail
from tests.support.asking import ask
from tests.support.scraped import WrittenPrometheus
from tests.support.tallied import TalliedRollout

NOW = 1000.0
COUNTER = {"series": "http_total", "bad": {"status": "=~5.."}}
ONE = {"name": "errors", "counter": COUNTER, "margin": {"absolute": "1%"}}
ARMS = {"arms": {"stable": {"deployment": "api"}, "canary": {"pod": "=~api-new-.*"}}}
TWO = {
    "bad": {"series": "failed_total", "where": {"kind": "!=user"}},
    "total": {"series": "all_total"},
}


def query_of(**guardrail):
    (query,) = queries([ask(guardrails=[{**ONE, **guardrail}])], NOW)
    return query


def row(name, *values, **labels):
    points = [[NOW - 4.0 + 2 * i, str(value)] for i, value in enumerate(values)]
    return {"metric": {"__name__": name, "job": "j", "instance": "i"} | labels, "values": points}


def read(query, rows):
    """Counts between the two samples of each row: ((exposures, bad) of canary and stable)."""
    (samples,) = parse(query, rows)
    assert not samples.problem
    first, last = (
        [(s.arm, s.key, s.bad, s.total, (s.samples[i],)) for s in samples.series] for i in (0, -1)
    )
    assert first
    cursor, counts = Cursor(), Counts()
    for look in (first, last):
        series = [
            type(samples.series[0])(key, arm, points, bad=bad, total=total)
            for arm, key, bad, total, points in look
        ]
        belief = count_look(cursor, series, samples.origins)
        cursor, counts = belief.cursor, belief.counts
    return counts.canary, counts.stable


def test_a_counter_of_any_name_is_asked_for_without_a_service():
    query = query_of(labels={"version": "app_version"})
    assert query.text.startswith('http_total{app_version=~"v1|v2"}[')
    rows = [
        row("http_total", 100, 150, app_version="v1", status="200"),
        row("http_total", 0, 5, app_version="v1", status="503"),
        row("http_total", 10, 20, app_version="v2", status="404"),
    ]
    assert read(query, rows) == ((10, 0), (55, 5))


def test_arms_by_selectors_are_one_query_and_told_apart_by_their_labels():
    arms = {"arms": {"stable": {"pod": "=~api-old-.*"}, "canary": {"pod": "api-new.1"}}}
    query = query_of(labels=arms)
    assert query.text.startswith('http_total{pod=~"(?:api-old-.*)|(?:api-new\\\\.1)"}[')
    rows = [
        row("http_total", 1, 3, pod="api-old-1", status="200"),
        row("http_total", 1, 5, pod="api-new.1", status="500"),
        row("http_total", 1, 9, pod="other", status="500"),
    ]
    assert read(query, rows) == ((4, 4), (2, 0))


def test_a_series_of_both_arms_is_a_problem_in_words():
    query = query_of(labels=ARMS)
    (samples,) = parse(
        query, [row("http_total", 1, 2, deployment="api", pod="api-new-1", status="1")]
    )
    assert samples.problem == "a series fits the selectors of both versions: tell them apart"


def test_bad_units_may_have_a_counter_of_their_own():
    query = query_of(counter=TWO, labels={"version": "v"})
    assert query.text.startswith('{__name__=~"all_total|failed_total",v=~"v1|v2"}[')
    rows = [
        row("all_total", 100, 150, v="v1"),
        row("failed_total", 5, 8, v="v1"),  # the same labels: another metric all the same
        row("failed_total", 5, 18, v="v1", kind="user"),
        row("all_total", 10, 30, v="v2"),
    ]
    assert read(query, rows) == ((20, 0), (50, 3))


def test_more_bad_units_than_units_are_a_problem_and_not_a_verdict():
    query = query_of(counter=TWO, labels={"version": "v"})
    rows = [row("all_total", 1, 2, v="v1"), row("failed_total", 1, 9, v="v1")]
    baseline, _ = ([{**r, "values": r["values"][i : i + 1]} for r in rows] for i in (0, 1))
    (first,) = parse(query, baseline)
    cursor = count_look(Cursor(), first.series, first.origins).cursor
    asked = ask(
        {"errors": NOW - 4}, guardrails=[{**ONE, "counter": TWO, "labels": {"version": "v"}}]
    )
    asked = type(asked)(asked.rollout, asked.plan, asked.since, {"errors": cursor})
    (query,) = queries([asked], NOW)
    (samples,) = parse(query, rows)
    assert samples.problem.startswith("more units are bad than there are in all")


@pytest.mark.parametrize(
    ("bad", "labels", "is_bad"),
    [
        ({"code": "=~5.."}, {"code": "500"}, True),
        ({"code": "!~2.."}, {"code": "200"}, False),
        ({"code": "!=200"}, {"code": "0"}, True),
        ({"error_type": "!="}, {}, False),  # a label that only failures have
        ({"error_type": "!="}, {"error_type": "timeout"}, True),
        ({"code": "500", "final": "yes"}, {"code": "500", "final": "no"}, False),
        ([{"code": "=~5.."}, {"grpc": "=~2|13"}], {"code": "200", "grpc": "13"}, True),
        ([{"code": "=~5.."}, {"grpc": "=~2|13"}], {"code": "200"}, False),
    ],
)
def test_what_is_bad_is_told_by_any_matcher_or_by_several(bad, labels, is_bad):
    counter = {"series": "x", "bad": bad}
    guardrail = {**ONE, "counter": counter, "labels": {"version": "v"}}
    metric = Guardrail.model_validate(guardrail).metric
    assert metric.counts_bad({"__name__": "x", **labels}) is is_bad
    assert not metric.find_missing_label({"__name__": "x", **labels})


def test_a_declared_histogram_is_read_in_both_forms_and_in_its_unit():
    histogram = {"series": "ttft_seconds", "where": {"route": "!~/health.*"}, "unit": "s"}
    guardrail = {
        "name": "ttft",
        "histogram": histogram,
        "labels": {"version": "v"},
        "tolerance": "20%",
    }
    (query,) = queries([ask(guardrails=[guardrail])], NOW)
    assert query.text.startswith(
        '{__name__=~"ttft_seconds_bucket|ttft_seconds",v=~"v1|v2",route!~"/health.*"}['
    )


def test_a_restart_counts_on_where_selectors_and_two_counters_are_read():
    server = WrittenPrometheus()
    arms = {"arms": {"stable": {"pod": "=~old-.*"}, "canary": {"pool": "new"}}}
    own = {
        "bad": {"series": "failed_total", "where": {"kind": "!~user|test"}},
        "total": TWO["total"],
    }
    rollout = TalliedRollout(server, {**ONE, "counter": own, "labels": arms}, 2.0)
    for number in range(31):
        for arm, gain in ({"pod": "old-1"}, 5), ({"pod": "x", "pool": "new"}, 3):
            labels = {"job": "j", "instance": arm["pod"], **arm}
            at = 2.0 * number
            server.write("all_total", labels, at, 100 + number * gain)
            server.write("failed_total", labels | {"kind": "io"}, at, 10 + number)
            server.write("failed_total", labels | {"kind": "user"}, at, 10 + 7 * number)
    for at in (10.5, 20.5, 40.5, 60.5):
        rollout.look(at)
        assert not rollout.problem
        rollout.restart()
    assert rollout.total == Counts((25 * 3, 25), (25 * 5, 25))


@pytest.mark.parametrize("has_catalogue", [True, False])
def test_units_without_the_label_are_counted_by_themselves(monkeypatch, has_catalogue):
    monkeypatch.setattr("rollout.observe.parse.MANY", 1)
    rows = [
        row("http_total", 100, 150, v="v1", pod=pod, instance=pod, **labels)
        for pod in ("a", "b")
        for labels in ({"status": "200"}, {"status": "500"}, {})
    ]
    rows += [row("http_total", 7, 9, v="v2", pod="c", instance="c", status="")]
    cursor = Cursor()
    for index in (0, 1):
        asked = ask(guardrails=[{**ONE, "labels": {"version": "v"}}])
        (query,) = queries([replace(asked, cursors={"errors": cursor})], NOW)
        query = replace(query, parts=tuple(replace(p, is_counted=True) for p in query.parts))
        scraped = [{**r, "values": r["values"][index : index + 1]} for r in rows]
        catalogue = Catalogue(query.source) if has_catalogue else None
        (samples,) = parse(query, scraped, catalogue=catalogue)
        assert samples.belief is not None
        cursor, counts = samples.belief.cursor, samples.belief.counts
    assert counts == Counts((2, 0), (300, 100), (), 2, 100)


def test_what_only_python_takes_for_a_number_is_none_in_a_large_answer_too(monkeypatch):
    monkeypatch.setattr("rollout.observe.parse.MANY", 1)
    guardrail = {**ONE, "labels": {"version": "v"}}
    (query,) = queries([ask(guardrails=[guardrail])], NOW)
    rows = [row("http_total", 1, "1_000", v=v, pod=v, status="200") for v in ("v1", "v2")]
    (samples,) = parse(query, rows, catalogue=Catalogue(query.source))
    assert "not a finite number" in samples.problem


def test_a_sum_is_counted_in_steps_beside_what_it_is_divided_by():
    ratio = {
        "sum": {"series": "spend_total"},
        "count": {"series": "calls_total", "where": {"code": "=~2.."}},
        "step": 0.001,
    }
    guardrail = {"name": "cost", "ratio": ratio, "labels": {"version": "v"}}
    (query,) = queries([ask(guardrails=[guardrail])], NOW)
    assert query.text.startswith('{__name__=~"calls_total|spend_total",v=~"v1|v2"}[')
    rows = [
        row("spend_total", 10.0001, 13.5001, v="v1"),
        row("calls_total", 5, 9, v="v1", code="200"),
        row("calls_total", 5, 99, v="v1", code="500"),
        row("spend_total", 0.25, 77.2504, v="v2"),  # one call may cost anything
        row("calls_total", 1, 2, v="v2", code="200"),
    ]
    assert read(query, rows) == ((1, 77000), (4, 3500))


def test_what_must_not_happen_is_counted_without_a_baseline_and_across_restarts():
    server = WrittenPrometheus()
    guardrail = {key: of for key, of in ONE.items() if key != "margin"} | {"never": {"count": 1}}
    events = iter(["", "", "restart", "", "lose", "restart"])
    rollout = TalliedRollout(
        server, {**guardrail, "labels": {"version": "v"}}, 2.0, happen=lambda: next(events)
    )
    rollout.began = NOW - 1
    target = {"job": "j", "instance": "i"}
    for i in range(6):
        at = NOW + 2 * i
        server.write("up", target, at, 1)
        if i >= 2:  # the first time that anything stands there, one of them is bad
            server.write("http_total", {**target, "v": "v2", "status": "200"}, at, 10 * (i - 1))
            server.write("http_total", {**target, "v": "v2", "status": "500"}, at, 1)
        rollout.look(at + 0.5)
        assert not rollout.problem
    assert not rollout.unbelieved
    assert rollout.total == Counts((41, 1), (0, 0))
