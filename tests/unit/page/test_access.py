"""Who may see the page, and under which names."""

from __future__ import annotations

import stat

import pytest

from rollout.errors import InputError
from rollout.page.access import PageAccess, is_loopback, names_of, open_token
from rollout.page.serve import PageListener
from tests.support.certificates import make_certificate


def test_a_token_is_made_once_and_is_its_owner_s(tmp_path):
    file = tmp_path / "state" / "page.token"
    token = open_token(file)
    assert len(token) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert open_token(file) == token


def test_a_token_that_others_may_read_is_refused(tmp_path):
    file = tmp_path / "page.token"
    open_token(file)
    file.chmod(0o644)
    with pytest.raises(InputError, match=r"page\.token"):
        open_token(file)


@pytest.mark.parametrize("content", ["", "short", "sixteen letters\nand more", "ключ" * 8])
def test_what_is_no_token_is_refused(tmp_path, content):
    file = tmp_path / "page.token"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(InputError, match="plain characters"):
        open_token(file)


def test_a_token_is_never_made_through_a_link(tmp_path):
    victim, link = tmp_path / "victim", tmp_path / "page.token"
    link.symlink_to(victim)
    with pytest.raises((InputError, OSError)):
        open_token(link)
    assert not victim.exists()


def test_two_servers_of_a_host_have_two_cookies():
    """Unless they have one token, whose cookie is right for both."""
    names = names_of("127.0.0.1")
    first, second = (PageAccess(letter * 16, names) for letter in "ab")
    assert first.cookie_name != second.cookie_name
    again = PageAccess("a" * 16, names)
    assert (again.cookie_name, again.cookie) == (first.cookie_name, first.cookie)


def test_the_cookie_tells_no_token():
    access = PageAccess("the-token-of-a-page", frozenset({"x"}))
    assert access.token not in access.cookie
    assert access.may_see(None, access.cookie)
    assert not access.may_see(None, access.token)
    assert not access.may_see(None, None)
    assert access.may_see("bearer the-token-of-a-page", None)
    assert not access.may_see("Basic the-token-of-a-page", None)


def test_loopback_is_known_by_its_three_names_alone():
    names = names_of("127.0.0.1")
    assert names == {"127.0.0.1", "localhost", "[::1]"}
    assert "pages.example" in names_of("0.0.0.0", ("Pages.example",))
    assert not names_of("0.0.0.0", ("Pages.example",)) & names


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST:9000", "[::1]:1", "127.0.0.1:65535")),
        *((host, False) for host in ("", "localhost.attacker.example", "attacker.example:9000")),
        *((host, False) for host in ("localhost:9000:1", "localhost:", "localhost:x")),
        *((host, False) for host in ("[::1]attacker", "::1", "127.0.0.1.", "localhost:9000\n")),
        (None, False),
    ],
)
def test_a_name_of_ours_is_known_at_any_port_and_nothing_else_is(host, expected):
    access = PageAccess("t" * 16, names_of("127.0.0.1"))
    assert access.is_known_host(host) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x", False)],
)
def test_what_is_loopback(address, expected):
    assert is_loopback(address) is expected


def test_the_address_that_is_told_is_one_that_is_answered():
    elsewhere = PageListener("0.0.0.0", 9000, ("page.example.org", "other.example.org"))
    assert elsewhere.url == "http://page.example.org:9000/"
    assert PageListener("0.0.0.0", 9000).url == "http://0.0.0.0:9000/"
    assert PageListener("::1", 9000, ("page.example.org",)).url == "http://[::1]:9000/"


def test_another_address_needs_a_certificate_and_a_token_file(tmp_path):
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "odd.key").write_text("no key")
    with pytest.raises(InputError, match="cannot be used for TLS"):
        PageListener("127.0.0.1", 8377, (), certificate, tmp_path / "odd.key").check(
            has_token_file=True
        )
    with pytest.raises(InputError, match="cannot be used for TLS"):
        PageListener("127.0.0.1", 8377, (), certificate, tmp_path / "none").check(
            has_token_file=True
        )
    with pytest.raises(InputError, match="--certificate"):
        PageListener("0.0.0.0", 8377).check(has_token_file=True)
    with pytest.raises(InputError, match="--token-file"):
        PageListener("0.0.0.0", 8377, (), certificate, key).check(has_token_file=False)
    with pytest.raises(InputError, match="together"):
        PageListener("127.0.0.1", 8377, (), certificate).check(has_token_file=True)
    with pytest.raises(InputError, match="give it the --name that browsers ask for"):
        PageListener("0.0.0.0", 8377, (), certificate, key).check(has_token_file=True)
    PageListener("0.0.0.0", 8377, ("a.example",), certificate, key).check(has_token_file=True)
    PageListener("10.0.0.5", 8377, (), certificate, key).check(has_token_file=True)
    PageListener("127.0.0.1", 8377).check(has_token_file=False)
