"""What is no number in a native histogram is in no bucket: neither a good score nor a wrong one."""

import pytest

from analysis.counting.belief import count_believed
from analysis.counting.beyond import NUMBERS, split_off_scale
from analysis.counting.cursor import Cursor
from rollout.observe.parse import parse
from rollout.observe.query import queries
from tests.support.asking import ask
from tests.support.natives import SIZE, item, sample

LOW = {"series": "app_score", "unit": "score", "worse": "low"}
LABELS = {"labels": {"service": "destination_service", "version": "destination_version"}}
BELOW = {"name": "low", "below": {"score": 0.5, "margin": {"absolute": "1%"}}, "histogram": LOW}
SHIFT = {"name": "shift", "tolerance": 0.04, "histogram": LOW}
SLOW = {
    "name": "slow",
    "slower": {"than": "64ms", "margin": {"absolute": "1%"}},
    "histogram": {"series": "app_ms", "unit": "ms"},
}
BAD, GOOD = -2 * SIZE, -SIZE // 4  # scores of .25 and .84


def scored(version, *rows):
    """A series with one sample for each (time, values, count of what is no number)."""
    series = item(version, *(sample(at, 5, values) for at, values, _ in rows))
    for (_, histogram), (_, values, no_numbers) in zip(series["histograms"], rows, strict=True):
        histogram["count"] = str(len(values) + no_numbers)
    return series


def count(guardrail, *looks):
    """What looks count, one after another."""
    cursor, counts = Cursor(), None
    for at, items in enumerate(looks, start=1):
        (query,) = queries([ask(guardrails=[{**guardrail, **LABELS}])], 1000.0 + at)
        (read,) = parse(query, list(items))
        assert not read.problem
        belief = count_believed(cursor, read.series, {})
        cursor, counts = belief.cursor, belief.counts
    assert counts is not None
    return counts


def looks(*no_numbers):
    """Two looks: stable counts 6 more, the canary 4 more and so many that are no number."""
    return [
        [scored("v1", (1.0, [BAD, GOOD], 0)), scored("v2", (1.0, [BAD, GOOD], no_numbers[0]))],
        [
            scored("v1", (3.0, [BAD] * 2 + [GOOD] * 6, 0)),
            scored("v2", (3.0, [BAD] * 2 + [GOOD] * 4, no_numbers[1])),
        ],
    ]


def test_at_an_edge_they_are_units_of_their_own():
    counts = count(BELOW, *looks(1, 4))
    assert counts.edges == (0.5, NUMBERS, float("inf"))
    assert (counts.canary, counts.stable) == ((1, 3, 3), (1, 5, 0))
    rest, aside = split_off_scale(counts, 0.5)
    assert aside == (3, 0)
    assert rest.canary == (1, 3, 0)


def test_a_canary_that_gives_nothing_else_has_no_good_score():
    before, after = looks(0, 0)
    counts = count(BELOW, [before[0]], [after[0], scored("v2", (3.0, [], 5))])
    assert counts.canary[1] == 0


def test_over_the_whole_shape_they_are_left_out():
    counts = count(SHIFT, *looks(1, 4))
    assert (sum(counts.canary), sum(counts.stable)) == (4, 6)
    assert counts == count(SHIFT, *looks(0, 0))


@pytest.mark.parametrize("overflow", [True, False])
def test_where_high_is_bad_they_are_the_worst(overflow):
    fast = [item("v1", sample(1.0, 5, [SIZE])), item("v2", sample(1.0, 5, [SIZE]))]
    later = [item("v1", sample(3.0, 5, [SIZE] * 9)), item("v2", sample(3.0, 5, [SIZE] * 4))]
    later[1]["histograms"][0][1]["count"] = "6"
    if overflow:  # what client libraries make of infinite values
        later[1]["histograms"][0][1]["buckets"].append([0, repr(NUMBERS), "+Inf", "2"])
    counts = count(SLOW, fast, later)
    assert (counts.canary, counts.stable) == ((3, 2), (8, 0))
