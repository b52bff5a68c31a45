"""What is read of a long journal, and what is said to be verified."""

from contextlib import closing

import pytest

from rollout.decide.record.facts import Action, Decided, Fact, Started
from rollout.decide.record.split import Split
from rollout.errors import JournalError
from rollout.journal import backwards
from rollout.journal.backwards import (
    Span,
    find_newest_start,
    read_backwards,
    read_story,
    scan_after,
)
from rollout.journal.hash_chain import Row, seal
from rollout.journal.memory import MemoryJournal
from rollout.journal.sql.store import SqlJournal, open_journal


def started(rollout: str) -> Started:
    return Started(rollout=rollout, at=1.0, plan={}, digest="d", total=100, controller="0")


def decided(action: Action, rollout: str = "a-1", sentence: str = "") -> Decided:
    return Decided(
        rollout=rollout, at=1.0, action=action, split=Split(0), reasons=(), sentence=sentence
    )


class CountingJournal(MemoryJournal):
    """Notes which rows are read."""

    def __init__(self):
        super().__init__()
        self.numbers = []

    def rows(self, after=0, most=None):
        rows = super().rows(after, most)
        self.numbers += [row.seq for row in rows]
        return rows


class AlteredJournal:
    """A journal of rows, whatever their chain says between two reads."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def head(self) -> int:
        return len(self._rows)

    def rows(self, after: int = 0, most: int | None = None) -> list[Row]:
        return self._rows[after : None if most is None else after + most]

    def read_at(self, places):
        raise NotImplementedError


def edit(journal: SqlJournal, statement: str, values: tuple[object, ...]) -> None:
    with journal.database.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER entries_no_UPDATE")
        connection.exec_driver_sql(statement, values)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(backwards, "AT_ONCE", 2)


def test_the_story_of_an_entry_is_its_rollout_s_up_to_it():
    journal = MemoryJournal()
    facts: list[Fact] = [started("a-1"), started("b-1"), decided("hold"), decided("hold", "b-1")]
    journal.append([*facts, decided("advance"), decided("promote")], after=0)
    story, span = read_story(journal, 5)
    assert ([entry.seq for entry in story], span) == ([1, 3, 5], Span(1, 6, 6))
    assert [entry.seq for entry in read_story(journal, 4)[0]] == [2, 4]


def test_what_is_older_than_a_rollout_is_not_read_and_not_said_to_be_verified():
    journal = CountingJournal()
    journal.append([decided("hold", f"old-{number}") for number in range(50)], after=0)
    journal.append([started("a-1"), decided("hold"), decided("advance"), decided("hold")], after=50)
    story, span = read_story(journal, 53)
    assert [entry.seq for entry in story] == [51, 52, 53]
    assert (span, min(journal.numbers)) == (Span(51, 54, 54), 51)
    assert str(span) == ("entries 51 to 54 of 54 are whole and linked; surefoot verify checks all")


def test_a_journal_that_was_read_whole_is_said_to_be_whole():
    assert str(Span(1, 7, 7)) == "all 7 entries are whole and linked"


def test_where_there_is_no_such_entry_the_newest_decisions_are_returned():
    journal = MemoryJournal()
    holds: list[Fact] = [decided("hold") for _ in range(7)]
    journal.append([started("a-1"), *holds], after=0)
    assert [entry.seq for entry in read_story(journal, 99)[0]] == [4, 5, 6, 7, 8]
    assert read_story(MemoryJournal(), 1)[0] == []


def test_a_batch_that_does_not_lead_to_the_one_after_it_is_found():
    facts = [decided("hold", sentence=str(number)) for number in range(4)]
    rows = list[Row]()
    for fact in facts:
        rows.append(seal(rows[-1].hash if rows else "0" * 64, len(rows) + 1, fact))
    anew = seal(rows[0].hash, 2, decided("hold", sentence="other"))
    journal = AlteredJournal([rows[0], anew, *rows[2:]])
    batches = read_backwards(journal, 4)
    assert [row.seq for row in next(batches)] == [3, 4]
    with pytest.raises(JournalError, match="entry 3 has a broken link"):
        next(batches)


def test_rows_that_are_gone_are_missed():
    class Shrinking(MemoryJournal):
        def rows(self, after=0, most=None):
            return super().rows(after, most)[:-1]

    journal = Shrinking()
    journal.append([decided("hold") for _ in range(4)], after=0)
    with pytest.raises(JournalError, match="entry 4 is missing"):
        next(read_backwards(journal, 4))


@pytest.mark.parametrize("altered", [3, 4, 5])
def test_what_a_rollout_s_entries_rest_on_is_found_where_it_was_edited(tmp_path, altered):
    """The entry after the asked one links to it, so that its own rewriting shows too."""
    path = tmp_path / "journal.db"
    with closing(open_journal(path)) as journal:
        old = [decided("hold", "old") for _ in range(2)]
        journal.append([*old, started("a-1"), decided("hold"), decided("hold")], after=0)
        edit(journal, "UPDATE entries SET text = text || ' ' WHERE seq = ?", (altered,))
    with (
        closing(SqlJournal(path, readonly=True)) as journal,
        pytest.raises(JournalError, match=f"entry {altered} was altered"),
    ):
        read_story(journal, 4)


def test_the_entry_after_the_asked_one_has_to_link_to_it(tmp_path):
    path = tmp_path / "journal.db"
    with closing(open_journal(path)) as journal:
        journal.append([started("a-1"), decided("hold"), decided("advance")], after=0)
        anew = seal(journal.rows()[0].hash, 2, decided("promote"))
        statement = "UPDATE entries SET text = ?, hash = ? WHERE seq = 2"
        edit(journal, statement, (anew.text, anew.hash))
    with (
        closing(SqlJournal(path, readonly=True)) as journal,
        pytest.raises(JournalError, match="entry 3 has a broken link"),
    ):
        read_story(journal, 2)


def test_the_newest_start_of_a_name_is_found_from_the_end(monkeypatch):
    """A name is a plan's or a rollout's; what is older than its start is not read."""
    monkeypatch.setattr(backwards, "AT_ONCE", 2)
    plans = [("a-1", "a"), ("b-1", "b"), ("a-2", "a"), ("c-1", "c")]
    journal = CountingJournal()
    for rollout, name in plans:
        fact = started(rollout).model_copy(update={"plan": {"metadata": {"name": name}}})
        journal.append([fact, decided("hold", rollout)], journal.head())
    assert find_newest_start(journal, "a") == (5, {"c-1": "c", "a-2": "a"})
    assert min(journal.numbers) == 5
    assert find_newest_start(journal, "a-1")[0] == 1
    assert find_newest_start(journal, "typo") == (0, dict(reversed(plans)))
    assert [entry.seq for entry in scan_after(journal, 5)] == [6, 7, 8]


def test_an_altered_entry_on_the_way_to_a_start_is_found(monkeypatch):
    monkeypatch.setattr(backwards, "AT_ONCE", 2)
    rows = [seal("", 1, started("a-1"))]
    for seq in range(2, 6):
        rows.append(seal(rows[-1].hash, seq, decided("hold")))
    rows[3] = Row(4, rows[3].text, "0" * 64, rows[3].hash)
    with pytest.raises(JournalError, match="entry"):
        find_newest_start(AlteredJournal(rows), "a-1")
