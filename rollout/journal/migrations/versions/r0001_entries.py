"""Create the table of entries, sealed and append-only.

It repeats the definitions of `tables` on purpose: those may change, a released revision may not.
"""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None

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


def upgrade() -> None:
    seq_type = sql.BigInteger().with_variant(sql.Integer, "sqlite")
    op.create_table(
        "entries",
        sql.Column("seq", seq_type, primary_key=True, autoincrement=False),
        sql.Column("at", sql.Double, nullable=False),
        sql.Column("rollout", sql.Text, nullable=False),
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column("text", sql.Text, nullable=False),
        sql.Column("previous", sql.CHAR(64), nullable=False),
        sql.Column("hash", sql.CHAR(64), nullable=False),
    )
    for statement in _APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)
