"""Where the journal lies when the user does not say."""

from pathlib import Path

import pytest

from rollout.journal.place import default_path


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
