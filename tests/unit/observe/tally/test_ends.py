"""The last samples of a large answer, read as arrays, are those that are read one by one."""

import numpy as np

from analysis.counting.cursor import Key
from analysis.counting.table import SampleTable
from rollout.observe.bulk.ends import Ends

KEYS: list[Key] = [("canary", "pod=1"), ("stable", "pod=1"), ("stable", "pod=2")]


def ends():
    table = SampleTable(KEYS, np.array([1.0, 2.0, 3.0]), np.array([[4.0], [5.0], [6.0]]))
    return Ends(table, {KEYS[0]: "job/a:1", KEYS[1]: "job/a:1"})


def test_each_series_names_its_target_or_itself():
    assert [*ends().iterate_targets()] == [("job/a:1", 1.0), ("job/a:1", 2.0), ("stable pod=2", 3)]


def test_targets_that_were_never_counted_are_left_out():
    rest = ends().without({"job/a:1"})
    assert dict(rest.table) == {KEYS[2]: (3.0, (6.0,))}
    assert rest.processes == {}
    assert ends().without(()).table.list_times("stable") == [2.0, 3.0]


def test_series_that_were_read_one_by_one_join_in_order():
    table = ends().without({"job/a:1"}).table.joined({KEYS[0]: (9.0, (8.0,))})
    assert [*table] == [KEYS[0], KEYS[2]]
    assert table[KEYS[0]] == (9.0, (8.0,))
    assert Ends().table.joined({KEYS[0]: (9.0, (8.0,))}) == {KEYS[0]: (9.0, (8.0,))}


def test_where_none_were_read_at_once_none_are_left():
    assert len(Ends().without({"job/a:1"}).table) == 0
