"""Evidence depends on the samples alone: not on when, how often or in what pieces they are read."""

from collections import Counter
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from analysis.counting.counts import Counts
from analysis.counting.cursor import Arm, Cursor, Series, advance
from analysis.counting.thinning import compress

EDGES = (1.0, 2.0, float("inf"))
KEYS: list[tuple[Arm, str]] = [("stable", "a"), ("stable", "b"), ("canary", "a"), ("canary", "b")]


@st.composite
def process(draw, width, born):
    """One series as its process lived it: samples, and the units it counted after time 0.

    Each step adds units to each bucket; a restart empties them. A restart that the next sample
    hides cannot be seen by anybody, so a restarted process has not yet passed its old counts.
    """
    counts, samples, units = [0] * width, [], [0] * width
    for at in range(born, born + draw(st.integers(1, 9))):
        if any(counts) and draw(st.booleans()):
            old, counts = counts, [draw(st.integers(0, count)) for count in counts]
            if counts == old:
                counts[counts.index(max(counts))] -= 1
            added = counts
        else:
            added = draw(st.lists(st.integers(0, 9), min_size=width, max_size=width))
            counts = [c + a for c, a in zip(counts, added, strict=True)]
        samples.append((float(at), tuple(map(float, accumulate(counts)))))
        units = [u + a * (at > 0) for u, a in zip(units, added, strict=True)]
    return tuple(samples), units


@st.composite
def fleet(draw):
    """Series of both arms, old (in the baseline at time 0) and new, and what they counted since."""
    edges = draw(st.sampled_from([(), EDGES]))
    series: list[Series] = []
    truth: Counter[tuple[str, int]] = Counter()
    for arm, key in KEYS:
        born = 0 if (arm, key) == KEYS[0] else draw(st.integers(0, 3))
        samples, units = draw(process(len(edges) or 1, born))
        bad = key == "b" and not edges
        series.append(Series(key, arm, samples, bad, edges))
        for i, count in enumerate(units if edges else (*units, units[0] * bad)):
            truth[arm, i] += count
    width = len(edges) or 2
    canary, stable = (tuple(truth[arm, i] for i in range(width)) for arm in ("canary", "stable"))
    return series, Counts(canary, stable, edges)


def window(one_series, start, end):
    samples = tuple(sample for sample in one_series.samples if start <= sample[0] < end)
    return Series(one_series.key, one_series.arm, samples, one_series.bad, one_series.edges)


def total(looks):
    cursor, evidence = Cursor(), Counts()
    for look in looks:
        cursor, new = advance(cursor, look)
        evidence += new
    return cursor, evidence


@st.composite
def polled(draw, series):
    """Looks that overlap, repeat and jump, but end beyond every sample; the first is at time 0."""
    ends = [*sorted(draw(st.lists(st.integers(1, 12), max_size=8))), 12]
    looks, covered = [[window(one_series, 0, 1) for one_series in series]], 1
    for end in ends:
        start = draw(st.integers(0, covered))
        look = [window(one_series, start, end) for one_series in series]
        looks += [draw(st.permutations(look))] * draw(st.integers(1, 2))
        covered = max(covered, end)
    return looks


@given(st.data(), fleet())
def test_any_polling_counts_what_the_processes_counted(data, lived):
    series, truth = lived
    _, evidence = total(data.draw(polled(series)))
    assert evidence == truth


@given(st.data(), fleet())
def test_compressing_changes_no_look_and_no_cursor(data, lived):
    series, _ = lived
    looks = data.draw(polled(series))
    short = [
        [Series(s.key, s.arm, compress(s.samples), s.bad, s.edges) for s in look] for look in looks
    ]
    assert total(short) == total(looks)


@given(st.data(), fleet())
def test_series_may_be_merged_in_any_order_and_grouping(data, lived):
    series, truth = lived
    base, _ = advance(Cursor(), [window(one_series, 0, 1) for one_series in series])
    order = data.draw(st.permutations(series))
    cut = data.draw(st.integers(0, len(order)))
    apart = [advance(base, [one_series])[1] for one_series in order]
    left, right = sum(apart[:cut], Counts()), sum(apart[cut:], Counts())
    assert left + right == right + left == advance(base, order)[1] == truth


@given(fleet())
def test_a_late_or_double_look_counts_nothing_and_moves_nothing(lived):
    series, _ = lived
    cursor, _ = advance(advance(Cursor(), series)[0], series)
    again, evidence = advance(cursor, series)
    assert again == cursor
    assert not any(evidence.canary + evidence.stable)
