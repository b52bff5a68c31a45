"""The journal on SQLite: files, tampering, faults of the disk, other writers."""

import os
import sqlite3
import stat
from contextlib import closing

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from rollout.decide.record.facts import HumanSaid, Observed
from rollout.errors import InputError, JournalError
from rollout.journal.open import open_for_commands, open_for_reading
from rollout.journal.sql.store import SqlJournal, open_journal
from rollout.journal.sql.tables import ENTRIES


def build_fact(reason: str = "") -> HumanSaid:
    return HumanSaid(rollout="r-1", at=1.5, command="pause", actor="ops@host", reason=reason)


def build_observation() -> Observed:
    return Observed(rollout="r-1", at=2.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "sure foot?#%" / "journal.db"


@pytest.fixture
def journal(path):
    opened = SqlJournal(path, patience=0.05)
    yield opened
    opened.close()


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def ask(path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        return [row for statement in statements for row in raw.execute(statement)]


def test_file_and_folders_are_made_for_their_owner_only(journal, path):
    journal.append([build_fact()], after=0)
    assert mode(path) == 0o600
    assert mode(path.parent) == mode(path.parent.parent) == 0o700
    assert {mode(file) for file in path.parent.iterdir()} == {0o600}


def test_commits_wait_for_the_disk(journal):
    with journal.database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_a_url_names_the_same_file(tmp_path):
    with closing(SqlJournal(f"sqlite:///{tmp_path}/j.db")) as journal:
        assert journal.database.name == str(tmp_path / "j.db")
    with pytest.raises(InputError, match=r"mysql://user:\*\*\*@host"):
        SqlJournal("mysql://user:secret@host/db")


def test_the_tail_is_found_by_its_key(journal, path):
    journal.append([build_fact()], after=0)
    plan = ask(path, "EXPLAIN QUERY PLAN SELECT * FROM entries WHERE seq >= 1 ORDER BY seq")
    assert [row[-1] for row in plan] == ["SEARCH entries USING INTEGER PRIMARY KEY (rowid>?)"]


def test_the_table_suits_postgresql():
    ddl = str(CreateTable(ENTRIES).compile(dialect=postgresql.dialect()))
    assert "seq BIGINT NOT NULL" in ddl
    assert "at DOUBLE PRECISION" in ddl


def test_columns_repeat_the_fact_for_sql(journal, path):
    journal.append([build_fact()], after=0)
    assert ask(path, "SELECT seq, at, rollout, kind FROM entries") == [
        (1, 1.5, "r-1", "human-said")
    ]


@pytest.mark.parametrize(
    "change", ["UPDATE entries SET at = 2", "DELETE FROM entries WHERE seq = 2"]
)
def test_the_table_refuses_changes(journal, path, change):
    journal.append([build_fact(), build_fact()], after=0)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        ask(path, change)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE entries SET text = replace(text, 'ops', 'eve') WHERE seq = 2", "entry 2 was alt"),
        ("UPDATE entries SET kind = 'decided' WHERE seq = 2", "entry 2 was altered: its columns"),
        ("UPDATE entries SET at = 2 WHERE seq = 3", "entry 3 was altered: its columns"),
        ("UPDATE entries SET previous = hash WHERE seq = 2", "entry 2 was altered"),
        ("UPDATE entries SET text = x'ff' WHERE seq = 2", "entry 2 was altered"),
        ("DELETE FROM entries WHERE seq = 2", "entry 2 is missing"),
        ("DELETE FROM entries WHERE seq = 1", "entry 1 is missing"),
    ],
)
def test_tampering_is_found(journal, path, change, problem):
    journal.append([build_fact(), build_fact(), build_fact()], after=0)
    ask(path, "DROP TRIGGER entries_no_update", "DROP TRIGGER entries_no_delete", change)
    with pytest.raises(JournalError, match=problem):
        journal.read()
    with pytest.raises(JournalError, match=problem):
        list(journal.scan())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE entries SET text = '{}' WHERE seq = 2", "entry 2 was altered: its hash"),
        ("UPDATE entries SET rollout = 'x' WHERE seq = 2", "entry 2 was altered: its columns"),
        ("UPDATE entries SET kind = 'decided' WHERE seq = 2", "entry 2 was altered: its columns"),
        ("DELETE FROM entries WHERE seq = 2", "entry 2 is missing"),
    ],
)
def test_what_is_read_later_is_what_was_passed_over(journal, path, change, problem):
    journal.append([build_fact(), build_observation(), build_fact()], after=0)
    assert [entry.seq for entry in journal.scan()] == [1, 2, 3]
    ask(path, "DROP TRIGGER entries_no_update", "DROP TRIGGER entries_no_delete", change)
    with pytest.raises(JournalError, match=problem):
        list(journal.read_at([1, 2]))
    with pytest.raises(JournalError, match=problem):
        list(journal.scan())


