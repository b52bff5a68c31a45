"""The door to Prometheus against a small HTTP server that fails in every known way."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from rollout.observe.prometheus import PrometheusObserver
from tests.support.asking import ERRORS, LATENCY, ask

NOW = 1000.0
LABELS = {"destination_service": "summarizer", "destination_version": "v1"}
ROW = {"metric": LABELS | {"envoy_response_code": "200"}, "values": [[998, "7"]]}


def success(result=(ROW,), **more):
    data = {"resultType": "matrix", "result": result}
    return json.dumps({"status": "success", "data": data} | more)


class Fake:
    """Answers every POST with `code` and `body` after `delay` seconds and keeps what was asked."""

    def __init__(self):
        self.code, self.body, self.delay = 200, success(), 0.0
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []
        fake = self

        class QueryHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                fake.paths.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fake.asked.append({key: value for key, [value] in parse_qs(body).items()})
                time.sleep(fake.delay)
                self.send_response(fake.code)
                self.send_header("Content-Length", str(len(fake.body)))
                self.end_headers()
                self.wfile.write(fake.body.encode())

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), QueryHandler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # we hang up
        self.host = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def fake():
    server = Fake()
    thread = threading.Thread(target=server.server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.server.shutdown()
    server.server.server_close()
    thread.join()


@pytest.fixture
def observe(fake):
    """One rollout's answer, for given guardrails."""
    observer = PrometheusObserver(timeout=0.2)

    def go(*guardrails, host=fake.host):
        url = f"http://{host}"
        return observer.observe([ask(guardrails=guardrails or [ERRORS], url=url)], NOW)[
            "summarizer"
        ]

    yield go
    observer.close()


def test_the_query_travels_in_the_body_with_its_time(fake, observe):
    answer = observe()
    assert fake.paths == ["/api/v1/query"]
    (asked,) = fake.asked
    assert asked["query"].startswith("envoy_cluster_upstream_rq{")
    assert float(asked["time"]) == NOW
    assert asked["timeout"] == "0.2s"
    assert answer.problems == {}
    assert answer.series["errors"][0].samples == ((998, (7,)),)


def test_a_metric_without_news_is_left_out(fake, observe):
    fake.body = success([])
    answer = observe()
    assert (answer.series, answer.problems) == ({}, {})


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (400, "it cannot read the query (HTTP 400)"),
        (403, "access denied (HTTP 403)"),
        (422, "it cannot carry out the query; is it too large? (HTTP 422)"),
        (503, "it is overloaded or starting (HTTP 503)"),
        (500, "no success (HTTP 500)"),
    ],
)
def test_an_http_error_is_a_problem_without_retry(fake, observe, code, words):
    fake.code, fake.body = code, '{"status":"error","error":"secret"}'
    answer = observe()
    assert answer.problems == {"errors": f"Prometheus at {fake.host} refuses: {words}"}
    assert len(fake.asked) == 1


@pytest.mark.parametrize("more", [{"warnings": ["a store is down"]}, {"isPartial": True}])
def test_a_partial_answer_is_a_problem(fake, observe, more):
    fake.body = success(**more)
    assert observe().problems == {"errors": "Prometheus warns that its answer is incomplete"}


def test_an_answer_that_says_it_is_whole_is_taken(fake, observe):
    fake.body = success(warnings=[], isPartial=False)
    assert observe().problems == {}


@pytest.mark.parametrize("body", ["<html>", "[]", '{"status":"success"}', '"warnings": 1', "null"])
def test_an_unreadable_answer_is_a_problem(fake, observe, body):
    fake.body = body
    answer = observe()
    assert "unreadable" in answer.problems["errors"]


def test_a_refused_connection_is_a_problem(observe):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{closed.getsockname()[1]}"
        started = time.monotonic()
        answer = observe(host=host)
    assert time.monotonic() - started < 1, "the client's own retries take 6 s"
    problem = f"Prometheus does not answer at {host}: connection refused"
    assert answer.problems == {"errors": problem}


def test_passwords_in_an_address_are_not_repeated(observe):
    answer = observe(host="me:secret@127.0.0.1:1")
    assert "secret" not in str(answer)


def test_an_unknown_host_is_a_problem(observe, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    answer = observe(host="prometheus.invalid")
    assert answer.problems["errors"].endswith("prometheus.invalid: unknown host")


def test_a_silent_server_is_waited_for_once_in_a_look(fake, observe):
    fake.delay = 0.5
    answer = observe(ERRORS, LATENCY)
    problem = f"Prometheus does not answer at {fake.host}: nothing within 0.2 s"
    assert answer.problems == {"errors": problem, "latency": problem}
    assert len(fake.asked) == 1


def test_the_next_look_tries_again(fake, observe):
    fake.delay = 0.5
    observe()
    fake.delay = 0.0
    assert observe().problems == {}


def test_a_proxy_of_the_environment_is_not_used_on_this_machine(observe, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert observe().problems == {}
