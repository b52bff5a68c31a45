"""Native histograms: merging buckets equals counting in coarser ones, whatever the samples are."""

import math

from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from analysis.counting.cursor import Arm, Cursor, Series, advance
from analysis.counting.native_histogram import Grid, Native, common, merged, on_grid
from rollout.observe.native import NativeSample, native_series
from tests.support.natives import SIZE, sample

SAMPLES = TypeAdapter(list[tuple[float, NativeSample]])  # as the API writes them
SCHEMAS = st.integers(0, 8)
VALUES = st.lists(st.integers(-4 * SIZE, 12 * SIZE), max_size=30)


def series(arm: Arm, *samples):
    return native_series(Series("a", arm, ()), SAMPLES.validate_python(samples))


def counted(values, zeros, exponents):
    """Values at or below each exponent, counted one by one."""
    return tuple(float(zeros + sum(v <= e * SIZE for v in values)) for e in exponents)


@given(VALUES, st.integers(0, 9), SCHEMAS, SCHEMAS)
def test_merging_equals_counting_in_coarser_buckets(values, zeros, fine, coarser):
    assume(coarser <= fine)
    sampled = series("stable", sample(1.0, fine, values, zeros))
    grid = Grid(coarser, -3, 10)
    assert sampled.schema is not None
    assert sampled.schema >= fine
    samples = on_grid(sampled.edges, [values for _, values in sampled.samples], grid.exponents)
    assert samples == [counted(values, zeros, grid.exponents)]


@given(VALUES, SCHEMAS, SCHEMAS)
def test_layouts_merge_in_any_number_of_steps(values, one_schema, other):
    low, middle = sorted((one_schema, other))
    fine, half, coarse = (Grid(schema, -3, 10) for schema in (8, middle, low))
    cumulative = counted(values, 0, fine.exponents)
    counts = [int(b - a) for a, b in zip((0.0, *cumulative), cumulative, strict=False)]
    stepped = merged(merged(counts, fine.edges, half.edges), half.edges, coarse.edges)
    assert stepped == merged(counts, fine.edges, coarse.edges)
    assert sum(stepped) == len(values)


@given(st.lists(st.tuples(VALUES, SCHEMAS, VALUES, SCHEMAS), min_size=2, max_size=4))
def test_evidence_is_what_was_counted_in_the_last_layout(looks):
    """Both arms add values at every look and change schema as they like, never to a finer one."""
    assume(any(values for values in looks[0][::2]))
    cursor, arm_totals = Cursor(), {"stable": list[int](), "canary": list[int]()}
    schemas = {"stable": 8, "canary": 8}
    for at, look in enumerate(looks):
        answer = []
        for arm, values, schema in (("stable", *look[:2]), ("canary", *look[2:])):
            arm_totals[arm] += values
            schemas[arm] = min(schemas[arm], schema)
            answer.append(series(arm, sample(float(at), schemas[arm], arm_totals[arm])))
        cursor, evidence = advance(cursor, answer)
        if at and cursor.grid:
            wanted = cursor.grid.exponents
            assert cursor.grid.schema <= min(schemas.values()) or not all(arm_totals.values())
            for values, counts in ((look[0], evidence.stable), (look[2], evidence.canary)):
                cumulative = counted(values, 0, wanted)
                total = [sum(counts[: i + 1]) for i in range(len(counts))]
                assert total == list(cumulative)


@given(VALUES, SCHEMAS, SCHEMAS)
def test_a_grid_never_gets_finer(values, low, high):
    assume(values)
    first, second = (series("stable", sample(1.0, schema, values)) for schema in (low, high))
    layouts = [
        Native(s.schema or 0, s.edges, tuple(v for _, v in s.samples)) for s in (first, second)
    ]
    grid = common(None, layouts[:1])
    assert grid is not None
    both = common(grid, layouts)
    assert both is not None
    assert set(both.edges) <= set(grid.edges)
    assert len(grid.edges) <= 256 + 2
    assert math.isinf(both.edges[-1])
