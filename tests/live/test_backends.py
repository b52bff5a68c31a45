"""Prometheus as it is deployed: behind credentials, a tenant's proxy, or another server's API."""

from __future__ import annotations

import subprocess

import pytest

from analysis.counting.counts import Counts
from rollout.doctor.series import answers
from rollout.observe.access.settings import PrometheusSettings
from rollout.plan.model.prometheus import PrometheusServer
from tests.live.fronts import (
    delay,
    front,
    guard_tenant,
    lack_a_node,
    lack_a_store,
    pass_all,
    refuse_choices,
)
from tests.live.prom import RATE, SHAPE, GuardrailWatch, past
from tests.live.stories import LAST, LENGTH, SCRAPE, START, story, story_of_buckets
from tests.live.victoria import past_in_victoria
from tests.support.asking import ERRORS, LATENCY

pytestmark = pytest.mark.live

PASSWORD = "p4ss-Gamma"
HASHED = "$2b$04$pxzBoI7IWcZHg4uM0UsuPON0XhDDBZF260yBTgxMdBmQV1kQYp.Q2"  # bcrypt
SAMPLES = {RATE: story(), SHAPE: story_of_buckets()}
# As in test_prometheus: what the writers of the past counted after its first look.
SERVED = Counts((LENGTH - 2 + 41, 41), (790 - 510 + 3 + 290, 0))
SORTED = Counts((114, 57, 0), (58, 116, 174), (5.0, 10.0, float("inf")))


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with past(tmp_path_factory.mktemp("past"), SAMPLES) as running:
        yield running


def look(watch, times=None):
    """Look at the past at these times; return the problems."""
    times = times or [3.0, 30.0, 61.0, 100.0, SCRAPE * LENGTH]
    return [problem for at in times if (problem := watch.look(START + at))]


def declare(folder, url, access):
    path = folder / "access.yaml"
    path.write_text(
        "apiVersion: surefoot.dev/v1alpha1\nkind: PrometheusAccess\naccesses:\n"
        f"  - {{name: team, servers: ['{url}'], {access}}}\n"
    )
    return PrometheusSettings(path)


def named(url, guardrail, settings):
    watch = GuardrailWatch(url, guardrail, settings=settings)
    watch.words["access"] = "team"
    return watch


def make_certificate(folder, name):
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"]
    subprocess.run(command, capture_output=True, check=True)


def test_a_prometheus_with_tls_client_certificates_and_users(tmp_path, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("server", "client", "other"):
        make_certificate(tmp_path, name)
    web = tmp_path / "web.yml"
    web.write_text(
        "tls_server_config: {cert_file: server.crt, key_file: server.key, "
        "client_auth_type: RequireAndVerifyClientCert, client_ca_file: client.crt}\n"
        f"basic_auth_users: {{eve: '{HASHED}'}}\n"
    )
    password, ca = tmp_path / "password", tmp_path / "ca.crt"
    password.write_text(f"{PASSWORD}\n")
    certificate = "certificate: {cert: client.crt, key: client.key}"
    basic = "basic: {username: eve, passwordFile: password}"
    with past(tmp_path, SAMPLES, web) as server:
        host = server.removeprefix("https://")

        def problem(access):
            (text,) = look(named(server, ERRORS, declare(tmp_path, server, access)), [3.0])
            assert PASSWORD not in text
            return text.removeprefix(f"Prometheus does not answer at {host}: ")

        assert problem(f"{basic}, {certificate}").startswith("its certificate is not trusted (self")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.crt"))
        assert "if it asks for a client certificate, name one" in problem(basic)
        assert "access denied (HTTP 401)" in problem(certificate)
        monkeypatch.delenv("SSL_CERT_FILE")
        ca.write_bytes((tmp_path / "other.crt").read_bytes())
        settings = declare(tmp_path, server, f"{basic}, {certificate}, ca: ca.crt")
        watch = named(server, ERRORS, settings)
        assert "not trusted" in watch.look(START + 3.0)
        ca.write_bytes((tmp_path / "server.crt").read_bytes())  # the CA is renewed
        assert watch.look(START + 3.0) == ""
        password.write_text("old")
        assert "renew the token or the password" in watch.look(START + 30.0)
        password.write_text(PASSWORD)
        assert look(watch) == []
        assert watch.total == SERVED
        watch.observer.close()


def test_a_tenant_s_proxy_is_passed_with_its_token_header_and_namespace(url, tmp_path):
    token = "token: t0ken-Alpha"
    header = "headers: [{name: X-Scope-OrgID, value: ml}]"
    query = "query: [{name: namespace, value: clinical-ai}]"
    with front(url, guard_tenant("t0ken-Alpha")) as proxy:

        def watch(access, guardrail=ERRORS):
            settings = declare(tmp_path, proxy.url, access)
            return named(f"{proxy.url}?namespace=all", guardrail, settings)

        (unknown,) = look(watch("bearer: {token: wrong}"), [3.0])
        assert 'access denied (HTTP 401): "Unauthorized"; renew the token' in unknown
        (nobody,) = look(watch(f"bearer: {{{token}}}"), [3.0])
        assert '"no org id"' in nobody
        (elsewhere,) = look(watch(f"bearer: {{{token}}}, {header}"), [3.0])
        assert "Forbidden (user=eve" in elsewhere
        both = watch(f"bearer: {{{token}}}, {header}, {query}")
        assert look(both) == []
        assert both.total == SERVED


def test_a_managed_server_is_asked_for_each_name_by_itself(url):
    with front(url, refuse_choices) as managed:
        watch = GuardrailWatch(managed.url, LATENCY)
        assert look(watch) == []
        assert watch.total == SORTED


@pytest.mark.parametrize("change", [lack_a_store, lack_a_node])
def test_a_partial_answer_counts_nothing_and_the_next_whole_one_all(url, change):
    with front(url, pass_all, change) as partial:
        watch = GuardrailWatch(url, ERRORS)
        assert watch.look(START + 3.0) == ""
        watch.words["url"] = partial.url
        assert "incomplete" in watch.look(START + 61.0)
        assert watch.total == Counts()
    watch.words["url"] = url
    assert look(watch, [100.0, LAST]) == []
    assert watch.total == SERVED


def test_samples_that_come_late_are_counted_within_the_lag(url):
    now = [0.0]
    with front(url, pass_all, delay(20.0, lambda: now[0])) as late:
        watch = GuardrailWatch(late.url, {**ERRORS, "lag": "30s"})
        for at in [23.0, *range(24, 140, 2), LAST + 20.0]:
            now[0] = START + at
            assert watch.look(now[0]) == ""
    assert watch.total == SERVED


def test_victoria_metrics_has_the_same_counts(tmp_path):
    with past_in_victoria(tmp_path, SAMPLES) as server:
        for guardrail, counts in ((ERRORS, SERVED), (LATENCY, SORTED)):
            watch = GuardrailWatch(server, guardrail)
            assert look(watch) == []
            assert watch.total == counts
        rows = watch.observer.vector(PrometheusServer(url=server), "vector(1)")
        assert rows == [({}, 1.0)]
        finding = answers(PrometheusServer(url=server), watch.observer.vector, lambda: 0.0)
        assert "its clock" in finding.said
