"""The page's server: what it shows, to whom, and with which headers."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from urllib.parse import urlencode

import pytest

from rollout.page.charts import CHARTS, THEMES

PATHS = (
    "/",
    "/log",
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
    assert (person.status, person.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize("path", ["/", "/sign-in", "/static/style.css"])
def test_another_name_of_the_host_is_refused(client, path):
    """A name that an attacker lets lead to this machine (DNS rebinding)."""
    reply = client.get(path, host=f"attacker.example:{client.port}")
    assert reply.status == 421
    assert client.get(path, host=f"localhost:{client.port}").status == 200


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
    assert "SameSite=strict" in cookie
    assert client.token not in cookie
    assert client.ask("/", cookie=cookie.partition(";")[0]).status == 200
    wrong = client.ask("/sign-in", "POST", urlencode({"token": "wrong"}), content_type=kind)
    assert wrong.status == 403
    assert "set-cookie" not in wrong.headers


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
    assert json.loads(client.get("/replay").text) == {"looks": 22, "differ": []}


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
