"""No password of a URL is left in a text, whatever it is made of and whatever stands around it."""

from __future__ import annotations

import string
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.errors import ObserveError, RouteError, SurefootError
from rollout.redact import has_secret, redact, redact_values

# No "12/…", which nobody can tell from a port and a path.
PASSWORDS = st.text(string.ascii_letters + "-._~!$&'()*+,;=%:@", min_size=1).map("Zq9{}Zq9".format)
USERS = st.text(string.ascii_letters + "-_.@", min_size=1)
AROUND = st.sampled_from(["", "x ", "(", '"', "Envoy at ", "at http://127.0.0.1:9901 and "])


@given(PASSWORDS, USERS, AROUND, st.sampled_from(["http", "https", "postgresql", "HTTPS"]))
def test_a_password_is_hidden_and_the_address_stays(password, user, before, scheme):
    url = f"{scheme}://{user}:{password}@prometheus.example:9090/a"
    text = redact(f"{before}{url} does not answer")
    assert "Zq9" not in text
    assert text == f"{before}{scheme}://{user}:***@prometheus.example:9090/a does not answer"
    assert redact(text) == text
    assert has_secret({"a": [url]})
    assert not has_secret({"a": [text]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://token@host/x", "https://***@host/x"),
        ("https://token:@host", "https://***@host"),
        ("https://eve:pa/ss?w#d@host/x", "https://eve:***@host/x"),
        ("https://eve:a b@host", "https://eve:***@host"),
        ("a://eve:1@b http://ada:2@c", "a://eve:***@b http://ada:***@c"),
        ("http://a:1@b,http://c:2@d", "http://a:***@b,http://c:***@d"),
        ("http://host/x?token=abc&y=1", "http://host/x?token=***&y=1"),
        ("http://host/x?y=1&access_token=abc", "http://host/x?y=1&access_token=***"),
        ("https://host/x?X-Amz-Signature=a1&n=2", "https://host/x?X-Amz-Signature=***&n=2"),
        ("https://host/x?sv=1&sig=a%2Bb", "https://host/x?sv=1&sig=***"),
        ("https://host/x?client_secret=a;b=1", "https://host/x?client_secret=***;b=1"),
        ("https://host/#id_token=a.b.c", "https://host/#id_token=***"),
        ("https://host/x?key=abc&api-key=d", "https://host/x?key=***&api-key=***"),
        (
            "https://host/x?author=me&keys=2&namespace=n",
            "https://host/x?author=me&keys=2&namespace=n",
        ),
    ],
)
def test_every_way_to_write_one_is_known(text, expected):
    assert redact(text) == expected
    assert redact(redact(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada@example.org asks for abort",
        "http://127.0.0.1:9090/graph?g0.expr=a%40b",
        "http://[::1]:9090/a@b",
        "https://registry.example/model@sha256:0a1b",
        "http://host:9090/model@sha256:0a1b",
        "see http://host:9090: ask ada@example.org",
        "postgresql://eve@db/journal",
    ],
)
def test_what_holds_no_password_stays_as_it_is(text):
    assert redact(text) == text


def test_texts_are_found_at_any_depth():
    @dataclass(frozen=True)
    class Texts:
        left: tuple[object, ...]
        right: str = "http://a:b@c"

    texts = redact_values(Texts((1, None, {"k": ["http://a:b@c", 2.5]})))
    assert texts == Texts((1, None, {"k": ["http://a:***@c", 2.5]}), "http://a:***@c")


def test_an_error_holds_no_password_since_it_is_recorded():
    for kind in (ObserveError, RouteError):
        assert str(kind("Envoy at http://a:b@c is silent")) == "Envoy at http://a:***@c is silent"


FORGERY = "ok\x1b]0;title\x07\x1b[2J\u202egnol\u2066\r\nentry 7\u2028\x00\ud800"


def test_what_steers_a_terminal_is_removed_from_errors_and_values():
    assert str(SurefootError(FORGERY)) == "ok]0;title[2Jgnol \nentry 7 "
    assert redact_values({"said": [FORGERY]}) == {"said": ["ok]0;title[2Jgnol entry 7 "]}


def test_a_control_character_is_no_secret():
    assert not has_secret({"said": FORGERY})
