"""The door to Prometheus against a small HTTP server that fails in every known way."""

import gzip
import json
import socket
import threading
import time
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from rollout.observe.prometheus import PrometheusObserver
from tests.support.asking import ERRORS, LATENCY, ask
from tests.support.http_server import answer, drip, serving

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
        self.date: str | None = None  # a server that tells no time
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
                self.send_response_only(fake.code)
                if fake.date is not None:
                    self.send_header("Date", fake.date)
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


@pytest.mark.parametrize("wrong", [3600, -3600, 86_400, -86_400, 20])
def test_a_server_is_asked_at_its_own_time(fake, observe, wrong):
    """Our clock is ahead by so many seconds, or behind."""
    fake.date = formatdate(NOW - wrong, usegmt=True)
    answer = observe()
    asked = [float(sent["time"]) for sent in fake.asked]
    assert asked == [NOW, pytest.approx(NOW - wrong, abs=1)]
    assert answer.skew == pytest.approx(wrong, abs=1)
    observe()
    assert len(fake.asked) == 3, "it is known from then on"
    fake.date = formatdate(NOW, usegmt=True)
    assert observe().skew == 0
    assert float(fake.asked[-1]["time"]) == NOW


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 31 Dec 99999 23:59:60 GMT", "0"])
def test_a_date_that_is_none_is_no_time(fake, observe, date):
    fake.date = date
    assert observe().skew is None
    assert [float(sent["time"]) for sent in fake.asked] == [NOW]


def test_clocks_that_differ_a_little_change_nothing(fake, observe):
    fake.date = formatdate(NOW - 4, usegmt=True)
    assert observe().skew == 0
    assert [float(sent["time"]) for sent in fake.asked] == [NOW]


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
    ("code", "words", "cure"),
    [
        (400, "it cannot read the query (HTTP 400)", "is it a Prometheus?"),
        (401, "access denied (HTTP 401)", "name an access with its credentials"),
        (403, "access denied (HTTP 403)", "name an access that may ask this"),
        (404, "there is no Prometheus API (HTTP 404)", "mend the path of the URL"),
        (405, "it takes no POST (HTTP 405)", "let the proxy before it pass POST"),
        (422, "it cannot carry out the query (HTTP 422)", "is it too large?"),
        (429, "it is overloaded (HTTP 429)", "raise the limits"),
        (503, "it is overloaded or starting (HTTP 503)", "wait"),
        (500, "it fails (HTTP 500)", "its own log"),
        (418, "no success (HTTP 418)", ""),
    ],
)
def test_a_refusal_is_told_in_the_server_s_own_words_without_retry(
    fake, observe, code, words, cure
):
    error = 'no org\nid \x1b[31m for {job="x-ward"} at http://u:secret@h ' + "x" * 5000
    fake.code, fake.body = code, json.dumps({"status": "error", "error": error})
    problem = observe().problems["errors"]
    quote = 'no org id [31m for {job="***"} at http://u:***@h xxx'
    assert problem.startswith(f'Prometheus at {fake.host} refuses: {words}: "{quote}')
    assert cure in problem
    assert len(problem) < 500
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("body", "quote"),
    [
        ("<html><head><title>401 &amp; out</title></head>", ': "401 & out"; '),
        ("no tenant", ': "no tenant"; '),
        ("", "(HTTP 401); "),
        ("[]", "(HTTP 401); "),
        ('{"message": "quota"}', ': "quota"; '),
    ],
)
def test_a_refusal_of_another_shape_is_told_too(fake, observe, body, quote):
    fake.code, fake.body = 401, body
    assert quote in observe().problems["errors"]


@pytest.mark.parametrize("more", [{"warnings": ["a store is down"]}, {"isPartial": True}])
def test_a_partial_answer_is_a_problem(fake, observe, more):
    fake.body = success(**more)
    quote = ': "a store is down"' if "warnings" in more else ""
    problem = f"Prometheus warns that its answer is incomplete{quote}"
    assert observe().problems == {"errors": problem}


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
    assert time.monotonic() - started < 5, "the client's own retries take 6 s"
    problem = f"Prometheus does not answer at {host}: connection refused"
    assert answer.problems == {"errors": problem}


def test_passwords_in_an_address_are_not_repeated(observe):
    answer = observe(host="me:secret@127.0.0.1:1")
    assert "secret" not in str(answer)


@pytest.mark.parametrize(
    "host", ["[", "a\\b", "h:port", "h" * 300 + ".example", "eve:a/b@[", "\xad"]
)
def test_an_address_that_is_none_is_a_problem(observe, host):
    (problem,) = observe(host=host).problems.values()
    assert "cannot be read" in problem or "unknown host" in problem
    assert "a/b" not in problem


