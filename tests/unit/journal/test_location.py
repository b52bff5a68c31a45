"""Where the journal lies when the user does not say."""

import sys
from pathlib import Path

import pytest

from rollout.errors import InputError
from rollout.journal.location import default_path, from_words, shown
from rollout.journal.sql.store import open_journal


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("/var/state", "/var/state/surefoot/journal.db"),
        ("", "/home/u/.local/state/surefoot/journal.db"),
        ("not/absolute", "/home/u/.local/state/surefoot/journal.db"),
    ],
)
def test_the_users_state_folder(monkeypatch, state, expected):
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setenv("XDG_STATE_HOME", state)
    assert default_path() == Path(expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a/journal.db", Path("a/journal.db")),
        ("postgresql://eve@db/j", "postgresql://eve@db/j"),
        ("sqlite:///a/journal.db", "sqlite:///a/journal.db"),
    ],
)
def test_what_a_user_gives_is_a_path_or_a_url(words, expected):
    assert from_words(words) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Path("/a:b@c"), "/a:b@c"),
        ("postgresql://eve:s3/cr:et@db:5432/j", "postgresql://eve:***@db:5432/j"),
        (
            "postgresql://db/j?user=eve&password=s3cret&x=1",
            "postgresql://db/j?user=eve&password=***&x=1",
        ),
        ("postgresql://eve@db/j", "postgresql://eve@db/j"),
        ("postgresql://db:5432/j", "postgresql://db:5432/j"),
    ],
)
def test_no_password_is_shown(where, expected):
    assert shown(where) == expected


def test_what_is_missing_for_a_url_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"pip install 'surefoot\[postgres\]'"):
        open_journal("postgresql://eve@db/j")
    with pytest.raises(InputError, match=r"eve:\*\*\*@db:port/j is not a database URL"):
        open_journal("postgresql://eve:s3cret@db:port/j")
