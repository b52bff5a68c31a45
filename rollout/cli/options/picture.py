"""Where pictures are written: over one that is there, and never through a link."""

from __future__ import annotations

import os
from pathlib import Path

from rollout.errors import InputError


def check_place(path: Path) -> None:
    """Check that a picture can be written there, before minutes of work. Raises InputError."""
    if path.is_symlink():
        raise InputError(f"{path} is a link: name a file")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written there")


def write_picture(path: Path, content: bytes) -> None:
    """Write a picture. Raises InputError."""
    check_place(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
            file.write(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
