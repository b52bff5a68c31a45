"""Stable's past: which ranges are asked for, and what their answers are good for."""

import numpy as np
import pytest

from rollout.observe.history import past_queries, pasts
from rollout.observe.query import queries
from tests.support import natives
from tests.support.asking import ERRORS, LATENCY, ask, plan

NOW, STEP, TICKS = 100_000.7, 2.0, 480
END, START = 100_000.0, 99_040.0
PODS = {"pods": {"label": "pod", "history": "16m"}}


def asked(guardrails=(ERRORS,), **spec):
    """The ask of a plan that declares pods."""
    asking = ask(guardrails=list(guardrails))
    document = plan(guardrails=guardrails).document()
    document["spec"] |= PODS | spec
    return type(asking)(asking.rollout, type(asking.plan).model_validate(document), {})


def item(pod, counts, version="v1", code="200", first=0, **more):
    metric = {"destination_service": "summarizer", "destination_version": version}
    metric |= {"envoy_response_code": code, "pod": pod} | more
    values = [[START + STEP * (first + i), str(n)] for i, n in enumerate(counts)]
    return {"metric": {k: v for k, v in metric.items() if v}, "values": values}


def read(*chunks, guardrail=ERRORS, **spec):
    (query,) = past_queries(asked([guardrail], **spec), NOW)
    past = pasts(query, chunks)
    return past.pods.get(guardrail["name"]), past.problems.get(guardrail["name"], "")


def test_without_pods_a_day_is_asked_for_and_counted_together():
    (query,) = past_queries(asked([ERRORS], pods=None), NOW)
    assert query.grid.ticks == 2880
    assert query.text == (
        "sum by (destination_service, destination_version, envoy_response_code) "
        "((SERIES - SERIES offset 2000ms) >= 0)"
    ).replace("SERIES", queries([asked([ERRORS])], NOW)[0].text.partition("[")[0])
    times = [query.grid.start + query.grid.step * i for i in range(query.grid.ticks + 1)]
    good, bad, other = item("", ()), item("", (), code="503"), item("", (), version="v2")
    for series, units in ((good, "7"), (bad, "2"), (other, "9")):
        series["values"] = [[at, units] for at in times]
    past = pasts(query, [[good], [bad, other]]).pods["errors"]
    assert past.pods == ("",)
    assert (past.counts[:, 0] == (9, 2)).all()


@pytest.mark.parametrize(
    ("units", "words"), [("1.5", "not a whole number"), ("NaN", "not a whole number")]
)
def test_gains_that_are_no_counts_are_a_problem_in_words(units, words):
    (query,) = past_queries(asked([ERRORS], pods=None), NOW)
    series = item("", ())
    series["values"] = [[query.grid.ends[0], units]]
    assert words in pasts(query, [[series]]).problems["errors"]


def test_without_pods_a_histograms_buckets_are_added_up():
    (query,) = past_queries(asked([LATENCY], pods=None), NOW)
    assert ", le)" in query.text
    times = [query.grid.start + query.grid.step * i for i in range(query.grid.ticks + 1)]

    def bucket(le, units, **labels):
        return item("", (), le=le, **labels) | {"values": [[at, units] for at in times]}

    first, second = bucket("100", "5"), bucket("+Inf", "9")
    fallen = bucket("250", "3")  # a bucket that fell counts nothing
    past = pasts(query, [[first, fallen], [second]]).pods["latency"]
    assert past.edges == (100.0, 250.0, np.inf)
    assert (past.counts[:, 0] == (5, 0, 4)).all()
    assert "no buckets" in pasts(query, [[first]]).problems["latency"]


def test_without_pods_a_long_interval_still_has_the_looks_that_are_needed():
    (query,) = past_queries(asked([ERRORS], interval="10m", pods=None), NOW)
    assert query.grid.ticks == 480


def test_the_same_series_are_asked_for_as_at_a_look_in_chunks_without_gap_or_overlap():
    first, second = past_queries(asked([ERRORS, LATENCY]), NOW)
    looks = queries([asked([ERRORS, LATENCY])], NOW)
    assert [q.text + "[15s]" for q in (first, second)] == [q.text for q in looks]
    chunks = list(first.chunks())
    times = [t for c in chunks for t in np.arange(c.start, c.end + c.step / 2, c.step)]
    assert times == [START + STEP * i for i in range(TICKS + 1)]
    assert {c.step for c in chunks} == {STEP}
    assert max(c.end - c.start for c in chunks) < 240 * STEP


def test_two_guardrails_on_one_metric_are_asked_for_once():
    strict = ERRORS | {"name": "strict", "margin": {"absolute": "0.1%"}}
    (query,) = past_queries(asked([ERRORS, strict]), NOW)
    past = pasts(query, [[item("a", range(TICKS + 1))]])
    assert past.pods.keys() == {"errors", "strict"}


def test_a_series_that_comes_in_chunks_is_one():
    numbers = [3 * i for i in range(TICKS + 1)]
    chunks = [[item("a", numbers[i : i + 240], first=i)] for i in range(0, TICKS + 1, 240)]
    past, problem = read(*chunks)
    assert not problem
    assert past.exposures[:, 0].tolist() == [3] * TICKS
    assert past.ends[-1] == END


def test_pods_codes_and_versions():
    run = range(TICKS + 1)
    past, _ = read(
        [
            item("b", run),
            item("a", [2 * i for i in run]),
            item("a", [1] * 100, code="503", first=200),
            item("c1", [7, 8], version="v2", first=TICKS - 1),
            item("c2", [7, 8], version="v2", first=TICKS - 1),
            item("gone", [7, 8], version="v2"),
            item("x", run, version="v3"),
        ]
    )
    assert past.pods == ("a", "b")
    assert past.canary == 2
    assert past.counts.sum(axis=0).tolist() == [[2 * TICKS + 1, 1], [TICKS, 0]]


