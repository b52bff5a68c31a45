"""The agenda says what a scan of everything would say."""

import math

from hypothesis import given
from hypothesis import strategies as st

from rollout.tick.times.due_queue import DueQueue

names = st.sampled_from("abcd")
times = st.sampled_from([-math.inf, 0.0, 1.0, 2.0, 3.0])
moves = st.lists(st.tuples(st.sampled_from(["put", "drop", "due"]), names, times), max_size=40)


@given(moves)
def test_due_is_what_a_scan_finds(story):
    queue, plain = DueQueue(), {}
    for move, name, at in story:
        if move == "put":
            queue.schedule(name, at)
            plain[name] = at
        elif move == "drop":
            queue.cancel(name)
            plain.pop(name, None)
        else:
            assert queue.due(at) == sorted(n for n, when in plain.items() if when <= at)


def test_what_was_put_off_leaves_nothing_behind_once_its_time_is_over():
    queue = DueQueue()
    for second in range(1000):
        queue.schedule("a", float(second))
        assert queue.due(float(second)) == ["a"]
    assert len(queue._heap) == 1
