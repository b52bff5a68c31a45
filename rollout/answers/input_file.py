"""Read a file that somebody names, within a bound of bytes, and without waiting for nobody.

A shell hands over a pipe for `<(command)`, and that is read as far as its writer writes. A named
pipe that nobody writes to would be waited for without end, by a controller that starts as well.
"""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path
from stat import S_ISFIFO, S_ISREG

from rollout.answers.plain_file import is_plain

_PATIENCE = 3.0  # seconds until somebody opens a named pipe to write
_CHUNK = 64 * 1024


def read_input(path: str | Path, largest: int, patience: float = _PATIENCE) -> bytes:
    """Return the bytes of a file, or of a pipe that somebody writes to.

    Of a larger one, and of a device without an end, at most `largest` + 1 bytes. Raises OSError.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        is_pipe = S_ISFIFO(status.st_mode)
        if S_ISREG(status.st_mode) and not is_plain(status):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        content = bytearray(_await_writer(handle, patience) if is_pipe else b"")
        os.set_blocking(handle, is_pipe or os.isatty(handle))
        while piece := os.read(handle, min(_CHUNK, largest + 1 - len(content))):
            content += piece
    finally:
        os.close(handle)
    return bytes(content)


def _await_writer(handle: int, patience: float) -> bytes:
    """Wait until a pipe has a writer, or has had one; return what was read on the way.

    A writer may take its time for its first byte; only one that is not there is not waited for.
    Raises OSError where none comes.
    """
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)  # and the end of what was written is always told
    if waiting.poll(patience * 1000):
        return b""
    try:
        first = os.read(handle, 1)
    except BlockingIOError:  # a writer is there
        return b""
    if not first:
        raise OSError(errno.ENXIO, "nobody writes to this pipe")
    return first