def test_parts_that_are_skimmed_are_one_chain(journal, path):
    """Between two parts somebody puts another history in the place of the one that is read."""
    journal.append([build_fact()] * 1200, after=0)
    skimming = journal.scan()
    read = [next(skimming) for _ in range(500)]
    assert read[-1].seq < 1200
    other = SqlJournal(path.with_name("other.db"))
    other.append([build_fact("other")] * 1200, after=0)
    other.close()
    ask(path, "DROP TRIGGER entries_no_delete", "DELETE FROM entries")
    ask(
        path,
        f"ATTACH '{path.with_name('other.db')}' AS other",
        "INSERT INTO entries SELECT * FROM other.entries",
    )
    with pytest.raises(JournalError, match="entry 501 has a broken link"):
        list(skimming)


def test_nothing_is_sealed_onto_an_altered_entry(journal, path):
    journal.append([build_fact()], after=0)
    ask(path, "DROP TRIGGER entries_no_update", "UPDATE entries SET text = '{}'")
    with pytest.raises(JournalError, match="entry 1 was altered"):
        journal.append([build_fact()], after=1)


def test_a_reader_makes_no_file(journal, path):
    journal.append([build_fact()], after=0)
    journal.close()
    before = sorted(path.parent.iterdir())
    with closing(open_for_reading(path)) as reader:
        assert [entry.fact for entry in reader.read()] == [build_fact()]
        with pytest.raises(JournalError, match="is read-only"):
            reader.append([build_fact()], after=1)
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize("opener", [open_for_reading, open_for_commands])
def test_only_a_controller_makes_a_journal(path, opener):
    with pytest.raises(InputError, match="there is no journal at"):
        opener(path)
    assert not path.parent.exists()


def test_a_reader_follows_a_writer(journal, path):
    with closing(open_for_reading(path)) as reader:
        assert list(reader.read()) == []
        journal.append([build_fact("a")], after=0)
        assert len(reader.read()) == 1
        journal.close()  # the write-ahead file goes
        assert list(reader.read(after=1)) == []
        journal.append([build_fact("b")], after=1)
        assert [entry.fact for entry in reader.read(after=1)] == [build_fact("b")]


def test_a_reader_through_a_link_sees_what_is_not_yet_checkpointed(journal, path, tmp_path):
    (tmp_path / "link.db").symlink_to(path)
    journal.append([build_fact()], after=0)
    with closing(open_for_reading(tmp_path / "link.db")) as reader:
        assert len(reader.read()) == 1


def test_a_reader_waits_for_an_empty_file_to_become_a_journal(path):
    path.parent.mkdir(parents=True)
    path.touch()
    with closing(open_for_reading(path)) as reader:
        assert list(reader.read()) == []
        with closing(open_journal(path)) as journal:
            journal.append([build_fact()], after=0)
        assert len(reader.read()) == 1


@pytest.mark.parametrize("opener", [open_for_reading, open_for_commands, open_journal])
def test_what_is_no_journal_is_refused_and_left_alone(tmp_path, opener):
    text, other = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("not a database, " * 100)
    ask(other, "CREATE TABLE bookmarks (url)")
    with pytest.raises(JournalError, match=r"notes\.txt is not a journal \(not an SQLite"):
        opener(text)
    with pytest.raises(JournalError, match="another program's database"):
        opener(other)
    with pytest.raises(JournalError, match="a folder"):
        opener(tmp_path)
    assert text.read_text() == "not a database, " * 100
    assert ask(other, "SELECT name FROM sqlite_master", "PRAGMA journal_mode") == [
        ("bookmarks",),
        ("delete",),
    ]


def test_a_place_where_no_journal_can_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be created"):
        open_journal(tmp_path / "file" / "journal.db")


def test_a_full_disk_is_said_and_nothing_is_written(journal):
    journal.append([build_fact()], after=0)
    with journal.database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="the disk is full"):
        journal.append([build_fact("x" * 100)] * 200, after=1)
    assert len(journal.read()) == 1
    with journal.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert journal.append([build_fact()], after=1)[0].seq == 2


def test_another_writers_transaction_is_waited_for_then_said(journal, path):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="is locked by another writer"):
            journal.append([build_fact()], after=0)
        assert list(journal.read()) == []  # readers are not in its way
        other.execute("ROLLBACK")
    assert len(journal.append([build_fact()], after=0)) == 1


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_what_has_another_name_beside_the_journal_is_refused(tmp_path, suffix):
    path, victim = tmp_path / "journal.db", tmp_path / "victim"
    victim.write_text("theirs")
    open_journal(path).close()
    (tmp_path / f"journal.db{suffix}").hardlink_to(victim)
    with pytest.raises(JournalError, match=f"{suffix} has another name"):
        open_journal(path)
    assert victim.read_text() == "theirs"


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_what_is_no_file_beside_the_journal_is_refused(tmp_path, suffix, kind):
    """SQLite writes through a link there, and waits for a pipe without end."""
    path, victim = tmp_path / "journal.db", tmp_path / "victim"
    victim.write_text("theirs")
    open_journal(path).close()
    beside = tmp_path / f"journal.db{suffix}"
    if kind == "pipe":
        os.mkfifo(beside)
    elif kind == "folder":
        beside.mkdir()
    else:
        beside.symlink_to(victim if kind == "link" else tmp_path / "nowhere")
    for make in (open_journal, open_for_reading, open_for_commands):
        with pytest.raises(JournalError, match=f"{suffix} is (a link|no file)"):
            make(path)
    assert victim.read_text() == "theirs"
    assert not (tmp_path / "nowhere").exists()
