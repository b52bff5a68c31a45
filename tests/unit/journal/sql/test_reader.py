"""The reader of a file hands out what the journal that wrote it reads, and finds what it finds."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.errors import InputError, JournalError
from rollout.journal.jsonl import LinesJournal
from rollout.journal.sql.reader import SqliteReader
from rollout.journal.sql.store import SqlJournal, open_journal

RECORDED = Path(__file__).parents[4] / "notebooks/data/demo.jsonl"
SAID = HumanSaid(rollout="r-1", at=1.5, command="pause", actor="ops@host")
UNSEAL = ("DROP TRIGGER entries_no_UPDATE", "DROP TRIGGER entries_no_DELETE")


@pytest.fixture
def path(tmp_path):
    where = tmp_path / "journal.db"
    facts = [entry.fact for entry in LinesJournal(RECORDED).read()][:40]
    with closing(open_journal(where)) as journal:
        journal.append(facts, 0)
    return where


def alter(path, *statements):
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_it_reads_what_the_writer_reads(path):
    reader = SqliteReader(path)
    with closing(SqlJournal(path, readonly=True)) as journal:
        assert reader.head() == journal.head() == 40
        assert [*reader.scan()] == [*journal.scan()]
        assert [*reader.read_at([3, 17])] == [*journal.read_at([3, 17])]
        for after, most in ((0, None), (0, 7), (12, None), (12, 7), (40, None)):
            assert reader.rows(after, most) == journal.rows(after, most)
            assert reader.read(after, most) == journal.read(after, most)
        assert reader.read_unverified() == journal.read_unverified()


def test_it_follows_a_writer_from_before_there_is_a_table(tmp_path):
    path = tmp_path / "journal.db"
    path.touch()
    reader = SqliteReader(path)
    assert (reader.head(), reader.read(), reader.holder()) == (0, [], None)
    with closing(open_journal(path)) as journal, journal.lock():
        journal.append([SAID], 0)
        assert [entry.fact for entry in reader.read()] == [SAID]
        journal.append([SAID], 1)
        assert [entry.seq for entry in reader.read(1)] == [2]
        assert reader.holder() is not None


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ([*UNSEAL, "UPDATE entries SET text = text || ' ' WHERE seq = 9"], "entry 9 was altered"),
        ([*UNSEAL, "UPDATE entries SET at = 1 WHERE seq = 9"], "its columns differ"),
        ([*UNSEAL, "DELETE FROM entries WHERE seq = 9"], "entry 9 is missing"),
        (["ALTER TABLE entries RENAME COLUMN at TO moment"], "another program's table"),
    ],
)
def test_it_finds_what_was_altered(path, statements, words):
    alter(path, *statements)
    with pytest.raises(JournalError, match=words):
        SqliteReader(path).read()


def test_a_journal_that_was_cut_meanwhile_is_noticed(path):
    reader = SqliteReader(path)
    reader.read()
    alter(path, *UNSEAL, "DELETE FROM entries WHERE seq > 30")
    with pytest.raises(JournalError, match="entry 40 is missing: the journal was cut or replaced"):
        reader.read(40)


def test_it_makes_nothing(tmp_path):
    with pytest.raises(InputError, match="there is no journal at"):
        SqliteReader(tmp_path / "journal.db")
    assert not [*tmp_path.iterdir()]
