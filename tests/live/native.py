"""An exporter of native histograms, in the protobuf format that Prometheus scrapes them by."""

import math
import struct
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.live.prom import Served

NAME = "envoy_cluster_upstream_rq_time"
CONTENT = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
ZERO = 2.0**-128  # the width of the zero bucket that client libraries begin with


def varint(value):
    """An unsigned number, seven bits a byte."""
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def zigzag(value):
    return varint(2 * value if value >= 0 else -2 * value - 1)


def field(number, payload):
    """A field with a length: text, a message or packed numbers."""
    data = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(field_number, encoded):
    return varint(field_number << 3) + encoded


def double(field_number, value):
    return varint(field_number << 3 | 1) + struct.pack("<d", value)


def spans(buckets):
    """Runs of neighbouring buckets as (offset from the last run, counts)."""
    ranges: list[tuple[int, list[int]]] = []
    after = 0
    for index in sorted(buckets):
        if not ranges or index != after:
            ranges.append((index - after, []))
        ranges[-1][1].append(buckets[index])
        after = index + 1
    return ranges


def histogram(schema, values):
    """io.prometheus.client.Histogram of these values (Counter), none of them negative."""
    buckets: Counter[int] = Counter()
    for value, count in values.items():
        if value:
            buckets[math.ceil(math.log2(value) * 2**schema)] += count
    runs = spans(buckets)
    counts = [count for _, run in runs for count in run]
    deltas = [b - a for a, b in zip([0, *counts], counts, strict=False)]
    return b"".join([
        number(1, varint(values.total())),
        double(2, sum(value * count for value, count in values.items())),
        number(5, zigzag(schema)),
        double(6, ZERO),
        number(7, varint(values[0])),
        *(field(12, number(1, zigzag(gap)) + number(2, varint(len(run)))) for gap, run in runs),
        field(13, b"".join(map(zigzag, deltas))),
    ])  # fmt: skip


class NativeExporter(Served):
    """What two versions measured; each may change its schema, as a library does when it is full."""

    def __init__(self):
        self.values: dict[str, Counter[float]] = {"v1": Counter(), "v2": Counter()}
        self.schema = {"v1": 3, "v2": 3}
        native = self

        class HistogramHandler(BaseHTTPRequestHandler):
            def do_GET(self):
                assert "application/vnd.google.protobuf" in self.headers["Accept"]
                self.send_response(200)
                self.send_header("Content-Type", CONTENT)
                self.end_headers()
                self.wfile.write(native.family())

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), HistogramHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"

    def family(self):
        """The family of all versions, its length first."""
        metrics = b"".join(
            field(4, self._labels(version) + field(7, histogram(self.schema[version], units)))
            for version, units in self.values.items()
            if units
        )
        message = field(1, NAME) + number(3, varint(4)) + metrics
        return varint(len(message)) + message

    def _labels(self, version):
        named = {"destination_service": "summarizer", "destination_version": version}
        return b"".join(field(1, field(1, name) + field(2, text)) for name, text in named.items())
