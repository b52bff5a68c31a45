"""A TCP line to a server that can fall silent: nothing is refused, nothing comes through."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer


class CuttableLine(ThreadingTCPServer):
    """`through` is clear while the line is silent; its connections outlive that."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _LineHandler)
        self.upstream, self.port = upstream, int(self.server_address[1])
        self.through = threading.Event()
        self.through.set()

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        """Bytes from one end to the other, until one of them closes."""
        with suppress(OSError):
            while data := source.recv(65536):
                self.through.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _LineHandler(BaseRequestHandler):
    server: CuttableLine

    def handle(self) -> None:
        self.server.through.wait()
        with closing(socket.create_connection(("127.0.0.1", self.server.upstream))) as upstream:
            ends = upstream, self.request
            back = threading.Thread(target=self.server.pump, args=ends, daemon=True)
            back.start()
            self.server.pump(*reversed(ends))
            back.join()


@contextmanager
def line(upstream: int) -> Iterator[CuttableLine]:
    """A line to a port of this machine."""
    with CuttableLine(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.through.set()
            proxy.shutdown()
            thread.join()