@pytest.mark.parametrize("at", [START - 900.0, END + 900.0, 1e300, -1e300])
def test_samples_outside_what_was_asked_for_count_nothing(at):
    steady = item("a", range(TICKS + 1))
    odd = {**steady, "values": sorted([*steady["values"], [at, "7000"]])}
    assert read([odd])[0].counts.sum() == read([steady])[0].counts.sum() == TICKS


def test_what_is_there_before_prometheus_knew_it_is_not_new():
    past, _ = read([item("a", [9] * TICKS, first=1), item("a", [40] * 470, code="503", first=4)])
    assert past.counts.sum() == 0


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ([], "Prometheus has no history of v1"),
        ([item("a", [1], version="v2")], "Prometheus has no history of v1"),
        ([item("", [1, 2])], "a series has no label pod, which names the pod (pods.label)"),
        ([item("a", [0.5, 2])], "not a whole number"),
        ([{**item("a", [1]), "histograms": [[START, {"count": "1"}]]}], "native histogram"),
        ({"a": 1}, "holds no series"),
    ],
)
def test_every_unusable_past_is_told_in_words(result, words):
    past, problem = read(result)
    assert past is None
    assert words in problem


def test_buckets_per_pod():
    rows = {"5": 1, "10": 3, "+Inf": 6}
    result = [
        item(pod, [n * i for i in range(TICKS + 1)], le=edge, code="")
        for pod in ("a", "b")
        for edge, n in rows.items()
    ]
    past, problem = read(result, guardrail=LATENCY)
    assert not problem
    assert past.edges == (5.0, 10.0, float("inf"))
    assert past.counts[7].tolist() == [[1, 2, 3]] * 2


def bucket(pod, edge, first=0, last=TICKS + 1):
    return item(pod, range(last - first), le=edge, code="", first=first)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            [bucket("a", "5"), bucket("a", "+Inf"), bucket("b", "7"), bucket("b", "+Inf")],
            "bucket layouts differ in the past",
        ),
        (
            [bucket("a", "5", last=200), bucket("a", "7", first=200), bucket("a", "+Inf")],
            "the buckets of a histogram changed, no edge is in all of them",
        ),
        ([bucket("a", "5"), bucket("a", "7")], "no +Inf bucket"),
    ],
)
def test_buckets_that_differ_or_change_are_told(result, words):
    past, problem = read(result, guardrail=LATENCY)
    assert past is None
    assert words in problem


def test_native_buckets_per_pod_whatever_their_schemas():
    value = 4 * natives.SIZE  # 16 ms
    result = [
        natives.item(
            "v1",
            *(natives.sample(START + STEP * i, schema, [value] * i) for i in range(TICKS + 1)),
            pod=pod,
        )
        for pod, schema in (("a", 5), ("b", 3))
    ]
    past, problem = read(result, guardrail=LATENCY)
    assert not problem
    assert past.counts.sum(axis=(0, 2)).tolist() == [TICKS] * 2
    assert past.counts[7, :, past.edges.index(16.0)].tolist() == [1] * 2
    assert len(past.edges) == 5 * 2**3 + 2


def test_native_histograms_without_any_unit_are_an_empty_past():
    rows = [natives.sample(START + STEP * i, 5, []) for i in range(TICKS + 1)]
    past, problem = read([natives.item("v1", *rows, pod="a")], guardrail=LATENCY)
    assert not problem
    assert past.counts.sum() == 0


SLOW = {
    "name": "slow",
    "template": "envoy/latency",
    "slower": {"than": "250ms", "margin": {"absolute": "1%"}},
}


def counted(le, units, times, pod=""):
    row = item(pod, (), code="", le=le)
    return {**row, "values": [[at, str(units(i))] for i, at in enumerate(times)]}


def test_totals_beyond_an_edge_are_asked_for_by_bucket():
    (query,) = past_queries(ask(guardrails=[SLOW]), NOW)
    assert query.text.startswith("sum by (destination_service, destination_version, le) ((")
    times = [query.grid.start + query.grid.step * i for i in range(query.grid.ticks + 1)]
    # Pods that spell an edge in two ways, and a bucket that rose where the whole fell.
    units = {"100": 1, "250": 7, "250.0": 2, "+Inf": 12}
    rows = [counted(le, lambda _, n=n: n, times) for le, n in units.items()]
    rows[-1]["values"][5][1] = "4"
    past = pasts(query, [rows]).pods["slow"]
    assert past.edges == (250.0, np.inf)
    assert past.counts[0, 0].tolist() == [9, 3]
    assert past.counts[4, 0].tolist() == [4, 0]
    problem = pasts(query, [rows[:1] + rows[-1:]]).problems["slow"]
    assert problem == "no bucket ends at 250 ms: the nearest edge is 100 ms"


def test_pods_beyond_an_edge_may_differ_in_their_other_edges():
    (query,) = past_queries(asked([SLOW]), NOW)
    times = [START + STEP * i for i in range(TICKS + 1)]
    first = [counted(le, lambda i, n=n: n * i, times, "a") for le, n in (("250", 3), ("+Inf", 4))]
    second = [
        counted(le, lambda i, n=n: n * i, times, "b")
        for le, n in (("5", 1), ("250.0", 5), ("500", 6), ("+Inf", 6))
    ]
    past = pasts(query, [first + second]).pods["slow"]
    assert past.edges == (250.0, np.inf)
    assert past.counts[9].tolist() == [[3, 1], [5, 1]]
