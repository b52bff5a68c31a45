"""Native histograms in an answer: the same guardrail reads them, and what is odd is said."""

import json

import pytest

from analysis.counting.cursor import Cursor, advance
from rollout.decide.record.facts import FACT, Observed
from rollout.journal.hash_chain import START, seal, verify
from rollout.journal.hash_chain import parse as parse_row
from rollout.observe.parse import parse
from rollout.observe.query import queries
from tests.support.asking import ERRORS, LATENCY, ask
from tests.support.natives import SIZE, item, sample

FAST, SLOW = [3 * SIZE] * 4, [5 * SIZE] * 2  # 8 ms, 32 ms


def read(*items, guardrail=LATENCY):
    (query,) = queries([ask(guardrails=[guardrail])], 1000.0)
    (reading,) = parse(query, list(items))
    return reading.series, reading.problem


def classic(version, *samples):
    named = {"destination_service": "summarizer", "destination_version": version}
    return [
        {"metric": named | {"le": edge}, "values": [[at, str(c[i])] for at, c in samples]}
        for i, edge in enumerate(("8", "512", "+Inf"))
    ]


def evidence(before, after):
    """What two answers count."""
    cursor = Cursor()
    for items in (before, after):
        series, problem = read(*items)
        assert not problem
        cursor, counts = advance(cursor, series)
    return cursor, counts


def occupied(edges, counts):
    return {edges[i]: count for i, count in enumerate(counts) if count}


def test_arms_of_different_schemas_are_counted_in_the_coarser():
    before = [item("v1", sample(1.0, 5, FAST)), item("v2", sample(1.0, 2, FAST))]
    after = [item("v1", sample(3.0, 5, FAST + SLOW)), item("v2", sample(3.0, 2, FAST + FAST))]
    cursor, counts = evidence(before, after)
    assert cursor.grid is not None
    assert cursor.grid.schema == 2
    assert occupied(counts.edges, counts.stable) == {32.0: 2}
    assert occupied(counts.edges, counts.canary) == {8.0: 4}


def test_a_schema_that_changes_in_mid_rollout_is_no_restart():
    before = [item("v1", sample(1.0, 5, FAST + SLOW))]
    after = [item("v1", sample(2.0, 5, FAST + SLOW), sample(3.0, 3, FAST + SLOW + SLOW))]
    _, counts = evidence(before, after)
    assert counts.stable_exposures == 2


def test_a_restart_counts_in_full():
    before = [item("v1", sample(1.0, 5, FAST + SLOW))]
    _, counts = evidence(before, [item("v1", sample(3.0, 5, SLOW))])
    assert occupied(counts.edges, counts.stable) == {32.0: 2}


def test_zeros_and_negative_values_are_below_every_boundary():
    negative = sample(1.0, 5, FAST, zeros=3)
    negative[1]["buckets"].insert(0, [1, "-2", "-1", "1"])
    negative[1]["count"] = "8"
    (one_series,), _ = read(item("v1", negative))
    assert one_series.samples[0][1][0] == 4
    assert one_series.edges[0] == -128


def test_a_wider_zero_bucket_takes_the_buckets_below_it_along():
    tiny = [-2 * SIZE] * 3 + FAST
    before = [item("v1", sample(1.0, 5, tiny))]
    after = [item("v1", sample(3.0, 5, FAST + FAST, zeros=3, zero=0.5))]
    cursor, counts = evidence(before, after)
    assert cursor.grid is not None
    assert cursor.grid.low == -1
    assert occupied(counts.edges, counts.stable) == {8.0: 4}


def test_values_far_beyond_the_first_ones_share_the_last_bucket():
    before = [item("v1", sample(1.0, 5, FAST))]
    _, counts = evidence(before, [item("v1", sample(3.0, 5, [*FAST, 20 * SIZE]))])
    assert counts.stable[-1] == 1


def test_before_any_unit_nothing_is_seen():
    cursor, counts = evidence([item("v1", sample(1.0, 5, []))], [item("v1", sample(3.0, 5, []))])
    assert cursor == Cursor()
    assert counts.stable_exposures == 0


def test_classic_buckets_are_preferred_where_both_arms_have_them():
    points = [(1.0, (1, 2, 2)), (3.0, (2, 4, 4))]
    both = [*classic("v1", *points), *classic("v2", *points[:1], (3.0, (1, 9, 9)))]
    series, problem = read(*both, item("v1", sample(3.0, 5, FAST)))
    assert not problem
    assert {one_series.schema for one_series in series} == {None}
    native = [item("v1", sample(3.0, 5, FAST)), item("v2", sample(3.0, 5, SLOW))]
    series, _ = read(*classic("v1", *points), *native)
    assert {one_series.schema for one_series in series} == {5}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ([*classic("v1", (3.0, (1, 2, 2))), item("v2", sample(3.0, 5, FAST))], "layouts differ"),
        ([item("v1", sample(3.0, 5, FAST))] * 2, "two series have the same labels"),
        ([item("v1", [3.0, {"count": "1", "buckets": [[0, "1", "1.3", "1"]]}])], "custom buckets"),
        ([item("v1", [3.0, {"count": "1", "buckets": [[0, "1", "+Inf", "1"]]}])], "custom buckets"),
        ([item("v1", [3.0, {"count": "x", "buckets": []}])], "not a finite number"),
        ([item("v1", [3.0, {"count": "0.5", "buckets": []}])], "not a whole number"),
        ([item("v1", [3.0, {}])], "holds no series"),
    ],
)
def test_what_cannot_be_used_is_a_problem(result, words):
    series, problem = read(*result)
    assert series == ()
    assert words in problem


def test_a_rate_needs_counters():
    _, problem = read(item("v1", sample(3.0, 5, FAST)), guardrail=ERRORS)
    assert "native histogram" in problem


def test_buckets_wider_than_an_octave_are_too_coarse():
    series, problem = read(item("v1", [3.0, {"count": "1", "buckets": [[0, "4", "16", "1"]]}]))
    assert series == ()
    assert "wider than a factor of two" in problem


def test_the_journal_keeps_them_sparse_and_reads_them_back():
    (one_series,), _ = read(item("v1", sample(3.0, 5, FAST + SLOW)))
    fact = Observed(rollout="r", at=3.0, series={"latency": (one_series,)})
    row = seal("", 1, fact)
    assert parse_row(row).fact == fact
    assert len(json.dumps(json.loads(row.text)["series"])) < 250


def test_journals_written_before_native_histograms_still_read():
    old = (
        '{"at":3.0,"kind":"observed","problems":{},"rollout":"r","series":{"latency":[{"arm":'
        '"stable","bad":false,"edges":[1.0,"Infinity"],"key":"a","process":"","samples":'
        "[[3.0,[1.0,2.0]]]}]}}"
    )
    fact = FACT.validate_json(old)
    assert isinstance(fact, Observed)
    assert fact.series["latency"][0].schema is None
    verify([seal(START.hash, 1, fact)])
