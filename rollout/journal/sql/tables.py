"""The journal's tables and statements, the same on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sql

from rollout.journal.hash_chain import START, Row
from rollout.journal.sql import stored

if TYPE_CHECKING:
    from rollout.decide.record.facts import Fact

TABLES = sql.MetaData()
# `at`, `rollout` and `kind` repeat the fact for queries in SQL. The hash covers only the text, so
# every read compares them with it.
ENTRIES = sql.Table(
    stored.TABLE,
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
    stored.VERSION_TABLE,
    sql.MetaData(),
    sql.Column("version_num", sql.String(32), nullable=False),
    sql.PrimaryKeyConstraint("version_num", name="journal_version_pkc"),
)

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
        revision = stored.REVISIONS[0 if ENTRIES.name in names else -1]
        connection.execute(sql.insert(VERSION), {"version_num": revision})


def marked(connection: sql.Connection, names: list[str]) -> bool:
    """Whether a journal carries its revision number.

    Raises JournalError for another program's table and for another schema.
    """
    stored.check_columns(
        column["name"] for column in sql.inspect(connection).get_columns(ENTRIES.name)
    )
    has_revision = VERSION.name in names
    first = [stored.REVISIONS[0]]
    stored.check_revision(list(connection.scalars(sql.select(VERSION))) if has_revision else first)
    return has_revision


def last(connection: sql.Connection) -> Row:
    """The newest row, or START in an empty journal."""
    row = connection.execute(_LAST).first()
    return Row(row.seq, row.text, row.previous, row.hash) if row else START


def columns_of(row: Row, fact: Fact) -> dict[str, Any]:
    """The column values of a sealed fact."""
    at, rollout, kind = stored.repeated(fact)
    return {**vars(row), "at": at, "rollout": rollout, "kind": kind}
