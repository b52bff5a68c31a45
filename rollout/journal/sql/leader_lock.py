"""The time in which one controller decides on a PostgreSQL journal: a connection that holds a lock.

Deciding reads and appends go through that connection alone, and each of their transactions first
asks whether it still holds the lock. So a controller that lost it, however that came, writes
nothing.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import sqlalchemy as sql
from sqlalchemy.exc import DBAPIError

from rollout.errors import JournalBusyError, JournalError, StaleError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Two numbers: ours, and the table's, so that journals in one database do not meet.
_WRITING, _DECIDING = 0x53464A31, 0x53464A32  # "SFJ1", "SFJ2"
_TABLE = "coalesce(to_regclass('entries')::oid, 0::oid)"
# Freed after the transaction's outcome is visible to all. Unlike a lock on the table it hinders no
# vacuum and needs no right but to insert; unlike a locked row it leaves no dead rows behind.
ONE_WRITER = sql.text(f"SELECT pg_advisory_xact_lock({_WRITING}, {_TABLE}::int)")
_TRY = sql.text(f"SELECT pg_try_advisory_lock({_DECIDING}, {_TABLE}::int)")
_locks = sql.table("pg_locks", *map(sql.column, ("pid", "classid", "objid")))
_connections = sql.table("pg_stat_activity", sql.column("pid"), sql.column("application_name"))
_HOLDER_PID = sql.select(_locks.c.pid).where(
    sql.text("locktype = 'advisory' AND granted AND objsubid = 2"),
    sql.text("database = (SELECT oid FROM pg_database WHERE datname = current_database())"),
    _locks.c.classid == _DECIDING,
    _locks.c.objid == sql.text(_TABLE),
)
_HELD = sql.select(_HOLDER_PID.where(_locks.c.pid == sql.func.pg_backend_pid()).exists())
_NAMES = sql.func.max(_connections.c.application_name)  # null without the right to see it
_END_OTHER = _HOLDER_PID.with_only_columns(sql.func.pg_terminate_backend(_locks.c.pid))
HOLDER = (
    sql.select(sql.func.coalesce(_NAMES, "it does not say"))
    .where(_connections.c.pid.in_(_HOLDER_PID))
    .having(sql.func.count() > 0)
)


class LeaderLock:
    """Raises JournalBusyError at once when another controller holds the lock; `instead` ends it."""

    def __init__(self, engine: sql.Engine, name: str, *, instead: bool = False) -> None:
        self._engine, self._name = engine, name
        self._mutex = threading.Lock()
        if instead:
            self._end_other()
        self._connection: sql.Connection | None = self._take("holds")

    @contextmanager
    def transaction(self) -> Iterator[sql.Connection]:
        """A transaction of the connection that holds the lock.

        A connection that has died is replaced, if nobody took the journal over meanwhile; what
        others appended shows in the number that an append must follow. Raises JournalBusyError.
        """
        with self._mutex:
            connection = self._begun()
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def check(self) -> None:
        """Raises StaleError unless the connection of the last transaction still holds the lock.

        It is not replaced: who holds the lock anew may have missed what another decided meanwhile.
        """
        with self._mutex:
            if self._still_holds():
                return
            with self._engine.connect() as connection:
                other = connection.execute(HOLDER).scalar()
        if other is None:
            raise JournalError(f"the line to {self._name} was cut: it is read before any write")
        raise StaleError(f"another controller ({other}) took over this journal: {self._name}")

    def _still_holds(self) -> bool:
        if self._connection is None:
            return False
        try:
            return bool(self._connection.execute(_HELD).scalar())
        except DBAPIError:
            return False
        finally:
            self._connection.rollback()

    def end(self) -> None:
        """Give the lock back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _begun(self) -> sql.Connection:
        """The connection, in a transaction that has seen that it holds the lock."""
        if self._connection is not None:
            with suppress(DBAPIError):  # a dead line; what is wrong with it, the next one says
                if self._connection.execute(_HELD).scalar():
                    return self._connection
            self.end()
        self._connection = self._take("took over")
        if not self._connection.execute(_HELD).scalar():
            self.end()
            raise JournalBusyError(
                f"the lock on {self._name} does not hold: is there a pooler in between? "
                "A controller needs a connection of its own"
            )
        return self._connection

    def _end_other(self) -> None:
        """Ask the server to end the connection that holds the lock: the same role may."""
        with self._engine.connect() as connection:
            connection.execute(_END_OTHER)

    def _take(self, what: str) -> sql.Connection:
        connection = self._engine.connect()
        try:
            with connection.begin():
                if connection.execute(_TRY).scalar():
                    return connection
                other = connection.execute(HOLDER).scalar() or "unknown"
        except BaseException:
            connection.close()
            raise
        connection.close()
        raise JournalBusyError(f"another controller ({other}) {what} this journal: {self._name}")
