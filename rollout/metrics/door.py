"""Serves /metrics, /healthz and /readyz; the only user of prometheus_client."""

from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from rollout.errors import InputError
from rollout.metrics.meter import Meter
from rollout.metrics.names import METRICS

_Start = Callable[[str, list[tuple[str, str]]], Any]
_PLAIN = [("Content-Type", "text/plain; charset=utf-8")]
_ENDINGS = ("_bucket", "_count", "_sum")


class _Collector(Collector):
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterable[Family]:
        """Return every metric except those of rollouts, in the order of METRICS."""
        # The library adds a counter's `_total` again where the text format wants it.
        families = {
            name: Family(name.removesuffix("_total"), metric.help, metric.kind)
            for name, metric in METRICS.items()
        }
        for name, labels, value in self._meter.samples():
            families[_find_family(name)].add_sample(name, labels, value)
        return [family for family in families.values() if family.samples]


def _find_family(name: str) -> str:
    """Return the metric that a series belongs to; a histogram has three kinds of series."""
    bases = (name.removesuffix(ending) for ending in _ENDINGS)
    return next((base for base in bases if base in METRICS), name)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, unless the client closed the connection or sent nothing in time."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(WSGIRequestHandler):
    timeout = 5.0  # seconds without a byte from the client

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        """Log nothing: a line for each scrape would bury the decisions."""


@contextmanager
def serving(meter: Meter, address: str, port: int) -> Iterator[int]:
    """Serve a meter while the context is open; yield the port (0 lets the system choose it).

    Raises InputError if the address or port cannot be used.
    """
    try:
        server = make_server(address, port, _build_app(meter), _Server, _Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot serve metrics at {address}:{port}: {reason}") from None
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _build_app(meter: Meter) -> Callable[[dict[str, Any], _Start], Iterable[bytes]]:
    registry = CollectorRegistry()
    registry.register(_Collector(meter))
    probes = {"/healthz": lambda: meter.alive, "/readyz": lambda: meter.ready}

    def app(environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            text = generate_latest(registry) + meter.rollouts().encode()
            return _respond(text, environ.get("HTTP_ACCEPT_ENCODING", ""), start)
        if path not in probes:
            start("404 Not Found", _PLAIN)
            return [b"/metrics, /healthz, /readyz\n"]
        is_healthy = probes[path]()
        start("200 OK" if is_healthy else "503 Service Unavailable", _PLAIN)
        message = "stands by" if meter.stands_by else "ok"
        return [f"{message if is_healthy else 'no tick lately'}\n".encode()]

    return app


def _respond(text: bytes, accepted_encodings: str, start: _Start) -> Iterable[bytes]:
    if "gzip" not in accepted_encodings:
        start("200 OK", [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)])
        return [text]
    headers = [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), ("Content-Encoding", "gzip")]
    start("200 OK", headers)
    return [gzip.compress(text, compresslevel=1)]  # level 1: scrapes are frequent, the net is near
