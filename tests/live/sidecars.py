"""Sidecars as Prometheus sees them: requests that follow the weights of real VirtualServices."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager, suppress
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from tests.live.prom import Served

_PERIOD, _REQUESTS = 0.05, 100  # 2,000 requests a second for each service


class LastKnownTraffic:
    """Traffic follows what the mesh was told last, also while nobody can tell it more."""

    def __init__(self, replicas):
        self._replicas, self._told, self.cut = replicas, {}, threading.Event()

    def shares(self, service):
        if not self.cut.is_set():
            with suppress(OSError, KeyError, ValueError, HTTPException):  # no whole answer
                stable, canary = self._replicas.weights_of(service)
                self._told[service] = {"v1": stable / 100, "v2": canary / 100}
        return self._told.get(service, {"v1": 1.0})


class Sidecars(Served):
    """`istio_requests_total` of some services; `errors` is the share of bad answers by version.

    In another namespace services of the same names fail outright: nobody may read those.
    """

    def __init__(self, weights, errors, namespace):
        self._weights, self._errors, self._namespace = weights, errors, namespace
        self._dice = np.random.default_rng(7)
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._lock, self._over = threading.Lock(), threading.Event()
        page = self._text

        class SidecarHandler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(page().encode())

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), SidecarHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"

    @contextmanager
    def serving(self):
        flow = threading.Thread(target=self._flow)
        with super().serving():
            flow.start()
            try:
                yield self
            finally:
                self._over.set()
                flow.join()

    def _flow(self):
        while not self._over.wait(_PERIOD):
            for service, errors in self._errors.items():
                shares = self._weights(service)
                units = self._dice.multinomial(_REQUESTS, [shares.get(v, 0.0) for v in errors])
                with self._lock:
                    for (version, share), count in zip(errors.items(), units, strict=True):
                        bad = self._dice.binomial(count, share)
                        self._counts[service, version, "500"] += bad
                        self._counts[service, version, "200"] += count - bad

    def _text(self):
        with self._lock:
            rows = [
                f'istio_requests_total{{reporter="source",destination_service_name="{service}",'
                f'destination_service_namespace="{in_namespace}",'
                f'destination_version="{version}",response_code="{answered}"}} {count}'
                for (service, version, code), count in sorted(self._counts.items())
                for in_namespace, answered in ((self._namespace, code), ("elsewhere", "503"))
                if count and (in_namespace == self._namespace or code == "200")
            ]
        return "\n".join(["# TYPE istio_requests_total counter", *rows, ""])
