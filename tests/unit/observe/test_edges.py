"""A histogram is read at one edge: whatever the other edges are, it says how much is beyond."""

import math
from dataclasses import replace

import pytest

from analysis.counting.beyond import count_beyond
from analysis.counting.counts import Counts
from analysis.counting.cursor import Cursor
from rollout.observe.bulk.catalogue import Catalogue
from rollout.observe.parse import parse
from rollout.observe.query import queries
from rollout.plan.model.guardrail import Guardrail
from tests.support.asking import LATENCY, ask
from tests.support.natives import item, sample
from tests.support.scraped import WrittenPrometheus
from tests.support.tallied import TalliedRollout

NOW = 1000.0
MARGIN = {"absolute": "1%"}
SECONDS = {"series": "app_seconds", "unit": "s"}
SCORES = {"series": "app_score", "unit": "score", "worse": "low"}


def slower(than, unit="s", series="app_seconds"):
    histogram = {"series": series, "unit": unit}
    own = {"histogram": histogram, "labels": {"version": "v"}}
    return {"name": "slow", "slower": {"than": than, "margin": MARGIN}, **own}


def below(score):
    own = {"histogram": SCORES, "labels": {"version": "v"}}
    return {"name": "low", "below": {"score": score, "margin": MARGIN}, **own}


def buckets(version, edges, series="app_seconds", **labels):
    """Rows of one classic histogram: by what `le` says, the cumulative counts at each scrape."""
    named = {"__name__": f"{series}_bucket", "v": version, "job": "j", "instance": version}
    return [
        {
            "metric": {**named, **labels, "le": le},
            "values": [[NOW - 2 + 2 * i, str(count)] for i, count in enumerate(counts)],
        }
        for le, counts in edges.items()
    ]


def read(guardrail, rows):
    """Counts of the newest sample, as exposures and bad units: (canary, stable); or the problem."""
    (query,) = queries([ask(guardrails=[guardrail])], NOW)
    (samples,) = parse(query, rows)
    if samples.problem:
        return samples.problem
    metric = Guardrail.model_validate(guardrail).metric
    assert metric.edge is not None
    total = Counts()
    for series in samples.series:
        totals = series.samples[-1][1]
        units = tuple(int(b - a) for a, b in zip((0, *totals), totals, strict=False))
        nothing = (0,) * len(units)
        arms = (units, nothing) if series.arm == "canary" else (nothing, units)
        total += count_beyond(Counts(*arms, series.edges), metric.edge, metric.worse)
    return total.canary, total.stable


FINE = {"0.1": [0, 10], "0.25": [0, 80], "1.0": [0, 98], "+Inf": [0, 100]}
COARSE = {"0.250": [0, 190], "5": [0, 200], "+Inf": [0, 200]}


def test_arms_and_pods_may_differ_in_every_other_edge():
    rows = [
        *buckets("v1", COARSE, pod="a"),
        *buckets("v1", FINE, pod="b"),
        *buckets("v2", {"2.5e-1": [0, 7], "+Inf": [0, 9]}),
    ]
    assert read(slower("250ms"), rows) == ((9, 2), (300, 30))


@pytest.mark.parametrize(
    ("than", "unit", "le"),
    [
        ("300ms", "s", "0.3"),
        ("300ms", "s", "0.30000000000000004"),  # what adding up edges in a client gives
        ("0.3s", "ms", "300.0"),
        ("0.5ms", "ms", "0.5"),
        ("50us", "s", "5e-05"),
        (300, "ms", "3e2"),
        ("2m", "s", "120"),
    ],
)
def test_edges_are_equal_as_numbers_in_the_metric_s_unit(than, unit, le):
    rows = buckets("v1", {le: [0, 90], "+Inf": [0, 100]})
    assert read(slower(than, unit), rows) == ((0, 0), (100, 10))


