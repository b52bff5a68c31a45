"""What the tables and the migrations say of the journal's schema is the same, on every database."""

from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from rollout.decide.record.facts import HumanSaid
from rollout.errors import InputError, JournalBusyError, JournalError
from rollout.journal import migrate as migrating
from rollout.journal.migrate import main, migrate
from rollout.journal.open import open_for_commands, open_for_reading
from rollout.journal.sql.store import SqlJournal, open_database, open_journal
from rollout.journal.sql.stored import REVISIONS
from rollout.journal.sql.tables import TABLES

# Everything that a database knows of its tables, indexes and triggers.
SCHEMA = {
    "sqlite": "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name",
    "postgresql": (
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable "
        "FROM information_schema.columns WHERE table_schema = 'public' "
        "UNION ALL SELECT tgrelid::regclass::text, pg_get_triggerdef(oid), "
        "pg_get_functiondef(tgfoid), 0, '' FROM pg_trigger "
        "UNION ALL SELECT conrelid::regclass::text, pg_get_constraintdef(oid), conname, 0, '' "
        "FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2, 3"
    ),
}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def empty(request, tmp_path):
    """Makes a new place that holds nothing yet."""

    def make(name="journal.db"):
        if request.param == "postgresql":
            return request.getfixturevalue("server").new()
        (tmp_path / name).touch()
        return tmp_path / name

    return make


def build_fact() -> HumanSaid:
    return HumanSaid(rollout="r-1", at=1.5, command="pause", actor="ops@host")


def ask(where, *statements):
    """The rows of the last statement."""
    with closing(open_database(where)) as database, database.writing() as connection:
        for statement in statements:
            rows = connection.exec_driver_sql(statement)
        return [tuple(row) for row in rows] if rows.returns_rows else []


def schema(where):
    with closing(open_database(where)) as database, database.reading() as connection:
        question = SCHEMA[connection.dialect.name]
    return ask(where, question)


def test_migrating_from_nothing_makes_what_opening_makes(empty):
    opened, migrated = empty("opened.db"), empty("migrated.db")
    open_journal(opened).close()
    migrate(migrated)
    assert len(schema(opened)) > 3
    assert schema(migrated) == schema(opened)


def test_no_migration_is_missing(empty):
    where = empty()
    migrate(where)
    with closing(open_database(where)) as database, database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "journal_version", "compare_type": True}
        )
        assert compare_metadata(context, TABLES) == []


def test_a_forgotten_migration_would_be_found(empty):
    where = empty()
    migrate(where)
    more = sql.MetaData()
    TABLES.tables["entries"].to_metadata(more).append_column(sql.Column("note", sql.Text))
    with closing(open_database(where)) as database, database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "journal_version"})
        assert [difference[0] for difference in compare_metadata(context, more)] == ["add_column"]


def test_the_known_revisions_are_those_that_are_there():
    folder = Path(migrating.__file__).with_name("migrations")
    script = ScriptDirectory(str(folder))
    revisions = [revision.revision for revision in script.walk_revisions()]
    assert tuple(reversed(revisions)) == REVISIONS


@pytest.mark.parametrize("adopt", [lambda where: open_journal(where).close(), migrate])
def test_a_journal_from_before_there_were_revisions_is_adopted(empty, adopt):
    where = empty()
    with closing(open_journal(where)) as journal:
        journal.append([build_fact()], after=0)
    ask(where, "DROP TABLE journal_version")
    with closing(open_for_reading(where)) as reader:
        assert len(reader.read()) == 1
    adopt(where)
    assert ask(where, "SELECT version_num FROM journal_version") == [("0001",)]
    with closing(open_journal(where)) as journal:
        assert len(journal.append([build_fact()], after=1)) == 1


def test_migrating_twice_changes_nothing(empty, capsys):
    where = empty()
    open_journal(where).close()
    before = schema(where)
    assert main([str(where)]) == 0
    assert "is of schema 0001" in capsys.readouterr().out
    assert schema(where) == before


@pytest.mark.parametrize("opener", [open_for_reading, open_for_commands, open_journal])
def test_a_newer_schema_is_refused(empty, opener):
    where = empty()
    open_journal(where).close()
    ask(where, "UPDATE journal_version SET version_num = '0007'")
    with pytest.raises(JournalError, match=r"newer Surefoot \(schema 0007, this one knows up to"):
        opener(where)


def test_an_older_schema_says_the_command(empty, monkeypatch):
    where = empty()
    open_journal(where).close()
    monkeypatch.setattr("rollout.journal.sql.stored.REVISIONS", ("0001", "0002"))
    with pytest.raises(JournalError, match=r"older schema \(0001\).*python -m rollout.journal.mig"):
        open_journal(where)


def test_nothing_is_migrated_under_a_controller(empty, capsys):
    where = empty()
    with closing(SqlJournal(where)) as journal, journal.lock():
        with pytest.raises(JournalBusyError):
            migrate(where)
        assert main([str(where)]) == 1
    assert "another controller" in capsys.readouterr().err


def test_only_a_journal_is_migrated(tmp_path, capsys):
    with pytest.raises(InputError, match="there is no journal at"):
        migrate(tmp_path / "no.db")
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err
