"""A TCP line to a server that can fall silent: nothing is refused, nothing comes through."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer


class Line(ThreadingTCPServer):
    """`through` is clear while the line is silent; its connections outlive that."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.port = upstream, int(self.server_address[1])
        self.through = threading.Event()
        self.through.set()

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        """Bytes from one end to the other, until one of them closes."""
        with suppress(OSError):
            while data := source.recv(65536):
                self.through.wait()
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Handler(BaseRequestHandler):
    server: Line

    def handle(self) -> None:
        self.server.through.wait()
        with closing(socket.create_connection(("127.0.0.1", self.server.upstream))) as upstream:
            ends = upstream, self.request
            back = threading.Thread(target=self.server.pump, args=ends, daemon=True)
            back.start()
            self.server.pump(*reversed(ends))
            back.join()


@contextmanager
def line(upstream: int) -> Iterator[Line]:
    """A line to a port of this machine."""
    with Line(upstream) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield made
        finally:
            made.through.set()
            made.shutdown()
            thread.join()
