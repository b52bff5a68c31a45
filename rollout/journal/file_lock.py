"""The exclusive lock of the one controller that decides on a journal file.

It is an `flock`, so the kernel frees it when its process dies, however it dies.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rollout.errors import JournalBusyError, JournalError
from rollout.journal.location import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# `holder` takes a shared lock for a moment, which must not look like another controller.
_TRIES, _PAUSE = 5, 0.02


def lock_file(journal: Path) -> Path:
    """The lock's path, `<journal>.lock`.

    Links are resolved first, so that two names of one journal share one lock.
    """
    real = resolve(journal)
    return real.with_name(real.name + ".lock")


@contextmanager
def hold(journal: Path) -> Iterator[None]:
    """Hold the lock of a journal without waiting for another controller.

    Raises JournalBusyError when another holds it, JournalError when the file cannot be made.
    """
    path = lock_file(journal)
    try:
        # Never through a link: whoever may write the folder could have any file truncated.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise JournalError(f"the lock {path} cannot be opened: {reason}") from error
    try:
        opened = os.fstat(handle)
        if not stat.S_ISREG(opened.st_mode):
            raise JournalError(f"the lock {path} cannot be opened: it is no file")
        if not _acquire(handle):
            other = _read_pid(handle) or "unknown"
            raise JournalBusyError(f"another controller (pid {other}) uses this journal: {journal}")
        if opened.st_nlink == 1:  # a hard link's content may be another file's
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)  # frees the lock; the file stays, as removing it would race with the next


def holder(journal: Path) -> int | None:
    """The process id of the lock's holder (0: not recorded), or None when the lock is free."""
    try:
        # A pipe in its place would be waited for without end.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(lock_file(journal), flags)
    except OSError:
        return None
    try:
        # A shared lock is enough to ask, and two who ask do not hinder each other.
        return None if _try_lock(handle, fcntl.LOCK_SH) else _read_pid(handle)
    finally:
        os.close(handle)


def describe_holder(journal: Path) -> str | None:
    """Describe the lock's holder; None when the lock is free."""
    pid = holder(journal)
    return None if pid is None else f"pid {pid or 'unknown'}"


def _acquire(handle: int) -> bool:
    for _ in range(_TRIES):
        if _try_lock(handle, fcntl.LOCK_EX):
            return True
        time.sleep(_PAUSE)
    return False


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_pid(handle: int) -> int:
    fields = os.pread(handle, 32, 0).split()
    return int(fields[0]) if fields and fields[0].isdigit() else 0
