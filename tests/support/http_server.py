"""A small HTTP server on loopback that answers with whatever bytes a test gives it, slowly too."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Send = Callable[[socket.socket], None]


def answer(body: bytes, status: str = "200 OK", *headers: str) -> Send:
    """Send a whole answer with these headers."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    text = "\r\n".join(head).encode() + b"\r\n\r\n" + body
    return lambda connection: connection.sendall(text)


def drip(piece: bytes, pause: float, first: bytes = b"") -> Send:
    """Send `first`, and then a piece every `pause` seconds without end."""

    def send(connection: socket.socket) -> None:
        connection.sendall(first)
        while not over.wait(pause):
            connection.sendall(piece)

    over = threading.Event()
    return send


@contextmanager
def serving(send: Send) -> Iterator[str]:
    """Answer every connection with `send` after its request, and yield the host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, send), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, send: Send) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, send), daemon=True).start()


def _serve(connection: socket.socket, send: Send) -> None:
    with connection, suppress(OSError):
        connection.settimeout(30)
        _read_request(connection)
        send(connection)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def _read_request(connection: socket.socket) -> None:
    """Read a request with its body, whose length its header tells."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    left = sum(lengths) - len(body)
    while left > 0 and (more := connection.recv(65536)):
        left -= len(more)
