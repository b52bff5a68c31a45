"""Real Prometheus servers for tests: one on a written past, one that scrapes a toy exporter."""

import itertools
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from analysis.counting.belief import count_look
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Cursor
from rollout.demo.servers.process import Process, answers, free_ports
from rollout.observe.access.settings import NO_SETTINGS
from rollout.observe.prometheus import PrometheusObserver
from tests.support.asking import ask

RATE = "envoy_cluster_upstream_rq"
SHAPE = "envoy_cluster_upstream_rq_time_bucket"


def labels(version, service="summarizer", **more):
    """Label text of a series as Envoy writes it."""
    named = {"destination_service": service, "destination_version": version} | more
    return "{" + ",".join(f'{name}="{value}"' for name, value in named.items()) + "}"


@contextmanager
def past(folder, samples, web=None):
    """A Prometheus that knows `samples`: metric name to [(labels, unix time, value)].

    `web` is the configuration of its TLS and its users.
    """
    for name in ("prometheus", "promtool"):
        assert shutil.which(name), f"{name} is missing: run `apt-get install -y prometheus`"
    lines = []
    for metric, rows in samples.items():
        lines.append(f"# TYPE {metric} unknown")
        lines += [f"{metric}{text} {value} {at:.3f}" for text, at, value in rows]
    written, data = folder / "past.om", folder / "data"
    written.write_text("\n".join([*lines, "# EOF", ""]))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", written, data]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    port = free_ports(1)[0]
    url = f"{'https' if web else 'http'}://127.0.0.1:{port}"
    options = {
        "config.file": "/dev/null",
        "storage.tsdb.path": data,
        "storage.tsdb.retention.time": "100y",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    options |= {"web.config.file": web} if web else {}
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    with Process("prometheus", command, folder / "prometheus.log") as server:
        server.wait_until(lambda: listens(port) if web else answers(f"{url}/-/ready"))
        yield url


def listens(port):
    """Whether a server takes connections at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class GuardrailWatch:
    """Looks at one guardrail as a rollout does: newest known sample, cursor, running totals."""

    def __init__(self, url, guardrail, scrape="2s", service="summarizer", settings=NO_SETTINGS):
        self.observer = PrometheusObserver(accesses=settings.accesses, in_past=True)
        self.guardrail = guardrail
        self.words = {"guardrails": [guardrail], "url": url, "scrape": scrape, "service": service}
        self.cursor, self.total = Cursor(), Counts()
        self.began: float | None = None  # of what needs no baseline
        self.unbelieved: list[str] = []

    @property
    def name(self):
        return self.guardrail["name"]

    def look(self, now):
        """One look; returns the problem in words, empty if there is none."""
        newest = self.cursor.newest("stable")
        since = {} if newest is None else {self.name: newest}
        asked = ask(since, **self.words)
        asked = replace(asked, cursors={self.name: self.cursor}, began=self.began)
        answer = self.observer.observe([asked], now)[asked.rollout]
        self.unbelieved += answer.unbelieved.get(self.name, ())
        try:
            belief = count_look(
                self.cursor.begun(self.began),
                answer.series.get(self.name, ()),
                answer.origins.get(self.name),
            )
        except EvidenceError as error:
            return str(error)
        self.cursor = belief.cursor
        self.total += belief.counts
        return answer.problems.get(self.name, "")


class Served:
    """Something whose HTTP `server` answers while its context lasts."""

    server: ThreadingHTTPServer

    @contextmanager
    def serving(self):
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()


class Pages(Served):
    """Metrics pages by path; `serves` are functions of a path's number of requests."""

    def __init__(self, serves: Mapping[str, Callable[[int], str]]) -> None:
        asked = {path: itertools.count() for path in serves}

        class PageHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = serves[self.path](next(asked[self.path]))
                self.send_response(200 if text else 503)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), PageHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


class Toy(Served):
    """An exporter of request counters; knows what it really counted, through restarts too."""

    def __init__(self):
        self.counts: Counter[tuple[str, str]] = Counter()
        self.truth: Counter[str | tuple[str, str]] = Counter()
        self.failing = False
        self.hidden: set[str] = set()
        toy = self

        class ToyHandler(BaseHTTPRequestHandler):
            def do_GET(self):
                text = toy.text().encode()
                self.send_response(500 if toy.failing else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), ToyHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"

    def text(self):
        rows = [f"# TYPE {RATE} counter"]
        for (version, code), count in sorted(self.counts.items()):
            if version not in self.hidden:
                rows.append(f"{RATE}{labels(version, envoy_response_code=code)} {count}")
        return "\n".join([*rows, ""])

    def count(self, version, code, units):
        self.counts[version, code] += units
        self.truth[version] += units
        self.truth[version, "bad"] += units * code.startswith("5")

    def restart(self):
        self.counts.clear()
