"""What is sent to a server with an access, and what of its answer is told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rollout.observe import client
from rollout.observe.access.address import check_alike
from rollout.observe.access.credentials import Accesses, AskedServer
from rollout.observe.access.model import Access
from rollout.observe.client import PrometheusSession
from rollout.observe.prometheus import PrometheusObserver
from rollout.reach import Reach
from tests.support.answering import answering, refusal, success
from tests.support.asking import ERRORS, LATENCY, ask
from tests.support.fuzzing import INPUTS, fuzz

SECRETS = {"bearer": "t0ken-Alpha", "header": "k3y-Beta", "password": "p4ss Gamma"}
BEARER = {
    "bearer": {"token": SECRETS["bearer"]},
    "headers": [
        {"name": "X-Scope-OrgID", "value": "ml"},
        {"name": "X-Key", "value": SECRETS["header"]},
    ],
    "query": [{"name": "namespace", "value": "ml"}],
}
BASIC = {"basic": {"username": "eve", "password": SECRETS["password"]}}


@pytest.fixture
def server():
    with answering() as running:
        yield running


def observer(url, timeout=2.0, folder=Path(), **access):
    document = {"name": "a", "servers": [url], **access}
    return PrometheusObserver(timeout, Accesses([Access.model_validate(document)], folder))


def look(server, *guardrails, url="", **access):
    """The problems of one look with an access to a server."""
    reader = observer(server.url, **access)
    asked = ask(guardrails=guardrails or [ERRORS], url=url or server.url, access="a")
    try:
        return reader.observe([asked], 1000.0)["summarizer"].problems
    finally:
        reader.close()


def test_an_access_is_sent_and_the_path_stays_whole(server):
    assert look(server, url=f"{server.url}/?namespace=theirs&dedup=true", **BEARER) == {}
    (sent,) = server.sent
    assert sent.path == "/api/v1/query?namespace=ml&dedup=true"
    assert sent.headers["Authorization"] == f"Bearer {SECRETS['bearer']}"
    assert (sent.headers["X-Scope-OrgID"], sent.headers["X-Key"]) == ("ml", SECRETS["header"])
    assert sent.form["query"].startswith("envoy_cluster_upstream_rq{")


def test_an_access_leads_nowhere_that_the_installation_does_not_allow(server):
    document = {"name": "a", "servers": [server.url], **BEARER}
    permit = Reach(prometheus=["127.0.0.1:1"]).check_prometheus
    reader = PrometheusObserver(2.0, Accesses([Access.model_validate(document)]), permit=permit)
    asked = ask(guardrails=[ERRORS], url=server.url, access="a")
    problems = reader.observe([asked], 1000.0)["summarizer"].problems
    reader.close()
    assert problems["errors"].startswith("Prometheus is not asked: plans may not reach 127.0.0.1")
    assert server.sent == []


def test_parameters_of_a_url_follow_the_path(server):
    asked = ask(guardrails=[ERRORS], url=f"{server.url}/base/?namespace=ml")
    reader = PrometheusObserver(2.0)
    assert reader.observe([asked], 1000.0)["summarizer"].problems == {}
    reader.close()
    assert server.sent[0].path == "/base/api/v1/query?namespace=ml"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_nothing_follows_it(server, code):
    with answering() as other:
        location = f"{other.url}/login?back={SECRETS['bearer']}"
        server.answer = lambda _: (code, {"Location": location}, "")
        problem = look(server, **BEARER)["errors"]
        assert f"it redirects to {other.url}/login (HTTP {code})" in problem
        assert "name the address of Prometheus itself" in problem
        assert SECRETS["bearer"] not in problem
        assert other.sent == []


@pytest.mark.parametrize("access", [BEARER, BASIC])
@pytest.mark.parametrize("code", [200, 302, 400, 401, 403, 405, 418, 422, 429, 500, 503])
def test_a_server_that_repeats_what_was_sent_is_told_without_it(server, code, access):
    def repeat(sent):
        words = f"denied: {dict(sent.headers)} {SECRETS['password']}"
        if code == 200:
            return success(warnings=[words])
        status, headers, body = refusal(code, words)
        return status, {**headers, "Location": f"http://u:{SECRETS['password']}@h/"}, body

    server.answer = repeat
    problem = look(server, **access)["errors"]
    assert "denied" in problem
    assert not [secret for secret in (*SECRETS.values(), "dDBr", "ZXZl") if secret in problem]


def test_refused_credentials_have_a_cure_of_their_own(server):
    server.answer = lambda _: refusal(401, "bad token")
    problem = look(server, **BEARER)["errors"]
    assert problem.endswith(': "bad token"; renew the token or the password of the access')


@pytest.mark.parametrize(
    ("code", "sentence", "reason", "cure"),
    [
        (400, "Client sent an HTTP request to an HTTPS server.", "it speaks TLS", "write https://"),
        (400, "invalid parameter", "it cannot read the query", "is it a Prometheus?"),
        (400, "1:11: parse error: unexpected string", "cannot read", "dots need Prometheus 3"),
        (422, "labelFilterExpr: unexpected token", "cannot read", "dots need Prometheus 3"),
        (422, "too many samples", "cannot carry out the query", "Raise the server's limits"),
        (422, "query timed out in expression evaluation", "took too long", "longer `timeout`"),
        (503, "query timed out in expression evaluation", "took too long", "longer `timeout`"),
        (503, "starting", "it is overloaded or starting", "wait"),
        (407, "", "the proxy before it asks for credentials", "HTTP_PROXY"),
        (413, "", "the query is too long", "larger bodies"),
        (500, "found duplicate series", "it fails", "its own log"),
        (502, "", "does not reach it", "whether Prometheus runs"),
        (504, "", "took too long", "longer `timeout`"),
    ],
)
def test_a_refusal_s_own_sentence_decides_on_the_cure(server, code, sentence, reason, cure):
    server.answer = lambda _: refusal(code, sentence)
    problem = look(server, **BEARER)["errors"]
    assert reason in problem.partition(f" (HTTP {code})")[0]
    assert sentence in problem
    assert cure in problem.rpartition(f" (HTTP {code})")[2]


def test_a_proxy_that_cannot_be_read_is_told_without_its_password(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://eve:pr0xy@127.0.0.1:port")
    reader = PrometheusObserver(1.0)
    asked = ask(guardrails=[ERRORS], url="http://prom.example.org")
    problem = reader.observe([asked], 1000.0)["summarizer"].problems["errors"]
    assert problem.startswith("the address of its proxy cannot be read; mend HTTP_PROXY")
    assert "pr0xy" not in problem


@pytest.mark.parametrize(
    "url",
    ["http://evil\\@127.0.0.1", "http://a:99999999999", "http://a:\u00b2", "http://\u2460.example"],
)
def test_what_two_parsers_read_differently_is_no_address(url, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    reader = PrometheusObserver(1.0)
    asked = ask(guardrails=[ERRORS], url=url)
    problem = reader.observe([asked], 1000.0)["summarizer"].problems["errors"]
    assert problem.startswith("the address of Prometheus cannot be read")


def test_a_host_of_another_script_is_one_address():
    check_alike("http://b\u00fccher.example:9090/x")
    check_alike("https://[fd00::1]:9090")


def test_a_netrc_does_not_replace_an_access(server, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    look(server, **BEARER)
    assert server.sent[0].headers["Authorization"] == f"Bearer {SECRETS['bearer']}"


def test_a_rotated_token_is_used_at_once(server, tmp_path):
    token = tmp_path / "token"
    reader = observer(server.url, folder=tmp_path, bearer={"tokenFile": "token"})
    asked = ask(guardrails=[ERRORS], url=server.url, access="a")
    for text in ("one", "two"):
        token.write_text(text)
        assert reader.observe([asked], 1000.0)["summarizer"].problems == {}
    token.unlink()
    (problem,) = reader.observe([asked], 1000.0)["summarizer"].problems.values()
    reader.close()
    assert [sent.headers["Authorization"] for sent in server.sent] == ["Bearer one", "Bearer two"]
    assert problem.startswith(f"the access a cannot be used: {token}: No such file")


def test_a_slow_server_is_waited_for_as_long_as_its_access_says(server):
    def answer_late(_):
        time.sleep(0.3)
        return success()

    server.answer = answer_late
    assert "nothing within 0.1 s" in look(server, timeout=0.1)["errors"]
    access = {"name": "a", "servers": [server.url], "timeout": "5s"}
    reader = PrometheusObserver(0.1, Accesses([Access.model_validate(access)]))
    asked = ask(guardrails=[ERRORS], url=server.url, access="a")
    assert reader.observe([asked], 1000.0)["summarizer"].problems == {}
    reader.close()
    assert server.sent[-1].form["timeout"] == "5s"


def test_another_server_of_a_guardrail_is_asked_for_it_alone(server):
    with answering() as judges:
        judge = {**LATENCY, "prometheus": {"url": judges.url, "access": None}}
        asked = ask(guardrails=[ERRORS, judge], url=server.url)
        reader = PrometheusObserver(2.0)
        assert reader.observe([asked], 1000.0)["summarizer"].problems == {}
        reader.close()
    ((errors,), (latency,)) = server.sent, judges.sent
    assert "_bucket" not in errors.form["query"]
    assert "_bucket" in latency.form["query"]


def test_a_server_that_reads_no_choice_of_names_is_asked_by_each(server):
    def answer(sent):
        chooses = "__name__=~" in sent.form["query"]
        return refusal(400, "metric name matcher must be equal") if chooses else success()

    server.answer = answer
    reader = PrometheusObserver(2.0)
    asked = ask(guardrails=[LATENCY], url=server.url)
    for _ in range(2):
        assert reader.observe([asked], 1000.0)["summarizer"].problems == {}
    reader.close()
    names = [sent.form["query"].partition("{")[0] for sent in server.sent]
    plain = "envoy_cluster_upstream_rq_time"
    assert names == ["", *2 * (f"{plain}_bucket", plain)]


@pytest.mark.parametrize("base", ["https://127.0.0.1:1", "https://prom.example.org"])
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_of_the_environment_are_trusted_everywhere(monkeypatch, base, name, tmp_path):
    for other in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(other, raising=False)
    assert PrometheusSession(AskedServer(base, "h")).verify is True
    monkeypatch.setenv(name, "/ours.pem")
    assert PrometheusSession(AskedServer(base, "h")).verify == "/ours.pem"
    own = Access.model_validate({"name": "a", "servers": [base], "ca": "ca.pem"})
    assert (
        PrometheusSession(AskedServer(base, "h", (), own, tmp_path)).verify == f"{tmp_path}/ca.pem"
    )


def test_certificates_that_cannot_be_read_are_told(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    reader = PrometheusObserver(1.0)
    asked = ask(guardrails=[ERRORS], url="https://127.0.0.1:1")
    problem = reader.observe([asked], 1000.0)["summarizer"].problems["errors"]
    assert problem.startswith("the certificates of REQUESTS_CA_BUNDLE cannot be used: /nowhere.pem")


def test_an_error_that_comes_as_a_success_is_one(server):
    """What a proxy makes of a refusal: its samples are not counted."""
    server.answer = lambda _: success([], status="error", error="too many samples")
    assert look(server) == {
        "errors": 'Prometheus tells of an error with HTTP 200: "too many samples"'
    }


def test_what_a_server_says_at_length_is_read_as_far_as_it_is_told(server):
    """The patterns that hide secrets would walk through thirty megabytes for many seconds."""
    token = SECRETS["bearer"]
    sentences = [f"{'x' * 90} {token}"] * 20_000 + ["http://a:"] * 20_000

    def check(_mutator):
        server.answer = lambda _: success([], warnings=sentences)
        (problem,) = look(server, **BEARER).values()
        assert "incomplete" in problem
        assert token[:4] not in problem
        assert len(problem) < 400

    fuzz("long-words", 1 / INPUTS, check)


def test_a_word_that_is_cut_off_is_left_out(server):
    """It may be the beginning of a secret in a URL, which only its end would tell."""
    text = f"{'x ' * 2}{' ' * 4_070}http://eve:s3cret-of-eve@host/"
    server.answer = lambda _: refusal(503, text)
    assert "s3cr" not in look(server)["errors"]


def test_more_values_than_a_look_needs_are_not_parsed(server, monkeypatch):
    monkeypatch.setattr(client, "_MOST_VALUES", 50)
    server.answer = lambda _: success([[]] * 60)
    assert "unreadable" in look(server)["errors"]