@pytest.mark.parametrize(
    ("than", "near"),
    [
        ("300ms", "the nearest edges are 250 ms and 1 s"),
        ("20ms", "the nearest edge is 100 ms"),
        ("1m", "the nearest edge is 1 s"),
    ],
)
def test_an_edge_that_is_none_is_refused_with_the_nearest(than, near):
    problem = read(slower(than), [*buckets("v1", FINE), *buckets("v2", FINE)])
    assert problem.endswith(f": {near}")
    assert problem.startswith("no bucket of the canary ends at ")


def test_the_edge_must_be_one_of_both_arms():
    rows = [*buckets("v1", FINE), *buckets("v2", {"0.5": [0, 1], "+Inf": [0, 2]})]
    problem = read(slower("250ms"), rows)
    assert problem == "no bucket of the canary ends at 250 ms: the nearest edge is 500 ms"


def test_a_histogram_of_one_bucket_has_no_edge():
    problem = read(slower("250ms"), buckets("v1", {"+Inf": [0, 9]}))
    assert problem == "no bucket of stable ends at 250 ms: there is none but +Inf"


def test_scores_that_are_equal_to_the_edge_are_low():
    rows = buckets("v1", {"0.2": [0, 1], "0.6": [0, 5], "1": [0, 9], "+Inf": [0, 9]}, "app_score")
    assert read(below(0.6), rows) == ((0, 0), (9, 5))


def native(than, *items):
    guardrail = {"name": "slow", "template": "envoy/latency"}
    return read({**guardrail, "slower": {"than": than, "margin": MARGIN}}, list(items))


def at(exponent):
    return round(exponent * 256)


def test_a_native_histogram_is_exact_at_any_edge_of_its_schema():
    # 250 ms is no power of two, 256 ms is: in every schema, however fine or coarse.
    values = [at(7.5), at(7.99), at(8), at(8.01), at(9.5)]
    stable, canary = item("v1", sample(NOW, 3, values)), item("v2", sample(NOW, 0, values))
    assert native(256, stable, canary) == ((5, 2), (5, 2))
    problem = native("250ms", stable)
    assert problem.startswith("no bucket of stable ends at 250 ms: the nearest edges are ")
    low, high = problem.rpartition("are ")[2].split(" and ")
    assert native(f"{low.replace(' ', '')}", stable) == ((0, 0), (5, 4))
    assert native(f"{high.replace(' ', '')}", stable) == ((0, 0), (5, 2))


@pytest.mark.parametrize(("than", "bad"), [(1, 3), (2**20, 0)])
def test_an_edge_beyond_all_values_of_a_native_histogram_is_exact_too(than, bad):
    assert native(than, item("v1", sample(NOW, 3, [at(4), at(5), at(6)]))) == ((0, 0), (3, bad))


def test_the_zero_bucket_of_a_native_histogram_cannot_be_divided():
    series = item("v1", sample(NOW, 0, [at(9)], zeros=4, zero=2.0**3))
    assert native(16, series) == ((0, 0), (5, 1))
    assert native(4, series) == (
        "no bucket of stable ends at 4 ms: values up to 8 ms are in its zero bucket"
    )


def test_one_arm_may_be_native_and_the_other_classic():
    name = {"destination_service": "summarizer", "destination_version": "v2", "job": "j"}
    classic = [
        {"metric": {"__name__": "envoy_cluster_upstream_rq_time_bucket", **name, "le": le}}
        | {"values": [[NOW, count]]}
        for le, count in (("256", "8"), ("+Inf", "9"))
    ]
    assert native(256, item("v1", sample(NOW, 3, [at(7), at(9)])), *classic) == ((9, 1), (2, 1))


LAYOUTS = [
    {"0.1": [0, 1], "0.3": [3, 10], "+Inf": [4, 20]},
    {"0.30000000000000004": [3, 11], "0.5": [3, 12], "+Inf": [5, 21]},
    {"0.3": [0, 0], "+Inf": [0, 7]},
]


