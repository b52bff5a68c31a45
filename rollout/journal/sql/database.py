"""What the store needs of a database: transactions, the controller's lock, readable errors."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Database(Protocol):
    may_be_empty: bool  # whether a database without our tables is a journal that is still empty

    @property
    def name(self) -> str:
        """The location for messages, without a password."""
        ...

    def open_for_writing(self) -> None:
        """Prepare for writing. Called only once it is known to hold a journal, or no tables."""
        ...

    def reading(self) -> AbstractContextManager[Connection]: ...

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that excludes every other writer from its start.

        If this process took the controller's lock and lost it, raises JournalBusyError.
        """
        ...

    def check_fit(self, connection: Connection, names: list[str]) -> None:
        """Raise JournalError when no journal may be created next to the tables `names`."""
        ...

    def lock(self, *, instead: bool = False) -> AbstractContextManager[None]:
        """Hold the journal as the one controller that decides. Raises JournalBusyError.

        `instead` ends another controller's hold, where the database can do that. Only an elected
        leader may pass it.
        """
        ...

    def check_held(self) -> None:
        """Raise StaleError once the lock is lost, JournalError when that cannot be found out."""
        ...

    def check_writable(self) -> None:
        """Raise JournalError when an append would fail, as far as a query can tell."""
        ...

    def holder(self) -> str | None:
        """Describe who holds the controller's lock; None when it is free."""
        ...

    def words(self) -> AbstractContextManager[None]:
        """Turn the errors of the database into JournalError."""
        ...

    def close(self) -> None: ...
