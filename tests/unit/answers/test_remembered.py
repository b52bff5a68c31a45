"""What was read out of an answer is read once, for as long as the answer stays the same."""

import datetime as dt

from rollout.answers.remembered import RememberedReadings


class CountedReading:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return self.count


def test_the_same_words_and_document_are_read_once() -> None:
    readings, read = RememberedReadings[int](), CountedReading()
    assert readings.read(("plan", 100), {"weight": 1}, read) == 1
    assert readings.read(("plan", 100), {"weight": 1}, read) == 1


def test_whatever_differs_is_read_again() -> None:
    readings, read = RememberedReadings[int](), CountedReading()
    documents = ({"weight": 1}, {"weight": 2}, {"weight": True}, {"weight": 1.0}, {"weight": "1"})
    for number, document in enumerate(documents, 1):
        assert readings.read(("plan", 100), document, read) == number
    assert readings.read(("plan", 1000), {"weight": 1}, read) == len(documents) + 1


def test_a_document_that_was_changed_in_place_is_read_again() -> None:
    readings, read, document = RememberedReadings[int](), CountedReading(), {"weight": 1}
    assert readings.read((), document, read) == 1
    document["weight"] = 2
    assert readings.read((), document, read) == 2


def test_what_is_no_json_is_read_each_time() -> None:
    readings, read = RememberedReadings[int](), CountedReading()
    day = {"day": dt.date(2026, 1, 1)}
    assert [readings.read((), day, read) for _ in range(2)] == [1, 2]


def test_the_oldest_is_forgotten_first() -> None:
    readings, read = RememberedReadings[int](most=2), CountedReading()
    for document in ("first", "second", "first", "third"):  # the second is the oldest now
        readings.read((), document, read)
    assert readings.read((), "first", read) == 1
    assert readings.read((), "second", read) == 4
