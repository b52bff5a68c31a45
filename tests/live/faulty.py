"""A real HTTPS proxy before the API server: it counts, refuses, loses, breaks off, holds back."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.live.kube import Kube

Json = dict[str, Any]
_PASSED_ON = ("Authorization", "Content-Type", "Accept", "User-Agent")


@dataclass(frozen=True)
class ProxiedRequest:
    """What a client asked, and when (seconds of a clock that never goes back)."""

    method: str
    path: str
    at: float
    body: bytes = b""

    @property
    def watches(self) -> bool:
        return "watch=true" in self.path.lower()


@dataclass
class FaultyProxy:
    """`fault` is asked for each request: what comes of it is one of

    `""` the answer, a status (`"409"`) instead of it, `"reset"` no answer and nothing done,
    `"lost"` done but no answer, `"closed"` a watch that ends at once, `"gone"` a watch that is told
    410. `before` and `after` are called around what the API server does; they may take their time.
    """

    cluster: Kube
    folder: Path
    fault: Callable[[ProxiedRequest], str] = lambda _request: ""
    before: Callable[[ProxiedRequest], None] = lambda _request: None
    after: Callable[[ProxiedRequest], None] = lambda _request: None
    asked: list[ProxiedRequest] = field(default_factory=list)
    port: int = 0

    def config(self, user: str) -> Path:
        """A user's kubeconfig that leads here."""
        document = yaml.safe_load(self.cluster.config(user).read_text())
        document["clusters"][0]["cluster"] = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": str(self.folder / "cert.pem"),
        }
        path = self.folder / f"{user}.kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path


@contextmanager
def proxied(cluster: Kube, folder: Path) -> Iterator[FaultyProxy]:
    """A proxy that passes everything on, until it is told otherwise."""
    folder.mkdir()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    proxy = FaultyProxy(cluster, folder)
    server = _ProxyServer(("127.0.0.1", 0), _ProxyHandler)
    server.proxy, server.trusted = proxy, ssl.create_default_context(cafile=str(cluster.ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, True, do_handshake_on_connect=False)
    proxy.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _ProxyServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    proxy: FaultyProxy
    trusted: ssl.SSLContext

    def handle_error(self, *_: object) -> None:
        """Nothing: broken connections are what this is for."""


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _ProxyServer
    _upstream: http.client.HTTPSConnection | None = None

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = ProxiedRequest(self.command, self.path, time.monotonic(), body)
        proxy = self.server.proxy
        proxy.asked.append(request)
        fault = proxy.fault(request)
        if fault == "reset":
            return self._cut()
        if fault.isdigit():
            return self._refuse(int(fault))
        if fault == "gone":
            return self._stream([_GONE])
        proxy.before(request)
        try:
            self._pass_on(request, body, fault)
        except (OSError, http.client.HTTPException):
            self._cut()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def _pass_on(self, request: ProxiedRequest, body: bytes, fault: str) -> None:
        if self._upstream is None:  # one line for each line of a client's
            address, trusted = ("127.0.0.1", self.server.proxy.cluster.port), self.server.trusted
            self._upstream = http.client.HTTPSConnection(*address, context=trusted, timeout=400)
        upstream = self._upstream
        headers = {key: self.headers[key] for key in _PASSED_ON if key in self.headers}
        upstream.request(request.method, request.path, body, headers)
        answer = upstream.getresponse()
        if request.watches and answer.status == 200:
            self._stream([] if fault == "closed" else answer)
            self._drop()
            return
        text = answer.read()
        self.server.proxy.after(request)
        if fault == "lost":
            self._cut()
        else:
            self._answer(answer.status, text)

    def _refuse(self, status: int) -> None:
        refusal = {"kind": "Status", "message": "as the test wants it", "code": status}
        self._answer(status, json.dumps(refusal).encode())

    def _answer(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _stream(self, lines: Any) -> None:
        """Events one by one, until the API server or the client ends it."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def finish(self) -> None:
        self._drop()
        super().finish()

    def _drop(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None

    def _cut(self) -> None:
        self._drop()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        pass


_GONE = (
    json.dumps(
        {
            "type": "ERROR",
            "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"},
        }
    ).encode()
    + b"\n"
)
