"""The secret key of the digests that stand for series in the journal.

It stands in a file of its own: a journal is copied and handed around, and with the key anybody
could try which labels a digest is of. Beside a journal file it is made by the first controller;
replicas with a database read one that is mounted into all of them.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from rollout.answers.plain_file import is_plain
from rollout.errors import InputError
from rollout.journal.location import JournalLocation, default_path, is_url, resolve

_LEAST = 32  # bytes
_CURE = "head -c 32 /dev/urandom | base64 makes one"


def default_key_file(journal: JournalLocation) -> Path:
    """Return `<journal>.key`, or for a database `series.key` in the user's state folder.

    Links to a journal are resolved first, as for its lock. Raises InputError without a home folder.
    """
    if is_url(journal):
        return default_path().with_name("series.key")
    real = resolve(Path(journal))
    return real.with_name(real.name + ".key")


def open_key(journal: JournalLocation, named: Path | None = None) -> bytes:
    """Return the key in the named file, or else in the default one, which is made if needed.

    Raises InputError, with the cure, for a file that cannot be used.
    """
    if named is not None:
        return read_key(named)
    path = default_key_file(journal)
    if not os.path.lexists(path):
        _make(path)
    return read_key(path, os.O_NOFOLLOW)


def read_key(path: Path, flags: int = 0) -> bytes:
    """Return the key in a file; `flags` are more of `os.open`. Raises InputError with the cure."""
    key = read_private(path, _CURE, flags)
    if len(key) < _LEAST:
        raise InputError(f"the key {path} is shorter than {_LEAST} characters; {_CURE}")
    return key


def read_private(path: Path, cure: str, flags: int = 0) -> bytes:
    """Return what a secret file holds; `flags` are more of `os.open`. Raises InputError.

    A file of ours must be ours alone; one that others own, such as a mounted Secret, is theirs to
    protect.
    """
    try:
        return _read(path, os.O_RDONLY | os.O_NONBLOCK | flags, cure)
    except OSError as error:
        raise InputError(f"the key {path} cannot be read: {error.strerror}; {cure}") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a new secret file, its owner's alone. Raises OSError, also where there is one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    handle = os.open(path, flags, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o600)  # whatever the umask
        file.write(content)
        file.flush()
        os.fsync(handle)


def _read(path: Path, flags: int, cure: str) -> bytes:
    handle = os.open(path, flags)
    try:
        status = os.fstat(handle)
        if not is_plain(status):
            raise InputError(f"the key {path} is no file; {cure}")
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & 0o077:
            raise InputError(f"others may read the key {path}: chmod 600 {path}")
        return os.read(handle, 4096).strip()
    finally:
        os.close(handle)


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(_LEAST).encode() + b"\n")
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            return  # another controller was faster
        cure = "name one with --key-file, the same for all replicas"
        raise InputError(f"the key {path} cannot be made: {error.strerror}; {cure}") from error
