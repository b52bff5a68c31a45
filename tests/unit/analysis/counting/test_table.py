"""The table of last samples is the mapping that a dict of them is."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from analysis.counting.cursor import Cursor
from analysis.counting.table import SampleTable

KEYS = st.tuples(st.sampled_from(["canary", "stable"]), st.sampled_from("abcdef"))
SAMPLES = st.tuples(
    st.integers(0, 9).map(float), st.tuples(*[st.integers(0, 2**53).map(float)] * 3)
)
LASTS = st.dictionaries(KEYS, SAMPLES)


@given(LASTS, LASTS)
def test_a_table_reads_as_the_dict_that_it_was_made_of_and_updated_with(before, newer):
    table = SampleTable.of(before, 3)
    assert dict(table) == before
    assert list(table) == sorted(before)
    changed = SampleTable.of(newer, 3)
    updated = table.updated(changed.keys_in_order, changed.at, changed.values_at)
    assert dict(updated) == {**before, **newer}
    assert list(updated) == sorted({**before, **newer})
    assert dict(table) == before  # a look that is not recorded changes nothing


@given(LASTS)
def test_a_cursor_tells_the_same_times_of_both(last):
    plain, tabled = Cursor(last), Cursor(SampleTable.of(last, 3))
    for arm in ("canary", "stable"):
        assert Counter(tabled.times(arm)) == Counter(plain.times(arm))
        assert tabled.newest(arm) == plain.newest(arm)
