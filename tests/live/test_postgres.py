"""The journal on a real PostgreSQL: who may decide, what is refused, what is said."""

import re
from contextlib import closing
from functools import partial

import pytest
from sqlalchemy import event

from rollout.decide.record.facts import HumanSaid
from rollout.errors import InputError, JournalBusyError, JournalError, JournalMovedError
from rollout.journal.open import open_for_commands, open_for_reading
from rollout.journal.sql.store import SqlJournal, open_journal

pytestmark = pytest.mark.live


def build_fact(reason: str = "") -> HumanSaid:
    return HumanSaid(rollout="r-1", at=1.5, command="pause", actor="ops@host", reason=reason)


@pytest.fixture
def url(server):
    return server.new()


@pytest.fixture
def opened():
    """Opens journals that are closed at the end."""
    journals: list[SqlJournal] = []

    def open_it(url, **options) -> SqlJournal:
        journals.append(SqlJournal(url, patience=0.2, **options))
        return journals[-1]

    yield open_it
    for journal in journals:
        journal.close()


# Who may decide


def test_a_second_controller_is_refused_and_told_who_holds_it(opened, url):
    first, second = opened(url), opened(url)
    assert second.holder() is None
    with first.lock():
        words = r"another controller \(surefoot pid \d+ on .+\) holds this journal"
        with pytest.raises(JournalBusyError, match=words), second.lock():
            pytest.fail("two controllers")
        assert re.fullmatch(r"surefoot pid \d+ on .+", second.holder() or "")
    assert second.holder() is None
    with second.lock():
        second.append([build_fact()], after=0)


def test_people_need_no_lock(opened, url):
    deciding, commanding = opened(url), opened(url)
    with deciding.lock():
        commanding.append([build_fact()], after=0)
        deciding.append([build_fact("decided")], after=1)
        assert [entry.seq for entry in commanding.read()] == [1, 2]


def test_a_controller_that_was_cut_off_goes_on_when_nobody_took_over(opened, server, url):
    journal = opened(url)
    with journal.lock():
        journal.append([build_fact()], after=0)
        server.cut_off(url)
        assert journal.append([build_fact()], after=1)[0].seq == 2
        assert journal.holder() is not None


def test_a_connection_that_is_cut_off_within_an_append_leaves_nothing(opened, server, url):
    journal = opened(url)

    def cut(*arguments) -> None:
        if arguments[2].startswith("INSERT"):
            server.cut_off(url)

    with journal.lock():
        event.listen(journal.database.engine, "before_cursor_execute", cut)
        with pytest.raises(JournalError, match=r"cannot be reached|was cut off"):
            journal.append([build_fact(), build_fact()], after=0)
        event.remove(journal.database.engine, "before_cursor_execute", cut)
        assert list(journal.read()) == []
        assert journal.append([build_fact()], after=0)[0].seq == 1


def test_a_stale_controller_neither_reads_nor_appends(opened, server, url):
    stale, successor = opened(url), opened(url)
    with stale.lock():
        stale.append([build_fact()], after=0)
        server.cut_off(url)
        with successor.lock():
            for attempt in (partial(stale.append, [build_fact("stale")], after=1), stale.read):
                with pytest.raises(JournalBusyError, match="took over this journal"):
                    attempt()
            successor.append([build_fact("successor")], after=1)
        # The successor has gone: the first may go on, from where the journal now is.
        with pytest.raises(JournalMovedError):
            stale.append([build_fact("stale")], after=1)
        assert [entry.fact for entry in stale.read(after=1)] == [build_fact("successor")]
        assert stale.append([build_fact("fresh")], after=2)[0].seq == 3


def test_a_lock_that_was_given_away_is_not_believed(opened, url):
    """What a pooler does that hands one connection to several clients."""
    journal = opened(url)
    with journal.lock():
        connection = journal.database._tenure._connection
        connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        connection.commit()
        with opened(url).lock(), pytest.raises(JournalBusyError, match="took over"):
            journal.append([build_fact()], after=0)


def test_journals_of_one_database_have_locks_of_their_own(opened, server, url):
    server.ask(url, "CREATE SCHEMA one", "CREATE SCHEMA two")
    first, second = (opened(f"{url}?options=-csearch_path%3D{name}") for name in ("one", "two"))
    with first.lock(), second.lock():
        first.append([build_fact()], after=0)
        assert list(second.read()) == []


