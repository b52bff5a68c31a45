"""A real process, killed with SIGKILL around record, route and confirm, on SQLite and a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rollout.journal.open import open_for_reading

ROOT = Path(__file__).parents[2]


def _run(folder: Path, effect: str = "none", nth: int = 0, when: str = "before") -> int:
    command = [sys.executable, "-m", "tests.simulation.mortal", str(folder), effect, str(nth), when]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, -9}, done.stderr
    return done.returncode


def _remains(folder: Path) -> tuple[list[str], str]:
    entries = open_for_reading(folder / "journal.db").read()
    return [entry.hash for entry in entries], (folder / "mesh.json").read_text()


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unharmed")
    assert _run(folder) == 0
    return _remains(folder)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("effect", ["record", "route", "confirm"])
def test_after_a_kill_and_a_restart_all_is_as_if_nothing_had_happened(
    tmp_path, unharmed, effect, when, nth
):
    assert _run(tmp_path, effect, nth, when) == -9
    assert _run(tmp_path) == 0
    assert _remains(tmp_path) == unharmed
