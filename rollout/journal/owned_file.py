"""Files that we hand out: their owner's alone, and never written through a link."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from rollout.errors import InputError


def replace_file(file: Path, text: str) -> None:
    """Write a file anew: one in its place keeps neither its mode nor its other names.

    Raises InputError for what is no plain file in its place, and OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(file.lstat().st_mode):
            raise InputError(f"{file} is no plain file, and is left as it is")
        file.unlink()
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        os.fchmod(handle, 0o600)  # whatever the umask
        opened.write(text)
