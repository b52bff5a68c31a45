"""Tell files from what only looks like one: reading a pipe, a device or a kernel's file may hang.

The kernel's own (`/proc/kmsg`, `/sys/kernel/tracing/trace_pipe`) call themselves regular files, and
one of them may be waited for without end. They are known by the file system that they are on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TextIO

_KERNEL = ("/proc", "/sys", "/sys/kernel/tracing", "/sys/kernel/debug", "/sys/fs/cgroup")


def is_plain(status: os.stat_result) -> bool:
    """Return whether a file is a regular one on a disk."""
    return stat.S_ISREG(status.st_mode) and status.st_dev not in _find_kernel_devices()


@contextlib.contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    """Open a plain file of text in UTF-8, also with a mark in front, with its own line ends.

    Raises OSError.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not is_plain(os.fstat(handle)):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    with os.fdopen(handle, encoding="utf-8-sig", newline="\n") as file:
        yield file


@lru_cache(maxsize=1)
def _find_kernel_devices() -> frozenset[int]:
    """Return the devices of the kernel's file systems, those that are mounted."""
    devices = set()
    for folder in map(Path, _KERNEL):
        with contextlib.suppress(OSError):
            devices.add(folder.stat().st_dev)
    return frozenset(devices - {Path("/").stat().st_dev})