def look(guardrail, rows, many):
    """What is counted from the first sample of each row to the second."""
    cursor = Cursor()
    for index in (0, 1):
        asked = ask(guardrails=[guardrail])
        asked = replace(asked, cursors={guardrail["name"]: cursor})
        (query,) = queries([asked], NOW)
        query = replace(query, parts=tuple(replace(p, is_counted=True) for p in query.parts))
        part_rows = [{**row, "values": row["values"][index : index + 1]} for row in rows]
        (samples,) = parse(query, part_rows, catalogue=Catalogue(query.source) if many else None)
        assert samples.belief is not None
        cursor, counts = samples.belief.cursor, samples.belief.counts
    return counts, samples.series


def test_large_answers_and_small_ones_count_the_same(monkeypatch):
    monkeypatch.setattr("rollout.observe.parse.MANY", 1)
    rows = [
        row
        for version in ("v1", "v2")
        for i in range(6)
        for row in buckets(version, LAYOUTS[i % 3], pod=f"{version}-{i}", instance=f"{version}{i}")
    ]
    rows = [row for row in rows if (row["metric"]["v"], row["metric"]["pod"]) != ("v2", "v2-5")]
    (large, one_by_one), (small, every) = (look(slower("300ms"), rows, many) for many in (1, 0))
    assert large == small
    assert large.stable == (30, 48)
    assert large.canary == (30, 41)
    assert large.edges == (0.3, math.inf)
    assert not one_by_one
    assert len(every) == 11


def test_looks_are_counted_across_restarts_of_pods_and_controllers():
    events = iter(["", "restart", "", "lose"])
    server = WrittenPrometheus()
    rollout = TalliedRollout(server, slower("250ms"), 2.0, happen=lambda: next(events))
    # The second pod restarts: its buckets fall, all of them count from 0.
    totals = [(100, 90), (110, 92), (30, 5), (40, 5)]
    for i, (units, quick) in enumerate(totals):
        for version in ("v1", "v2"):
            labels = {"v": version, "job": "j", "instance": version}
            for le, count in (("0.1", 0), ("0.25", quick), ("+Inf", units)):
                server.write("app_seconds_bucket", {**labels, "le": le}, NOW + 2 * i, count)
            start = NOW + 3 if i > 1 else NOW - 500
            target = {"job": "j", "instance": version}
            server.write("process_start_time_seconds", target, NOW + 2 * i, start)
        rollout.look(NOW + 2 * i + 0.5)
        assert not rollout.problem
    assert rollout.total.edges == (0.25, math.inf)
    assert rollout.total.stable == (2 + 5 + 0, 8 + 25 + 10)
    assert rollout.total.canary == rollout.total.stable


def test_a_counter_is_no_histogram():
    rows = [
        {**row, "metric": {k: v for k, v in row["metric"].items() if k != "le"}}
        for row in buckets("v1", {"+Inf": [0, 9]})
    ]
    problem = read(slower("250ms"), rows)
    assert problem.endswith(" has no buckets: it is no histogram")


def test_a_bucket_that_is_no_number_for_one_scrape_is_blind_for_that_scrape():
    lab = WrittenPrometheus()
    rollout = TalliedRollout(lab, LATENCY, 15.0)
    for n in range(10):
        for version in ("v1", "v2"):
            labels = {"destination_service": "summarizer", "destination_version": version}
            for le, share in (("25", 5), ("100", 8), ("+Inf", 9)):
                count = math.nan if (n, version, le) == (6, "v2", "100") else share * n
                named = labels | {"job": "j", "instance": version, "le": le}
                lab.write("envoy_cluster_upstream_rq_time_bucket", named, 15.0 * n, count)
    problems = []
    for n in range(3, 10):
        rollout.look(15.0 * n + 1)
        problems.append(rollout.problem)
    assert [bool(problem) for problem in problems] == [n == 6 for n in range(3, 10)]
    assert "not a finite number" in problems[3]
    assert rollout.total.canary == (30, 18, 6)
