"""Passwords of `~/.netrc` go to the very host that it names."""

from __future__ import annotations

import pytest

from rollout.observe.access.netrc_file import find_login

FILE = """
machine good login me password secret
machine ::1 login me password secret
default login anybody password other
"""


@pytest.fixture(autouse=True)
def _netrc(monkeypatch, tmp_path):
    file = tmp_path / "netrc"
    file.write_text(FILE)
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))


@pytest.mark.parametrize("url", ["http://good", "http://good:9090/x", "https://[::1]:9090"])
def test_a_host_that_is_named_gets_its_password(url):
    assert find_login(url) == ("me", "secret")


@pytest.mark.parametrize(
    "url",
    [
        "http://other",
        "http://good.example",
        "http://default",
        "http://evil\\@good",
        "http://evil/@good",
        "http://evil#@good",
        "http://evil?@good",
    ],
)
def test_no_other_one_gets_any(url):
    assert find_login(url) is None


@pytest.mark.parametrize("text", ["machine", "\udcff", "machine good login"])
def test_a_file_that_cannot_be_read_has_none(text, monkeypatch, tmp_path):
    file = tmp_path / "odd"
    file.write_bytes(text.encode(errors="surrogateescape"))
    monkeypatch.setenv("NETRC", str(file))
    assert find_login("http://good") is None
    monkeypatch.setenv("NETRC", "/dev/zero")
    assert find_login("http://good") is None
