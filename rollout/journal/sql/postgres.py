"""A journal on a PostgreSQL server.

Appends run one after another, every wait is bounded, and server errors become readable messages.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from sqlalchemy import event, pool
from sqlalchemy.exc import DBAPIError

from rollout.errors import InputError, JournalError
from rollout.journal.location import shown
from rollout.journal.sql.leader_lock import HOLDER, ONE_WRITER, LeaderLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

# For libpq: a server that is gone is noticed within about ten seconds. Values in the URL win.
_NETWORK = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
# For the server, as far as its version knows them. It frees the locks of a controller that is gone
# (keepalives) or frozen (idle time-outs), so that the next controller does not wait long.
_SERVER = {
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "10s",
    "idle_session_timeout": "60s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_APPLY_SETTINGS = (
    "SELECT set_config(known.name, wanted.value, false) FROM pg_settings known "
    "JOIN unnest(%s::text[], %s::text[]) wanted (name, value) ON known.name = wanted.name"
)
_ENABLE_SYNC_COMMIT = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)
_MAY_INSERT = sql.text(
    "SELECT current_setting('transaction_read_only') = 'on', "
    "coalesce(has_table_privilege(to_regclass('entries'), 'INSERT'), false)"
)
_MESSAGES = {
    "25006": "is read-only",
    "28000": "cannot be opened: the server refuses this user",
    "28P01": "cannot be opened: wrong password",
    "3D000": "cannot be opened: there is no such database",
    "42501": "may not be used so: no permission",
    "53100": "cannot be written: the server's disk is full",
    "53300": "cannot be opened: the server has too many connections",
    "55P03": "is locked by another writer",
    "57014": "did not answer in time",
    "57P01": "was cut off: the server ended the connection",
    "57P03": "cannot be opened: the server is starting or stopping",
}


class PostgresServer:
    """A Database on a server. `patience` is the longest wait for another writer, in seconds."""

    may_be_empty = False  # a database without our tables may be for something else

    def __init__(self, url: sql.URL, *, readonly: bool, patience: float) -> None:
        url = url.set(drivername="postgresql+psycopg")
        self.name = shown(url.render_as_string(hide_password=False))
        self._password = url.password or ""
        self._settings = {**_SERVER, "lock_timeout": f"{round(patience * 1000)}ms"}
        if readonly:
            self._settings["default_transaction_read_only"] = "on"
        self.engine = self._make_engine(url)
        self._tenure: LeaderLock | None = None

    def open_for_writing(self) -> None:
        """Do nothing: the server checks privileges at each statement."""

    def reading(self) -> AbstractContextManager[sql.Connection]:
        return self._tenure.transaction() if self._tenure else self.engine.begin()

    @contextmanager
    def writing(self) -> Iterator[sql.Connection]:
        transaction = self._tenure.transaction() if self._tenure else self.engine.begin()
        with transaction as connection:
            connection.execute(ONE_WRITER)
            yield connection

    def check_fit(self, connection: sql.Connection, names: list[str]) -> None:
        """Raise JournalError for an encoding that loses letters.

        Tables of other programs do no harm, so the names do not matter.
        """
        del names
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise JournalError(
                f"cannot be created: the database has the encoding {encoding} and needs UTF8"
            )

    @contextmanager
    def lock(self, *, instead: bool = False) -> Iterator[None]:
        with self.words():
            tenure = LeaderLock(self.engine, self.name, instead=instead)
        self._tenure = tenure
        try:
            yield
        finally:
            self._tenure = None
            tenure.end()

    def check_held(self) -> None:
        if self._tenure is not None:
            self._tenure.check()

    def check_writable(self) -> None:
        """Ask on a new connection.

        A failover may have made the server a read-only replica since the last connection.
        """
        with self.engine.begin() as connection:
            is_readonly, may_insert = connection.execute(_MAY_INSERT).one()
        for code, is_refused in {"25006": is_readonly, "42501": not may_insert}.items():
            if is_refused:
                raise JournalError(f"the journal {self.name} {_MESSAGES[code]}")

    def holder(self) -> str | None:
        with self.words(), self.engine.begin() as connection:
            holder: str | None = connection.execute(HOLDER).scalar()
        return holder

    @contextmanager
    def words(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            # Without the original error, which may quote the password.
            raise self._as_journal_error(error) from None

    def close(self) -> None:
        self.engine.dispose()

    def _make_engine(self, url: sql.URL) -> sql.Engine:
        # Shown as the lock's holder. PostgreSQL cuts names after 63 bytes.
        name = f"surefoot pid {os.getpid()} on {socket.gethostname()}"[:63]
        defaults = _NETWORK | {"application_name": name}
        options = {key: value for key, value in defaults.items() if key not in url.query}
        try:
            # No pool: readers are rare, and the deciding controller has a connection of its own.
            engine = sql.create_engine(url, connect_args=options, poolclass=pool.NullPool)
        except ImportError:
            raise InputError(
                "a journal on PostgreSQL needs psycopg: pip install 'surefoot[postgres]'"
            ) from None
        event.listen(engine, "connect", self._prepare)
        return engine

    def _prepare(self, connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_APPLY_SETTINGS, (list(self._settings), list(self._settings.values())))
            cursor.execute(_ENABLE_SYNC_COMMIT)
        connection.commit()

    def _as_journal_error(self, error: DBAPIError) -> JournalError:
        code = getattr(error.orig, "sqlstate", None)
        if code in _MESSAGES:
            return JournalError(f"the journal {self.name} {_MESSAGES[code]}")
        lines = str(error.orig).strip().splitlines() or ["no reason given"]
        reason = lines[0].removeprefix("connection failed: ")
        if self._password:
            reason = reason.replace(self._password, "***")
        kind = "cannot be reached" if code is None else "failed"
        return JournalError(f"the journal {self.name} {kind}: {reason}")
