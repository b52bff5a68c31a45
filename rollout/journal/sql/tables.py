"""The journal's tables and statements, the same on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sql

from rollout.errors import JournalError
from rollout.journal.hash_chain import START, Row, parse
from rollout.journal.scan import scan
from rollout.ports import SkippedObservation

if TYPE_CHECKING:
    from rollout.decide.record.facts import Fact
    from rollout.ports import Entry

Stored = tuple[Row, tuple[Any, ...]]  # a row, and the columns that repeat its fact

TABLES = sql.MetaData()
# `at`, `rollout` and `kind` repeat the fact for queries in SQL. The hash covers only the text, so
# every read compares them with it.
ENTRIES = sql.Table(
    "entries",
    TABLES,
    sql.Column(
        "seq",
        sql.BigInteger().with_variant(sql.Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    sql.Column("at", sql.Double, nullable=False),
    sql.Column("rollout", sql.Text, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("text", sql.Text, nullable=False),
    sql.Column("previous", sql.CHAR(64), nullable=False),
    sql.Column("hash", sql.CHAR(64), nullable=False),
)
# As Alembic creates it. It is not in TABLES, because Alembic owns it and no migration makes it.
VERSION = sql.Table(
    "journal_version",
    sql.MetaData(),
    sql.Column("version_num", sql.String(32), nullable=False),
    sql.PrimaryKeyConstraint("version_num", name="journal_version_pkc"),
)
# Those of migrations/versions, oldest first. This version of Surefoot reads and writes the last.
REVISIONS = ("0001",)

FROM = sql.select(ENTRIES).where(ENTRIES.c.seq >= sql.bindparam("after")).order_by(ENTRIES.c.seq)
PART = FROM.limit(sql.bindparam("most"))
PICKED = (
    sql.select(ENTRIES)
    .where(ENTRIES.c.seq.in_(sql.bindparam("places", expanding=True)))
    .order_by(ENTRIES.c.seq)
)
INSERT = sql.insert(ENTRIES)
_LAST = sql.select(ENTRIES).order_by(ENTRIES.c.seq.desc()).limit(1)

_REFUSE = (
    "CREATE TRIGGER entries_no_{0} BEFORE {0} ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
)
_REFUSAL = (
    "CREATE OR REPLACE FUNCTION entries_are_append_only() RETURNS trigger LANGUAGE plpgsql "
    "AS $$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
)
_REFUSE_ALL = (
    "CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries "
    "FOR EACH STATEMENT EXECUTE FUNCTION entries_are_append_only()"
)
_APPEND_ONLY = {
    "sqlite": [_REFUSE.format("UPDATE"), _REFUSE.format("DELETE")],
    "postgresql": [_REFUSAL, _REFUSE_ALL],
}


def append_only(dialect: str) -> list[str]:
    """The statements that make a database refuse to change or delete an entry."""
    return _APPEND_ONLY[dialect]


def names_of(connection: sql.Connection) -> list[str]:
    """The names of all tables in the database, ours and others'."""
    return sql.inspect(connection).get_table_names()


def create(connection: sql.Connection) -> None:
    """Create the tables that are missing.

    A journal without a revision number is from before there was one: it has the first revision.
    """
    names = names_of(connection)
    if ENTRIES.name not in names:
        TABLES.create_all(connection)
        for statement in append_only(connection.dialect.name):
            connection.exec_driver_sql(statement)
    if VERSION.name not in names:
        VERSION.create(connection)
        revision = REVISIONS[0 if ENTRIES.name in names else -1]
        connection.execute(sql.insert(VERSION), {"version_num": revision})


def marked(connection: sql.Connection, names: list[str]) -> bool:
    """Whether a journal carries its revision number.

    Raises JournalError for another program's table and for another schema.
    """
    column_names = {column["name"] for column in sql.inspect(connection).get_columns(ENTRIES.name)}
    if not column_names >= set(ENTRIES.c.keys()):
        raise JournalError("is not a journal (another program's table)")
    has_revision = VERSION.name in names
    revisions = list(connection.scalars(sql.select(VERSION))) if has_revision else [REVISIONS[0]]
    _check_revision(revisions)
    return has_revision


def _check_revision(revisions: list[str]) -> None:
    newer = ", ".join(sorted(set(map(str, revisions)) - set(REVISIONS)))
    if newer:
        raise JournalError(
            f"was written by a newer Surefoot (schema {newer}, this one knows up to "
            f"{REVISIONS[-1]}): update Surefoot"
        )
    if revisions != [REVISIONS[-1]]:
        older = ", ".join(revisions) or "none"
        raise JournalError(
            f"is of an older schema ({older}): stop the controller, then run "
            "`python -m rollout.journal.migrate JOURNAL`"
        )


def last(connection: sql.Connection) -> Row:
    """The newest row, or START in an empty journal."""
    row = connection.execute(_LAST).first()
    return Row(row.seq, row.text, row.previous, row.hash) if row else START


def columns_of(row: Row, fact: Fact) -> dict[str, Any]:
    """The column values of a sealed fact."""
    at, rollout, kind = repeated(fact)
    return {**vars(row), "at": at, "rollout": rollout, "kind": kind}


def repeated(fact: Fact | SkippedObservation) -> tuple[Any, ...]:
    """The values of a fact that columns repeat."""
    return (fact.at, fact.rollout, fact.kind)


def stored(record: sql.Row[Any]) -> Stored:
    """Split a selected record into the sealed row and the columns that repeat its fact."""
    row = Row(record.seq, record.text, record.previous, record.hash)
    return row, (record.at, record.rollout, record.kind)


def entry_of(stored: Stored) -> Entry:
    """Read a row's entry. Raises JournalError for an unknown fact or columns that do not fit it."""
    entry = parse(stored[0])
    _check_fit(entry.seq, repeated(entry.fact), stored[1])
    return entry


def skimmed_of(stored: Stored) -> Entry | SkippedObservation:
    """Read a row's entry like `entry_of`, but skip observations."""
    record = scan(stored[0])
    fact = record if isinstance(record, SkippedObservation) else record.fact
    _check_fit(record.seq, repeated(fact), stored[1])
    return record


def _check_fit(seq: int, expected: tuple[Any, ...], columns: tuple[Any, ...]) -> None:
    if expected != columns:
        raise JournalError(f"entry {seq} was altered: its columns differ from its text")
