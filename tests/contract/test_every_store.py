"""What every journal must do, whatever it is kept in."""

import math
from collections.abc import Callable, Iterator

import pytest

from analysis.counting.cursor import Series
from rollout.decide.record.facts import Decided, Fact, HumanSaid, Observed
from rollout.decide.record.route_facts import Confirmed
from rollout.decide.record.split import Split
from rollout.errors import JournalError, JournalMovedError
from rollout.journal.hash_chain import GENESIS, verify
from rollout.journal.jsonl import from_lines, to_lines
from rollout.journal.memory import MemoryJournal
from rollout.journal.sql.store import SqlJournal
from rollout.ports import Entry, SkippedObservation

Journals = MemoryJournal | SqlJournal


def build_fact(reason: str = "") -> Fact:
    return HumanSaid(rollout="r-1", at=1.5, command="pause", actor="ops@host", reason=reason)


def observed() -> Fact:
    series = Series("le", "canary", ((2.0, (1.0, 3.0)),), edges=(0.1, math.inf))
    return Observed(
        rollout="r-1", at=2.0, series={"latency": (series,)}, problems={"errors": "è\n"}
    )


def unremarkable() -> Fact:
    return observed().model_copy(update={"at": 2.5, "problems": {}})


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def make(request, tmp_path) -> Iterator[Callable[[], Journals]]:
    """Opens the same journal again at every call."""
    memory = MemoryJournal()
    opened: list[SqlJournal] = []
    on_server = request.param == "postgresql"
    where = request.getfixturevalue("server").new() if on_server else tmp_path / "journal.db"

    def open_it() -> Journals:
        if request.param == "memory":
            return memory
        opened.append(SqlJournal(where, patience=0.05))
        return opened[-1]

    yield open_it
    for journal in opened:
        journal.close()


def test_an_empty_journal_reads_as_nothing(make):
    assert list(make().read()) == []


def test_entries_are_numbered_from_one_and_linked_from_genesis(make):
    first, second = make().append([build_fact("a"), build_fact("b")], after=0)
    assert (first.seq, second.seq) == (1, 2)
    assert first.previous == GENESIS
    assert second.previous == first.hash


def test_what_was_appended_is_read_back_by_anyone(make):
    appended = make().append([observed(), build_fact()], after=0)
    assert list(make().read()) == list(appended)
    assert appended[0].fact == observed()


def test_every_kind_of_value_survives(make):
    split = Split(37, 10_000)
    facts: list[Fact] = [
        Decided(
            rollout="r-1",
            at=0.1 + 0.2,
            action="advance",
            split=split,
            reasons=("bake",),
            sentence='She said "go" \\ \x00 \u2028 \U0001f6a6',
            numbers={"log-capital": -1e-300, "none": None, "counts": [1, 2]},
        ),
        Confirmed(rollout="r-1", at=3.0, decision=1, split=split),
    ]
    make().append(facts, after=0)
    assert [entry.fact for entry in make().read()] == facts


def test_reading_goes_on_where_it_stopped(make):
    journal = make()
    entries = journal.append([build_fact("a"), build_fact("b"), build_fact("c")], after=0)
    assert list(journal.read(after=1)) == list(entries[1:])
    assert list(journal.read(after=3)) == []


def test_parts_are_as_long_as_asked_for_and_follow_each_other(make):
    journal = make()
    assert journal.head() == 0
    journal.append([build_fact(str(number)) for number in range(5)], after=0)
    assert make().head() == 5
    for read in (make().rows, make().read):
        assert [entry.seq for entry in read(0, 2)] == [1, 2]
        assert [entry.seq for entry in read(2, 2)] == [3, 4]
        assert [entry.seq for entry in read(4, 2)] == [5]


def test_an_append_after_somebody_elses_is_refused(make):
    store, other = make(), make()
    store.append([build_fact("one")], after=0)
    with pytest.raises(JournalMovedError, match="last entry is 1, not 0"):
        other.append([build_fact("other")], after=0)
    assert [entry.fact for entry in other.read()] == [build_fact("one")]
    other.append([build_fact("other")], after=1)
    assert len(store.read()) == 2


def test_an_append_beyond_the_end_is_refused(make):
    with pytest.raises(JournalMovedError):
        make().append([build_fact()], after=1)


def test_appending_nothing_changes_nothing(make):
    assert list(make().append([], after=0)) == []
    assert list(make().read()) == []


@pytest.mark.parametrize("count", [1, 1200])  # more than one statement holds
def test_all_facts_are_written_or_none(make, count):
    bad = Decided(
        rollout="r-1",
        at=1.0,
        action="hold",
        split=Split(1),
        reasons=(),
        sentence="",
        numbers={"u": math.nan},
    )
    journal = make()
    with pytest.raises(JournalError, match="decided fact cannot be written"):
        journal.append([*[build_fact()] * count, bad, build_fact()], after=0)
    assert list(make().read()) == []
    many = make().append([build_fact()] * count, after=0)
    assert [entry.seq for entry in many] == [*range(1, count + 1)]
    assert list(make().read()) == list(many)


def test_reading_after_an_entry_that_is_gone_is_an_error(make):
    journal = make()
    journal.append([build_fact()], after=0)
    with pytest.raises(JournalError, match="entry 2 is missing: the journal was cut"):
        journal.read(after=2)


def test_skimming_tells_everything_but_evidence(make):
    assert list(make().scan()) == []
    facts = [
        build_fact("a"),
        observed(),
        unremarkable(),
        build_fact("b"),
    ] * 300  # more than is read at once
    entries = make().append(facts, after=0)
    skimmed = list(make().scan())
    assert [entry for entry in skimmed if isinstance(entry, Entry)] == [
        entry for entry in entries if not isinstance(entry.fact, Observed)
    ]
    assert [entry.seq for entry in skimmed] == [*range(1, 1201)]
    assert skimmed[1:3] == [SkippedObservation(2, "r-1", 2.0), SkippedObservation(3, "r-1", 2.5)]


def test_entries_are_picked_by_their_places(make):
    journal = make()
    entries = journal.append(
        [build_fact("a"), observed(), unremarkable(), build_fact("b")] * 300, after=0
    )
    assert list(journal.read_at([])) == []
    assert list(journal.read_at([2, 3, 700])) == [entries[1], entries[2], entries[699]]
    assert list(journal.read_at(range(1, 1201))) == list(entries)
    with pytest.raises(JournalError, match="entry 1201 is missing"):
        list(journal.read_at([1, 1201]))


def test_stored_rows_verify_and_travel_as_lines(make):
    journal = make()
    journal.append([build_fact("a"), observed()], after=0)
    rows = journal.rows()
    verify(rows)
    assert from_lines(to_lines(rows)) == rows
    assert list(MemoryJournal(rows).read()) == list(journal.read())
