"""The lock of the one controller that decides on a PostgreSQL journal.

How it works: the lock is a session-level advisory lock, so it belongs to one connection and the
server frees it when that connection ends. The controller reads and appends through that connection
only, and each transaction first asks the server whether the connection still holds the lock. So a
controller that lost the lock, for whatever reason, writes nothing.
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

# An advisory lock has two keys: ours, and the table's oid, so that journals in different schemas
# of one database do not share a lock.
_WRITING, _DECIDING = 0x53464A31, 0x53464A32  # "SFJ1", "SFJ2"
_TABLE = "coalesce(to_regclass('entries')::oid, 0::oid)"
# The server frees it after the transaction's outcome is visible to all. Unlike a table lock, it
# does not block vacuum and needs no privilege but INSERT. Unlike a row lock, it leaves no dead
# rows.
ONE_WRITER = sql.text(f"SELECT pg_advisory_xact_lock({_WRITING}, {_TABLE}::int)")
_TRY_LOCK = sql.text(f"SELECT pg_try_advisory_lock({_DECIDING}, {_TABLE}::int)")
_locks = sql.table("pg_locks", *map(sql.column, ("pid", "classid", "objid")))
_connections = sql.table("pg_stat_activity", sql.column("pid"), sql.column("application_name"))
_HOLDER_PID = sql.select(_locks.c.pid).where(
    sql.text("locktype = 'advisory' AND granted AND objsubid = 2"),  # 2: a lock with two keys
    sql.text("database = (SELECT oid FROM pg_database WHERE datname = current_database())"),
    _locks.c.classid == _DECIDING,
    _locks.c.objid == sql.text(_TABLE),
)
_HOLDS_LOCK = sql.select(_HOLDER_PID.where(_locks.c.pid == sql.func.pg_backend_pid()).exists())
_HOLDER_NAME = sql.func.max(_connections.c.application_name)  # null without the privilege to see it
_END_OTHER = _HOLDER_PID.with_only_columns(sql.func.pg_terminate_backend(_locks.c.pid))
HOLDER = (
    sql.select(sql.func.coalesce(_HOLDER_NAME, "it does not say"))
    .where(_connections.c.pid.in_(_HOLDER_PID))
    .having(sql.func.count() > 0)
)


class LeaderLock:
    """The lock, held from construction until `end`.

    Raises JournalBusyError at once when another controller holds it; with `instead`, that
    controller's connection is ended first.
    """

    def __init__(self, engine: sql.Engine, name: str, *, instead: bool = False) -> None:
        self._engine, self._name = engine, name
        self._mutex = threading.Lock()  # one connection, which several threads may use
        if instead:
            self._end_other()
        self._connection: sql.Connection | None = self._acquire("holds")

    @contextmanager
    def transaction(self) -> Iterator[sql.Connection]:
        """A transaction of the connection that holds the lock.

        A dead connection is replaced if no other controller took the journal over meanwhile.
        That is safe for appends: each names the entry that it must follow, so it fails when
        somebody else appended. Raises JournalBusyError.
        """
        with self._mutex:
            connection = self._begin_checked()
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def check(self) -> None:
        """Raises StaleError unless the connection of the last transaction still holds the lock.

        The connection is not replaced here: while this process was without the lock, another
        controller may have decided, and this process would not know.
        """
        with self._mutex:
            if self._still_holds():
                return
            with self._engine.connect() as connection:
                other = connection.execute(HOLDER).scalar()
        if other is None:
            raise JournalError(
                f"the connection to {self._name} was lost: it is read again before any write"
            )
        raise StaleError(f"another controller ({other}) took over this journal: {self._name}")

    def _still_holds(self) -> bool:
        if self._connection is None:
            return False
        try:
            return bool(self._connection.execute(_HOLDS_LOCK).scalar())
        except DBAPIError:
            return False
        finally:
            self._connection.rollback()

    def end(self) -> None:
        """Release the lock by closing its connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _begin_checked(self) -> sql.Connection:
        """Begin a transaction on the connection that holds the lock, and check that it does."""
        if self._connection is not None:
            with suppress(DBAPIError):  # a dead connection; the next one raises
                if self._connection.execute(_HOLDS_LOCK).scalar():
                    return self._connection
            self.end()
        self._connection = self._acquire("took over")
        # A pooler may run the next statement on another server connection, which has no lock.
        if not self._connection.execute(_HOLDS_LOCK).scalar():
            self.end()
            raise JournalBusyError(
                f"the lock on {self._name} does not hold: is there a pooler in between? "
                "A controller needs a connection of its own"
            )
        return self._connection

    def _end_other(self) -> None:
        """Ask the server to end the connection that holds the lock.

        PostgreSQL lets a role end its own connections: it works when all controllers use one role.
        """
        with self._engine.connect() as connection:
            connection.execute(_END_OTHER)

    def _acquire(self, verb: str) -> sql.Connection:
        connection = self._engine.connect()
        try:
            with connection.begin():
                if connection.execute(_TRY_LOCK).scalar():
                    return connection
                other = connection.execute(HOLDER).scalar() or "unknown"
        except BaseException:
            connection.close()
            raise
        connection.close()
        raise JournalBusyError(f"another controller ({other}) {verb} this journal: {self._name}")
