"""Certificates are read before a connection is opened: a broken file is told by its path."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rollout.errors import ObserveError
from rollout.observe.access.certificates import BUNDLES, check_certificates
from rollout.observe.access.credentials import AskedServer
from rollout.observe.access.model import Access

BASE = "https://prom.example.org"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two certificates with their keys, one of the keys also with a passphrase."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("own", "other"):
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
        words += ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
        subprocess.run(words, cwd=folder, capture_output=True, check=True)
    locked = ["openssl", "rsa", "-aes256", "-passout", "pass:x", "-in", "own.key"]
    subprocess.run([*locked, "-out", "locked.key"], cwd=folder, capture_output=True, check=True)
    (folder / "text").write_text("no certificate")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture(autouse=True)
def no_bundles(monkeypatch):
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)


def check(folder: Path, base: str = BASE, **access: Any) -> None:
    document = {"name": "a", "servers": [base], **access}
    own = Access.model_validate(document) if access else None
    check_certificates(AskedServer(base, "h", (), own, folder))


def pair(certificate: str, key: str) -> dict[str, Any]:
    return {"certificate": {"cert": certificate, "key": key}}


def test_what_can_be_used_passes(folder, monkeypatch):
    check(folder)
    check(folder, ca="other.crt", **pair("own.crt", "own.key"))
    check(folder, base="http://prom.example.org", ca="text")  # nothing is checked with it
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "own.crt"))
    check(folder)


@pytest.mark.parametrize(
    ("access", "problem"),
    [
        ({"ca": "nowhere"}, "nowhere: No such file"),
        ({"ca": "text"}, "text: no certificate in PEM form"),
        ({"ca": "own.key"}, "own.key: no certificate in PEM form"),
        ({"ca": "pipe"}, "pipe: no regular file"),
        ({"ca": "empty"}, "empty: a folder without certificates by their hash"),
        (pair("own.crt", "other.key"), "other.key: the key of another certificate"),
        (pair("own.crt", "locked.key"), "locked.key: a key with a passphrase"),
        (pair("own.crt", "text"), "text: no key in PEM form"),
        (pair("own.key", "own.crt"), "own.key: no certificate in PEM form"),
        (pair("own.crt", "nowhere"), "nowhere: No such file"),
    ],
)
def test_a_file_of_an_access_that_cannot_be_used_is_told_by_its_path(folder, access, problem):
    with pytest.raises(ObserveError, match="the access a cannot be used") as refused:
        check(folder, **access)
    assert f"/{problem}" in str(refused.value)
    assert refused.value.cure


@pytest.mark.parametrize("name", BUNDLES)
def test_so_is_the_variable_that_names_others(folder, monkeypatch, name):
    monkeypatch.setenv(name, str(folder / "text"))
    with pytest.raises(ObserveError, match=f"the certificates of {name} cannot be used") as refused:
        check(folder)
    assert refused.value.cure.startswith(f"mend {name}")
    check(folder, ca="own.crt")  # which comes first
