"""The page's server: what it shows, to whom, and with which headers."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
from contextlib import contextmanager
from html import escape, unescape
from urllib.parse import urlencode

import pytest

from rollout.demo.servers.process import free_ports
from rollout.journal.hash_chain import GENESIS, Row, canonical, digest
from rollout.journal.jsonl import to_lines
from rollout.page.access import PageAccess, names_of
from rollout.page.charts import CHARTS, THEMES
from rollout.page.serve import PageListener, serving_beside
from tests.unit.page.client import PageClient
from tests.unit.page.conftest import RECORDED, TOKEN, pages_of

PATHS = (
    "/",
    "/log",
    "/topology",
    "/verify",
    "/rollouts/discharge-summarizer-v3-e6a331de",
    "/decisions/75",
    "/services/clinical-ai/discharge-summarizer",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_small_and_holds_nothing_inline(client, path):
    page = client.get(path)
    assert page.status == 200
    assert len(page.text.encode()) < 50_000
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page.text)


@pytest.mark.parametrize("path", [*PATHS, "/rows", "/replay", "/events", "/nothing"])
def test_nothing_is_shown_without_the_token(client, path):
    reply = client.ask(path)
    assert reply.status == 401
    assert "discharge" not in reply.text
    person = client.ask(path, accept="text/html")
    way = "/sign-in" if path == "/" else f"/sign-in?{urlencode({'to': path})}"
    assert (person.status, person.headers["location"]) == (303, way)
    assert reply.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/", "/sign-in", "/static/style.css"])
def test_another_name_of_the_host_is_refused(client, path):
    """A name that an attacker lets lead to this machine (DNS rebinding)."""
    reply = client.get(path, host=f"attacker.example:{client.port}")
    assert reply.status == 421
    assert client.get(path, host=f"localhost:{client.port}").status == 200


def test_another_port_may_be_in_front(client):
    """As `kubectl port-forward 9000:8377` puts it there; then the pages have that origin."""
    assert client.get("/", host="localhost:9000").status == 200
    forwarded = "http://localhost:9000"
    assert client.get("/rows", host="localhost:9000", origin=forwarded).status == 200
    assert client.get("/rows", origin=forwarded).status == 403, "another server's page"
    assert client.get("/rows", host="localhost:9000", origin="http://localhost:8377").status == 403
    assert client.get("/rows", host="localhost:9000", origin="http://127.0.0.1:9000").status == 403


@pytest.mark.parametrize("origin", ["http://attacker.example", "null", "https://127.0.0.1"])
def test_another_page_s_requests_are_refused(client, origin):
    assert client.get("/rows", origin=origin).status == 403
    form = urlencode({"token": client.token})
    reply = client.ask("/sign-in", "POST", form, origin=origin)
    assert reply.status == 403
    assert "set-cookie" not in reply.headers


def test_the_token_is_exchanged_for_a_cookie(client):
    form, kind = urlencode({"token": client.token}), "application/x-www-form-urlencoded"
    reply = client.ask("/sign-in", "POST", form, content_type=kind)
    cookie = reply.headers["set-cookie"]
    assert reply.status == 303
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert client.token not in cookie
    assert client.ask("/", cookie=cookie.partition(";")[0]).status == 200
    wrong = client.ask("/sign-in", "POST", urlencode({"token": "wrong"}), content_type=kind)
    assert wrong.status == 403
    assert "set-cookie" not in wrong.headers


WAYS = ["/", "/log?action=hold&since=2h", "/rollouts/%E2%9C%93?x=%2F%2Fy"]
ELSEWHERE = [
    *("//evil.example/", "/\\evil.example", "https://evil.example", "evil", "/\t/evil", ""),
    *("/a\r\nb: c", "/" + "x" * 2000, "javascript:alert(1)", "/x\\y", "/é"),
]


@pytest.mark.parametrize("path", WAYS)
def test_who_signs_in_goes_on_to_the_page_that_was_asked_for(client, path):
    first = client.ask(path, accept="text/html").headers["location"]
    form = client.ask(first).text
    (action,) = map(unescape, re.findall(r'<form action="([^"]*)"', form))
    words, kind = urlencode({"token": client.token}), "application/x-www-form-urlencoded"
    wrong = client.ask(action, "POST", "token=wrong", content_type=kind).text
    assert f'action="{escape(action)}"' in wrong
    assert client.ask(action, "POST", words, content_type=kind).headers["location"] == path


@pytest.mark.parametrize("way", ELSEWHERE)
def test_the_sign_in_leads_nowhere_else(client, way):
    words, kind = urlencode({"token": client.token}), "application/x-www-form-urlencoded"
    path = f"/sign-in?{urlencode({'to': way})}"
    assert client.ask(path, "POST", words, content_type=kind).headers["location"] == "/"
    assert 'action="/sign-in"' in client.ask(path).text


def test_a_form_without_end_is_not_read(client):
    assert client.ask("/sign-in", "POST", "token=" + "x" * 10_000).status == 413


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/nothing", "/rows", "/sign-in"])
def test_every_answer_has_the_headers_that_keep_it_safe(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/log", "/rollouts/discharge-summarizer-v3-e6a331de"])
def test_the_page_changes_nothing(client, path, method):
    before = client.journal.read_bytes()
    reply = client.ask(path, method, authorization=f"Bearer {client.token}")
    assert reply.status == 405
    assert client.journal.read_bytes() == before


@pytest.mark.parametrize(
    "path",
    [
        "/rollouts/none",
        "/decisions/1",
        "/decisions/999999",
        f"/decisions/{'9' * 5000}",
        "/decisions/x",
        "/services/a/b",
        "/rollouts/%00",
        "/x",
    ],
)
def test_what_is_not_there_is_told_in_words(client, path):
    reply = client.get(path)
    assert reply.status == 404
    assert "Traceback" not in reply.text
    assert '<nav aria-label="Pages">' in reply.text


def test_an_error_tells_nothing_of_the_journal_to_who_has_no_token(client):
    reply = client.ask("/static/none")
    assert reply.status == 404
    assert 'data-head="0"' in reply.text
    assert "newest" not in reply.text


@pytest.mark.parametrize("query", ["since=yesterday", "since=2h&until=3h", "before=x", "action=x"])
def test_an_odd_filter_brings_no_error(client, query):
    assert client.get(f"/log?{query}").status == 200


def test_the_log_is_filtered(client):
    text = client.get("/log?action=roll-back").text
    assert text.count("<details>") == 1
    assert 'href="/decisions/75"' in text
    assert client.get("/log?reason=harmful").text.count("<details>") == 1
    assert client.get("/log?rollout=discharge-summarizer-v2&action=promote").text.count("<det") == 1
    assert client.get("/log?until=2020-01-01").text.count("<details>") == 0


def test_rows_are_those_of_the_journal_and_prove_it(client):
    rows = json.loads(client.get("/rows?after=70").text)["rows"]
    assert [row["seq"] for row in rows] == [71, 72, 73, 74, 75, 76]
    for row in rows:
        sealed = f"{row['previous']}\n{row['seq']}\n{row['text']}".encode()
        assert hashlib.sha256(sealed).hexdigest() == row["hash"]
    assert json.loads(client.get("/rows?after=999").text)["rows"] == []
    assert client.get("/rows?after=-1").status == 400


def test_the_replay_decides_again(client):
    assert json.loads(client.get("/replay").text) == {"looks": 22, "of": 22, "differ": []}


def first_event(client, **headers):
    line = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
    headers |= {"authorization": f"Bearer {client.token}"}
    line.request("GET", "/events", headers={n.replace("_", "-"): v for n, v in headers.items()})
    answer = line.getresponse()
    assert answer.getheader("content-type", "").startswith("text/event-stream")
    try:
        lines = []
        while line_of := answer.readline().decode().strip():
            lines.append(line_of)
        return lines
    finally:
        line.close()


def test_who_comes_back_hears_at_once_what_was_missed(client):
    assert first_event(client) == ["id: 76", "event: entries", "data: 76"]
    assert first_event(client, last_event_id="40")[0] == "id: 76"


CHART = "/rollouts/discharge-summarizer-v3-e6a331de/{}-{}.svg"


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("theme", THEMES)
def test_a_chart_is_a_drawing_that_may_do_nothing(client, chart, theme):
    reply = client.get(CHART.format(chart, theme))
    assert reply.status == 200
    assert reply.headers["content-type"] == "image/svg+xml"
    assert "script-src" not in reply.headers["content-security-policy"]
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "<svg" in reply.text
    assert "<script" not in reply.text
    assert client.get(CHART.format(chart, theme)).text == reply.text, "it is kept"


def test_the_two_themes_have_two_backgrounds(client):
    light, dark = (client.get(CHART.format("weight", theme)).text for theme in THEMES)
    assert "#ffffff" in light.lower()
    assert "#0f1419" in dark.lower()


@pytest.mark.parametrize("names", [("none", "light"), ("weight", "pink"), ("weight", "../x")])
def test_an_unknown_chart_is_told_in_words(client, names):
    assert client.get(CHART.format(*names)).status == 404
    assert client.ask(CHART.format("weight", "light")).status == 401


def seal_with(path, alter):
    """Write the recording with facts that somebody altered, sealed as if they were true."""
    facts = [json.loads(line)["fact"] for line in RECORDED.read_text().splitlines()]
    alter(facts)
    previous = GENESIS
    lines: list[str] = []
    for seq, fact in enumerate(facts, 1):
        text = canonical(fact)
        sealed = Row(seq, text, previous, digest(previous, seq, text))
        lines += to_lines([sealed])
        previous = sealed.hash
    path.write_text("\n".join(lines) + "\n")


@contextmanager
def serving(file):
    (port,) = free_ports(1)
    access = PageAccess(TOKEN, names_of("127.0.0.1"))
    with serving_beside(pages_of(file), PageListener("127.0.0.1", port), access):
        yield PageClient(port, TOKEN, file)


ODD = [1e308, -1e308, -5, 10**30, 5e-324, "Infinity", "NaN", None, [], {}]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_number_that_cannot_be_is_told_in_words(tmp_path, odd):
    """Whoever can seal can write any number; each page is shown or says what is wrong."""
    file = tmp_path / "odd.jsonl"

    def alter(facts):
        facts[74]["numbers"]["guardrails"]["latency"] |= {"canary": odd, "stable_bad": odd}
        facts[74]["numbers"]["joint"] = odd

    seal_with(file, alter)
    with serving(file) as client:
        for path in (*PATHS, "/replay", "/api/v1/entries", "/api/v1/rollouts"):
            reply = client.get(path)
            assert reply.status in {200, 503}, (path, reply.text)
            assert reply.status == 200 or "cannot be" in reply.text or "is no number" in reply.text


@pytest.mark.parametrize("at", [1e308, -1e308, 1e18, -5e18])
def test_a_time_that_cannot_be_is_told_in_words(tmp_path, at):
    file = tmp_path / "odd.jsonl"
    seal_with(file, lambda facts: facts[60].update(at=at))
    with serving(file) as client:
        for path in PATHS:
            reply = client.get(path)
            assert reply.status in {200, 503}
            assert reply.status == 200 or "entry 61" in reply.text


def test_another_journal_in_the_file_s_place_is_told(tmp_path):
    file = tmp_path / "journal.jsonl"
    shutil.copyfile(RECORDED, file)
    with serving(file) as client:
        assert client.get("/").status == 200
        seal_with(file, lambda facts: facts[75].update(at=facts[75]["at"] + 1))
        reply = client.get("/")
        assert reply.status == 503
        assert "entry 76 is another one: the journal was cut or replaced" in reply.text


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/nothing", "there is no such page"),
        ("POST", "/", "this address is not asked by that method"),
        ("GET", "/api/v1/gate/x/y/step", "this address is not asked by that method"),
    ],
)
def test_a_wrong_address_is_told_in_words(client, method, path, words):
    assert words in client.ask(path, method, authorization=f"Bearer {client.token}").text
