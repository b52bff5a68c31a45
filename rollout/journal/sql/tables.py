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

Stored = tuple[Row, tuple[Any, ...]]  # a row, and what its columns repeat of its text

TABLES = sql.MetaData()
# `at`, `rollout` and `kind` repeat the fact for those who ask with SQL; reading compares them.
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
# As Alembic makes it; apart from TABLES, because it is Alembic's and no migration's.
VERSION = sql.Table(
    "journal_version",
    sql.MetaData(),
    sql.Column("version_num", sql.String(32), nullable=False),
    sql.PrimaryKeyConstraint("version_num", name="journal_version_pkc"),
)
REVISIONS = ("0001",)  # of migrations/versions, oldest first; this version writes the last

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
    """The statements that make a database refuse every change of an entry."""
    return _APPEND_ONLY[dialect]


def names_of(connection: sql.Connection) -> list[str]:
    """The tables that are there, ours and others'."""
    return sql.inspect(connection).get_table_names()


def create(connection: sql.Connection) -> None:
    """Make what is not there yet; an unmarked journal is of the first revision."""
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
    """Whether a journal carries its revision. Raises JournalError for one that is not ours."""
    columns = {column["name"] for column in sql.inspect(connection).get_columns(ENTRIES.name)}
    if not columns >= set(ENTRIES.c.keys()):
        raise JournalError("is not a journal (another program's table)")
    found = VERSION.name in names
    _check_revision(list(connection.scalars(sql.select(VERSION))) if found else [REVISIONS[0]])
    return found


def _check_revision(found: list[str]) -> None:
    newer = ", ".join(sorted(set(found) - set(REVISIONS)))
    if newer:
        raise JournalError(
            f"was written by a newer Surefoot (schema {newer}, this one knows up to "
            f"{REVISIONS[-1]}): update Surefoot"
        )
    if found != [REVISIONS[-1]]:
        raise JournalError(
            f"is of an older schema ({', '.join(found) or 'none'}): stop the controller, then run "
            "`python -m rollout.journal.sql.migrate JOURNAL`"
        )


def last(connection: sql.Connection) -> Row:
    """The newest row; START in an empty journal."""
    row = connection.execute(_LAST).first()
    return Row(row.seq, row.text, row.previous, row.hash) if row else START


def columns_of(row: Row, fact: Fact) -> dict[str, Any]:
    """What is stored of a sealed fact."""
    at, rollout, kind = repeated(fact)
    return {**vars(row), "at": at, "rollout": rollout, "kind": kind}


def repeated(fact: Fact | SkippedObservation) -> tuple[Any, ...]:
    """What the columns repeat of a fact."""
    return (fact.at, fact.rollout, fact.kind)


def stored(found: sql.Row[Any]) -> Stored:
    """A row as it was selected."""
    row = Row(found.seq, found.text, found.previous, found.hash)
    return row, (found.at, found.rollout, found.kind)


def entry_of(stored: Stored) -> Entry:
    """The entry of a row. Raises JournalError for an unknown fact, and where columns tell other."""
    entry = parse(stored[0])
    _check_fit(entry.seq, repeated(entry.fact), stored[1])
    return entry


def skimmed_of(stored: Stored) -> Entry | SkippedObservation:
    """The same, but evidence is passed over."""
    each = scan(stored[0])
    fact = each if isinstance(each, SkippedObservation) else each.fact
    _check_fit(each.seq, repeated(fact), stored[1])
    return each


def _check_fit(seq: int, told: tuple[Any, ...], columns: tuple[Any, ...]) -> None:
    if told != columns:
        raise JournalError(f"entry {seq} was altered: its columns do not fit its text")
