"""Questions that may hang or fail are answered in time, or not at all."""

from __future__ import annotations

import threading

from rollout.wire.background import answer_within


def test_an_answer_in_time_is_returned():
    assert answer_within(60, lambda: False) is False


def test_a_question_that_hangs_or_fails_has_no_answer():
    over = threading.Event()
    assert answer_within(0.05, lambda: over.wait(60)) is None
    over.set()
    assert answer_within(60, lambda: 1 // 0) is None