def test_an_unknown_host_is_a_problem(observe, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    answer = observe(host="prometheus.invalid")
    assert answer.problems["errors"].endswith("prometheus.invalid: unknown host")


def test_a_silent_server_is_waited_for_once_in_a_look(fake, observe):
    fake.delay = 0.5
    answer = observe(ERRORS, LATENCY)
    problem = (
        f"Prometheus does not answer at {fake.host}: nothing within 0.2 s; "
        "give it an access with a longer `timeout`, if it needs more"
    )
    assert answer.problems == {"errors": problem, "latency": problem}
    assert len(fake.asked) == 1


def test_a_silent_server_is_waited_for_once_when_the_past_is_read(fake):
    fake.delay = 0.5
    asking = replace(ask(guardrails=[ERRORS], url=f"http://{fake.host}"), finds_pods=True)
    past = PrometheusObserver(timeout=0.2).history(asking, NOW)
    assert "nothing within 0.2 s" in past.problems["errors"]
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


DEEP = '{"status":"success","data":{"result":' + "[" * 100_000 + "]" * 100_000 + "}}"
LONG = success([{"metric": LABELS, "values": [[998, "7"]]}]).replace("998", "9" * 5_000)
BUCKETS = {"count": "1", "buckets": [[0, "0", "inf", "1"]]}
NATIVE = [{"metric": LABELS, "histograms": [[998, BUCKETS]]}]


@pytest.mark.parametrize(
    "send",
    [
        answer(b"", "204 No Content"),
        answer(b"", "304 Not Modified"),
        answer(b"", "302 Found", "Location: /api/v1/query"),
        answer(DEEP.encode()),
        answer(LONG.encode()),
        answer(success(NATIVE).encode()),
        answer(success([None, {"metric": LABELS, "values": [[1e308 * 10, "7"]]}]).encode()),
        answer(success().encode(), "200 OK", "Content-Encoding: br"),
        answer(b"\xff\xfe" + success().encode()),
        answer(gzip.compress(b"0" * 300_000_000), "200 OK", "Content-Encoding: gzip"),
        drip(b"x", 0.05),
        drip(b"x", 0.05, b"HTTP/1.1 200 OK\r\n\r\n"),
        drip(b"x" * 2**20, 0, b"HTTP/1.1 200 OK\r\n\r\n"),
        drip(b"x", 0.05, b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"),
    ],
)
def test_whatever_a_server_sends_its_guardrails_are_blind_in_words(send, observe):
    with serving(send) as host:
        answer = observe(ERRORS, LATENCY, host=host)
    assert answer.problems.keys() == {"errors", "latency"}
    assert all(
        "Prometheus" in problem or "histogram" in problem for problem in answer.problems.values()
    )


def test_a_server_that_hangs_holds_up_no_other_one(fake):
    observer = PrometheusObserver(timeout=0.2)
    with serving(drip(b"", 60)) as silent:
        asks = [
            replace(ask(guardrails=[ERRORS], url=f"http://{host}"), rollout=host)
            for host in (silent, fake.host)
        ]
        answers = observer.observe(asks, NOW)
    observer.close()
    assert answers[fake.host].series
    assert not answers[fake.host].problems
    assert "nothing within" in answers[silent].problems["errors"]


def test_a_server_that_is_always_slow_is_not_asked_for_ever(fake):
    times = iter(range(0, 1000, 10))
    observer = PrometheusObserver(timeout=1, timer=lambda: float(next(times)))
    answers = observer.observe([ask(guardrails=[ERRORS, LATENCY], url=f"http://{fake.host}")], NOW)
    observer.close()
    assert len(fake.asked) == 1
    assert "too slow" in answers["summarizer"].problems["latency"]


def test_which_server_hangs_is_known_until_it_answers_again(fake):
    pace = [10.0]  # seconds between two glances at the clock
    now = [0.0]

    def timer():
        now[0] += pace[0]
        return now[0]

    observer = PrometheusObserver(timeout=1, timer=timer)
    own = ask(guardrails=[ERRORS], url=f"http://{fake.host}")
    assert observer.find_hung(own.plan) == ""
    observer.observe([own], NOW)
    assert observer.find_hung(own.plan) == fake.host
    assert observer.find_hung(ask(guardrails=[ERRORS], url="http://127.0.0.1:1").plan) == ""
    pace[0] = 0.001
    observer.observe([own], NOW)
    observer.close()
    assert observer.find_hung(own.plan) == ""
