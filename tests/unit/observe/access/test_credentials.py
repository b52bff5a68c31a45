"""A credential goes to the servers of its access, and nowhere else, whatever a plan says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import Request

from rollout.errors import ObserveError
from rollout.observe.access.credentials import Accesses, hide
from rollout.observe.access.model import Access
from rollout.plan.model.prometheus import PrometheusServer
from tests.support.examples import draw_up_to

SERVER = "https://prom.example.org:8443/prometheus"


def accesses(folder=Path(), **more):
    document = {"name": "a", "servers": [SERVER], "bearer": {"token": "t0ken"}} | more
    return Accesses([Access.model_validate(document)], folder)


def resolve(url, name="a", **more):
    return accesses(**more).resolve(PrometheusServer.model_construct(url=url, access=name))


@pytest.mark.parametrize(
    "url",
    [
        SERVER,
        f"{SERVER}/",
        "HTTPS://PROM.Example.org:8443/prometheus",
        "https://prom.example.org.:8443/prometheus",
        "https://prom.example.org:08443/prometheus",
        f"{SERVER}?namespace=ml",
    ],
)
def test_an_address_of_the_access_is_asked_as_the_access_spells_it(url):
    target = resolve(url)
    assert target.base == SERVER
    assert target.read_headers() == {"Authorization": "Bearer t0ken"}


@pytest.mark.parametrize(
    "url",
    [
        "https://prom.example.org/prometheus",  # another port
        "http://prom.example.org:8443/prometheus",  # no TLS
        "https://prom.example.org:8443",
        "https://prom.example.org:8443/prometheus/../evil",
        "https://prom.example.org:8443/prometheus/%2e%2e/evil",
        "https://prom.example.org:8443/Prometheus",
        "https://evil.org:8443/prometheus",
        "https://prom.example.org@evil.org:8443/prometheus",
        "https://prom.example.org:8443@evil.org/prometheus",
        "https://evil.org#@prom.example.org:8443/prometheus",
        "https://evil.org\\@prom.example.org:8443/prometheus",
        "https://prom.example.org:8443\\.evil.org/prometheus",
        "https://prom.example.org.evil.org:8443/prometheus",
        "https://prom.example.org..:8443/prometheus",
        "https://prom.example.org\t:8443/prometheus",
        "https://prom.example.org:8443/prometheus#x",
        "https://ｐrom.example.org:8443/prometheus",  # noqa: RUF001 - IDNA makes it the same host
        "https://prom。example.org:8443/prometheus",
        "https://prom%2eexample.org:8443/prometheus",
        "https://user@prom.example.org:8443/prometheus",
    ],
)
def test_any_other_address_is_refused_with_the_cure(url):
    with pytest.raises(ObserveError, match="the access a is not for") as refused:
        resolve(url)
    assert "name one of its servers" in refused.value.cure
    assert "t0ken" not in refused.value.advice


def test_what_is_refused_is_told_with_its_scheme_and_path_but_no_user():
    with pytest.raises(ObserveError, match=r"is not for http://prom.example.org:8443/x$"):
        resolve("http://prom.example.org:8443/x?namespace=ml")
    with pytest.raises(ObserveError, match=r"is not for prom.example.org:8443$"):
        resolve("https://eve:s3cret@prom.example.org:8443/x")


@draw_up_to(60)
@given(st.text("htps:/@#?.\\prom.example.org:8443%2e\t\u3002evil[]", max_size=60))
def test_no_text_leads_a_request_elsewhere(url):
    try:
        target = resolve(url)
    except ObserveError:
        return
    sent = Request("POST", f"{target.base}/api/v1/query", params=target.parameters).prepare()
    assert str(sent.url).startswith(f"{SERVER}/api/v1/query")


def test_a_plan_s_parameters_do_not_change_the_access_s():
    fixed = {"query": [{"name": "namespace", "value": "mine"}]}
    target = resolve(f"{SERVER}?namespace=theirs&namespace=&dedup=true", **fixed)
    assert target.parameters == (("namespace", "mine"), ("dedup", "true"))


def test_without_an_access_nothing_is_sent_along():
    target = resolve("http://prom:9090/x/?namespace=ml&a=%20b", None)
    assert (target.base, target.host) == ("http://prom:9090/x", "prom:9090")
    assert target.parameters == (("namespace", "ml"), ("a", " b"))
    assert target.read_headers() == {}


def test_an_access_that_is_not_there_is_told():
    with pytest.raises(ObserveError, match="there is no access b") as refused:
        resolve(SERVER, "b")
    assert "--access" in refused.value.cure


def test_a_secret_in_a_file_is_read_again(tmp_path):
    token = tmp_path / "token"
    target = resolve(SERVER, folder=tmp_path, bearer={"tokenFile": "token"})
    for text in ("one", "two"):
        token.write_text(f"{text}\n")
        assert target.read_headers() == {"Authorization": f"Bearer {text}"}
    token.unlink()
    with pytest.raises(ObserveError, match="token: No such file"):
        target.read_headers()


@pytest.mark.parametrize(
    "content", [b"s3cret\r\nX-Evil: 1", b"", b"s3cret\0", "s3cret\u20ac".encode(), b"s3cret\xff"]
)
def test_a_secret_that_cannot_be_sent_is_told_without_it(tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    target = resolve(SERVER, folder=tmp_path, bearer={"tokenFile": "token"})
    with pytest.raises(ObserveError, match="its token cannot be sent") as refused:
        target.read_headers()
    assert "s3cret" not in refused.value.advice


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large"])
def test_only_a_regular_file_holds_a_secret(tmp_path, kind):
    """A pipe would be waited for while every rollout waits, and a device has no end."""
    token = tmp_path / "token"
    if kind == "pipe":
        os.mkfifo(token)
    elif kind == "device":
        token.symlink_to("/dev/zero")
    elif kind == "folder":
        token.mkdir()
    else:
        token.write_text("x" * 70_000)
    target = resolve(SERVER, folder=tmp_path, bearer={"tokenFile": "token"})
    with pytest.raises(ObserveError, match=f"the access a cannot be used: {token}: "):
        target.read_headers()


def test_a_token_that_was_copied_with_its_scheme_is_told():
    target = resolve(SERVER, bearer={"token": "Bearer s3cret"})
    with pytest.raises(ObserveError, match="its token cannot be sent") as refused:
        target.read_headers()
    assert "leave out the word `Bearer`" in refused.value.cure
    assert "s3cret" not in refused.value.advice


def test_a_renewed_certificate_is_noticed(tmp_path):
    ca = tmp_path / "ca.crt"
    target = resolve(SERVER, folder=tmp_path, ca="ca.crt")
    with pytest.raises(ObserveError, match=r"ca.crt: No such file"):
        target.stamp_files()
    ca.write_text("one")
    before = target.stamp_files()
    assert target.stamp_files() == before
    ca.unlink()
    ca.write_text("another")
    assert target.stamp_files() != before


@pytest.mark.parametrize("secret", ["s3cret", "a.b*c+(", "two words", "x", 'q"uo\\te'])
def test_what_was_sent_is_in_no_text_that_is_told(secret):
    basic = {"basic": {"username": "eve", "password": secret}, "bearer": None}
    headers = resolve(SERVER, **basic).read_headers() | {"X-Key": f"key-{secret}"}
    sent = [secret, secret.upper(), *headers.values(), headers["Authorization"].split()[1]]
    text = hide(f"denied: {'; '.join(sent)}", headers)
    assert set(text.removeprefix("denied: ").split("; ")) <= {"***", "key-***", "Basic ***"}