# What is refused


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET at = 2",
        "DELETE FROM entries WHERE seq = 2",
        "TRUNCATE entries",
    ],
)
def test_the_table_refuses_changes(opened, server, url, change):
    import psycopg

    opened(url).append([build_fact(), build_fact()], after=0)
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        server.ask(url, change)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE entries SET text = replace(text, 'ops', 'eve') WHERE seq = 2", "entry 2 was alt"),
        ("UPDATE entries SET kind = 'decided' WHERE seq = 2", "entry 2 was altered: its columns"),
        ("DELETE FROM entries WHERE seq = 2", "entry 2 is missing"),
        ("DELETE FROM entries WHERE seq = 1", "entry 1 is missing"),
    ],
)
def test_tampering_is_found(opened, server, url, change, problem):
    journal = opened(url)
    journal.append([build_fact(), build_fact(), build_fact()], after=0)
    server.ask(url, "ALTER TABLE entries DISABLE TRIGGER ALL", change)
    with pytest.raises(JournalError, match=problem):
        journal.read()


def test_the_least_rights_are_enough_and_fewer_are_named(opened, server, url):
    opened(url).append([build_fact()], after=0)
    role = url.rpartition("/")[2]
    own = url.replace("postgres@", f"{role}@")
    server.ask(url, f"CREATE ROLE {role} LOGIN")
    with pytest.raises(JournalError, match="no permission"):
        opened(own)
    server.ask(url, f"GRANT SELECT ON entries, journal_version TO {role}")
    limited = opened(own)
    with pytest.raises(JournalError, match="no permission"):
        limited.check_writable()
    with pytest.raises(JournalError, match="no permission"):
        limited.append([build_fact()], after=1)
    server.ask(url, f"GRANT INSERT ON entries TO {role}")
    limited.check_writable()
    with limited.lock():
        assert limited.append([build_fact()], after=1)[0].seq == 2


def test_nothing_is_made_by_those_who_only_read_or_command(server, url):
    for opener in (open_for_reading, open_for_commands):
        with pytest.raises(InputError, match="there is no journal at postgresql"):
            opener(url)
    assert server.ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_a_reader_does_not_write(opened, url):
    opened(url)
    with closing(open_for_reading(url)) as reader, pytest.raises(JournalError, match="read-only"):
        reader.append([build_fact()], after=0)


def test_a_server_that_only_reads_says_so_before_it_is_written_to(opened, server, url):
    """As a copy does that nobody promoted; who is connected already may still write."""
    journal = opened(url)
    with journal.lock():
        server.ask(
            url, f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on"
        )
        with pytest.raises(JournalError, match="is read-only"):
            journal.check_writable()
        assert journal.append([build_fact()], after=0)[0].seq == 1
        server.cut_off(url)
        assert len(journal.read()) == 1
        with pytest.raises(JournalError, match="is read-only"):
            journal.append([build_fact()], after=1)


def test_another_programs_entries_are_refused(server, url):
    server.ask(url, "CREATE TABLE entries (guest text)")
    with pytest.raises(JournalError, match="another program's table"):
        open_journal(url)


def test_other_programs_tables_are_no_harm(opened, server, url):
    server.ask(url, "CREATE TABLE guests (name text)")
    assert len(opened(url).append([build_fact()], after=0)) == 1


def test_an_encoding_that_loses_letters_is_refused(server):
    server.ask("postgres", "DROP DATABASE IF EXISTS latin")
    server.ask("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(JournalError, match="the encoding LATIN1 and needs UTF8"):
        open_journal(server.url("latin"))


# What is said


def test_an_absent_server_is_said_and_the_password_is_not():
    with pytest.raises(JournalError) as caught:
        open_journal("postgresql+psycopg://eve:very-secret@127.0.0.1:1/journal")
    assert "cannot be reached: connection to server" in str(caught.value)
    assert "very-secret" not in str(caught.value)
    assert "eve:***@127.0.0.1:1/journal" in str(caught.value)


def test_a_wrong_user_and_a_wrong_database_are_said(server):
    with pytest.raises(JournalError, match=r'cannot be reached: .*role "nobody" does not exist'):
        open_journal(server.url(user="nobody"))
    with pytest.raises(JournalError, match='database "nowhere" does not exist'):
        open_journal(server.url("nowhere"))


def test_another_writers_transaction_is_waited_for_then_said(opened, url):
    journal, other = opened(url), opened(url)
    with other.database.writing():
        with pytest.raises(JournalError, match="is locked by another writer"):
            journal.append([build_fact()], after=0)
        assert list(journal.read()) == []  # readers are not in its way
    assert len(journal.append([build_fact()], after=0)) == 1


def test_a_commit_waits_for_the_disk_even_where_the_server_does_not_ask_for_it(server, url):
    server.ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = off")
    with closing(SqlJournal(url)) as journal, journal.database.reading() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "1min"
