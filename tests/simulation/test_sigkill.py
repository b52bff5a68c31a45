"""A real process, killed with SIGKILL around record, route and confirm, on SQLite and a file."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from rollout.journal.open import open_for_reading

ROOT = Path(__file__).parents[2]


KILLS = [*product(("record", "route", "confirm"), ("before", "after"), (1, 2))]


def _run(cases: list[tuple[str, str, int, str]]) -> list[int]:
    command = [sys.executable, "-m", "tests.simulation.mortal"]
    given = json.dumps(cases)
    done = subprocess.run(
        command, cwd=ROOT, input=given, capture_output=True, text=True, check=True
    )
    codes: list[int] = json.loads(done.stdout)
    assert set(codes) <= {0, -9}, done.stderr
    return codes


def _remains(folder: Path) -> tuple[list[str], str]:
    entries = open_for_reading(folder / "journal.db").read()
    return [entry.hash for entry in entries], (folder / "mesh.json").read_text()


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unharmed")
    assert _run([(str(folder), "none", 0, "before")]) == [0]
    return _remains(folder)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Of every kill: the folder, how the process ended, and how the one ended that went on."""
    folders = {kill: tmp_path_factory.mktemp("killed") for kill in KILLS}
    cases: list[tuple[str, str, int, str]] = []
    for (effect, when, nth), folder in folders.items():
        cases += [(str(folder), effect, nth, when), (str(folder), "none", 0, "before")]
    codes = _run(cases)
    return dict(
        zip(KILLS, zip(folders.values(), codes[::2], codes[1::2], strict=True), strict=True)
    )


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: "-".join(map(str, kill)))
def test_after_a_kill_and_a_restart_all_is_as_if_nothing_had_happened(unharmed, killed, kill):
    folder, first, second = killed[kill]
    assert (first, second) == (-9, 0)
    assert _remains(folder) == unharmed
