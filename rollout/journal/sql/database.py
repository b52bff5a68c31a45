"""What the store needs of a database: transactions, the controller's lock, faults in words."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Database(Protocol):
    may_be_empty: bool

    @property
    def name(self) -> str:
        """As it may be printed: no password."""
        ...

    def open_for_writing(self) -> None:
        """Called once it is known to hold a journal, or nothing."""
        ...

    def reading(self) -> AbstractContextManager[Connection]: ...

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that no other writer can come in between, from its first word on.

        While this process holds the lock: refused with JournalBusyError once the lock is lost.
        """
        ...

    def check_fit(self, connection: Connection, names: list[str]) -> None:
        """Raises JournalError where no journal may be made beside the tables `names`."""
        ...

    def lock(self, *, instead: bool = False) -> AbstractContextManager[None]:
        """Hold the journal as the one controller that decides. Raises JournalBusyError.

        `instead` ends another's hold, where the database can: whoever asks must know that it leads.
        """
        ...

    def check_held(self) -> None:
        """Raises StaleError once the lock is lost, JournalError when nobody can say."""
        ...

    def check_takes(self) -> None:
        """Raises JournalError where no entry would be taken, as far as a question tells."""
        ...

    def holder(self) -> str | None:
        """Who holds that lock, in words; None when it is free."""
        ...

    def words(self) -> AbstractContextManager[None]:
        """Turns what the database raises into JournalError."""
        ...

    def close(self) -> None: ...
