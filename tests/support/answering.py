"""A small HTTP server in place of a Prometheus: it keeps what was sent, and answers at will."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Sent:
    """One request."""

    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


Reply = tuple[int, Mapping[str, str], str]


def success(result: object = (), **more: object) -> Reply:
    """An answer of Prometheus."""
    data = {"resultType": "matrix", "result": result}
    return 200, {}, json.dumps({"status": "success", "data": data} | more)


def refusal(code: int, error: str) -> Reply:
    """A refusal of Prometheus."""
    return code, {}, json.dumps({"status": "error", "error": error})


@dataclass
class Answering:
    """The server's address, the requests so far, and what answers them."""

    url: str
    answer: Callable[[Sent], Reply] = lambda _sent: success()
    sent: list[Sent] = field(default_factory=list)


@contextmanager
def answering(answer: Callable[[Sent], Reply] = lambda _sent: success()) -> Iterator[Answering]:
    """A server that runs while the context is open."""

    class AnsweringHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            form = {key: value for key, [value] in parse_qs(body).items()}
            sent = Sent(self.path, dict(self.headers), form)
            state.sent.append(sent)
            code, headers, text = state.answer(sent)
            self.send_response_only(code)  # without a Date: tests have their own
            for name, value in {**headers, "Content-Length": str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), AnsweringHandler)
    server.daemon_threads = True
    state = Answering(f"http://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
