"""HTTP connections that bound an answer in total time and in bytes.

How it works: a time-out of HTTP libraries is for one read, so a server that sends a byte a second
is waited for without end, and nothing bounds the bytes. Here every read of an answer, of its
headers too, goes through `_LimitedStream`, which knows when the answer began and how long it is.
Both doors to HTTP use these connections: `requests` by `LimitedAdapter`, and urllib3's pools (the
Kubernetes client) by `limit_pools`.
"""

from __future__ import annotations

import io
import re
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http.client import BadStatusLine, HTTPResponse, RemoteDisconnected
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MOST = 64 * 1024 * 1024
"""Bytes of one answer that we read at most, before and after unpacking."""

WAITING = time.monotonic  # noqa: TID251
"""The clock by which an answer is waited for; nothing is decided by it."""

_LINE = 64 * 1024  # bytes of a first line
_STATUS = re.compile(r"(HTTP/1\.[0-9]) +([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_LENGTH = re.compile(r"[0-9]+(?:, *[0-9]+)*")
_CHUNK = 64 * 1024
_ZLIB_OR_GZIP = 47  # zlib's window size, plus 32: the header tells which of the two it is
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


@dataclass(frozen=True)
class Limits:
    """What one answer may take: `seconds` from its request to its end, and `most` bytes.

    `seconds` None: as long as the time-out of its reads, and `times` that. `plain`: a packed answer
    is refused, because the library would unpack it without a bound.
    """

    seconds: float | None = None
    most: int = MOST
    times: float = 1.0
    plain: bool = False
    timer: Callable[[], float] = WAITING

    def ends_in(self, timeout: float | None) -> float | None:
        """Return the seconds that an answer may take whose reads have this time-out."""
        if self.seconds is not None:
            return self.seconds
        return None if timeout is None else self.times * timeout


class TooLargeError(OSError):
    """An answer has more bytes than we read; the libraries wrap it as they do any OSError."""


class LimitedAdapter(HTTPAdapter):
    """The transport of a `requests` session whose answers have limits; it never retries."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        limit_pools(self.poolmanager, self._limits)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        limit_pools(manager, self._limits)
        return manager


class UnledSession(requests.Session):
    """A session that a redirect leads nowhere: it is an answer like others.

    The library would read and unpack its body whole, even where it is not to be followed.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        del resp


def limit_pools(
    manager: urllib3.PoolManager,
    limits: Limits,
    plain: Any = HTTPConnection,
    tls: Any = HTTPSConnection,
) -> None:
    """Let every later connection of a pool manager read its answers within limits.

    `plain` and `tls` are the classes of its connections.
    """
    manager.pool_classes_by_scheme = {
        "http": _make_pool_class(HTTPConnectionPool, plain, limits),
        "https": _make_pool_class(HTTPSConnectionPool, tls, limits),
    }


@lru_cache
def _make_pool_class(pool: Any, connection: Any, limits: Limits) -> Any:
    def make_response(sock: socket.socket, *args: Any, **options: Any) -> HTTPResponse:
        return _LimitedResponse(limits, sock, *args, **options)

    answers = {"response_class": staticmethod(make_response)}
    limited = type("LimitedConnection", (connection,), answers)
    return type("LimitedPool", (pool,), {"ConnectionCls": limited})


class _LimitedResponse(HTTPResponse):
    """An answer that is read through a `_LimitedStream` from its first line on."""

    def __init__(self, limits: Limits, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._is_plain = limits.plain
        self.fp = io.BufferedReader(_LimitedStream(self.fp, sock, limits), _CHUNK)

    def _read_status(self) -> tuple[str, int, str]:
        """Return version, status and reason; Python takes `2_00` and digits of every script."""
        line = self.fp.readline(_LINE).decode("latin-1")
        if not line:
            raise RemoteDisconnected("the server closed the connection without an answer")
        match = _STATUS.fullmatch(line)
        if match is None:
            self.close()
            raise BadStatusLine(line)
        return match[1], int(match[2]), (match[3] or "").strip()

    def begin(self) -> None:
        super().begin()
        length = self.getheader("Content-Length", "0")
        if _LENGTH.fullmatch(length) is None:
            raise OSError("an answer whose length is no number")
        encoding = self.getheader("Content-Encoding", "identity")
        if self._is_plain and encoding != "identity":
            raise OSError(f"an answer that is packed as {encoding}, which was not asked for")


class _LimitedStream(io.RawIOBase):
    """Reads a socket until its time or its bytes are used up. Raises TimeoutError, OSError."""

    def __init__(self, file: io.BufferedReader, sock: socket.socket, limits: Limits) -> None:
        self._file, self._sock, self._limits = file, sock, limits
        self._patience = sock.gettimeout()
        seconds = limits.ends_in(self._patience)
        self._end = None if seconds is None else limits.timer() + seconds
        self._left = limits.most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._end is not None:
            left = self._end - self._limits.timer()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left if self._patience is None else min(left, self._patience))
        data = self._file.read1(min(len(buffer), _CHUNK))
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError(f"an answer of more than {format_size(self._limits.most)}")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def read_body(response: requests.Response, most: int = MOST) -> bytes:
    """Return the unpacked body of an answer that was asked for with `stream`, and close it.

    Raises TooLargeError, ValueError for an encoding that cannot be unpacked, and what urllib3
    raises.
    """
    with response:
        unpack = _make_unpacker(response.raw.headers)
        pieces, left = list[bytes](), most
        while data := response.raw.read1(_CHUNK, decode_content=False):
            pieces.append(unpack(data, left + 1))
            left -= len(pieces[-1])
            if left < 0:
                size = format_size(most)
                raise TooLargeError(f"an answer of more than {size} once it is unpacked")
    return b"".join(pieces)


def _make_unpacker(headers: Mapping[str, str]) -> Callable[[bytes, int], bytes]:
    """Return what unpacks a piece of a body to at most so many bytes. Raises ValueError."""
    encoding = headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if encoding == "identity":
        return lambda data, _: data
    if encoding not in _PACKED:
        raise ValueError(f"it is packed as {encoding}")
    packed = zlib.decompressobj(_ZLIB_OR_GZIP)

    def unpack(data: bytes, most: int) -> bytes:
        try:
            return packed.decompress(data, most)
        except zlib.error as error:
            raise ValueError(f"it cannot be unpacked: {error}") from None

    return unpack


def format_size(size: int) -> str:
    """Format a number of bytes for a message."""
    return f"{size / 1024 / 1024:,.0f} MB" if size >= 1024 * 1024 else f"{size:,} bytes"
