"""The exclusive lock of the one controller that decides; the kernel frees it when that one dies."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rollout.errors import JournalBusyError, JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TRIES, _PAUSE = 5, 0.02  # a reader that asks for the holder may be in the way for a moment


def lock_file(journal: Path) -> Path:
    """`<journal>.lock`, the same for every link to the journal."""
    real = journal.resolve()
    return real.with_name(real.name + ".lock")


@contextmanager
def hold(journal: Path) -> Iterator[None]:
    """Hold the lock; never waits for another controller.

    Raises JournalBusyError when another holds it, JournalError when the file cannot be made.
    """
    path = lock_file(journal)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise JournalError(f"the lock {path} cannot be opened: {error.strerror}") from error
    try:
        if not _taken(handle):
            other = _pid(handle) or "unknown"
            raise JournalBusyError(
                f"another controller (pid {other}) holds this journal: {journal}"
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)  # frees the lock; the file stays, as removing it would race with the next


def holder(journal: Path) -> int | None:
    """Process id of the lock's holder (0: it did not say); None when the lock is free."""
    try:
        handle = os.open(lock_file(journal), os.O_RDONLY)
    except OSError:
        return None
    try:
        return None if _try(handle, fcntl.LOCK_SH) else _pid(handle)
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    for _ in range(_TRIES):
        if _try(handle, fcntl.LOCK_EX):
            return True
        time.sleep(_PAUSE)
    return False


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(handle: int) -> int:
    words = os.pread(handle, 32, 0).split()
    return int(words[0]) if words and words[0].isdigit() else 0
