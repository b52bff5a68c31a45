"""Bounds how many connections are open, so that silent ones take no file from others.

How it works: a server takes connections from a socket that counts those still open. Beyond the most
that may be, the oldest of which nobody with access waits for an answer is ended for a new one, also
in the middle of its TLS handshake or of a request's headers. Who opens silent connections without
end thus ends only their own, and the controller beside keeps its files.
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MOST = 256
"""Connections at once: fewer than the files that a process may open."""

BACKLOG = 64
"""Connections that wait to be taken; as many are taken at once before others have ended."""

_Peer = tuple[str, int]


@dataclass
class OpenConnections:
    """Connections by their peer, oldest first; used by the server's own thread alone."""

    most: int = MOST
    _open: dict[_Peer, socket.socket] = field(default_factory=dict)
    _awaited: Counter[_Peer] = field(default_factory=Counter)

    @contextmanager
    def answering(self, peer: _Peer | None) -> Iterator[None]:
        """Keep a connection while somebody with access waits for an answer on it."""
        if peer is None:
            yield
            return
        self._awaited[peer] += 1
        try:
            yield
        finally:
            self._awaited[peer] -= 1
            if not self._awaited[peer]:
                del self._awaited[peer]

    def admit(self, peer: _Peer, connection: socket.socket) -> bool:
        """Count a new connection in; False where every other one is awaited."""
        self._open = {peer: other for peer, other in self._open.items() if other.fileno() != -1}
        if len(self._open) >= self.most:
            oldest = next((other for other in self._open if not self._awaited[other]), None)
            if oldest is None:
                return False
            with contextlib.suppress(OSError):  # its peer has gone already
                # The event loop sees the end, and closes it with all that belongs to it.
                self._open.pop(oldest).shutdown(socket.SHUT_RDWR)
        self._open[peer] = connection
        return True


class BoundedSocket(socket.socket):
    """A listening socket that takes no more connections than may be open."""

    def __init__(self, listening: socket.socket, connections: OpenConnections) -> None:
        super().__init__(listening.family, listening.type, listening.proto, listening.detach())
        self._connections = connections

    def accept(self) -> tuple[socket.socket, Any]:
        """See socket.socket.accept. Raises BlockingIOError where a connection was refused."""
        connection, address = super().accept()
        if self._connections.admit(address[:2], connection):
            return connection, address
        connection.close()
        raise BlockingIOError
