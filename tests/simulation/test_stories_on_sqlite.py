"""Stories whose journal is a real SQLite file: the production store appends to it and reads it."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from rollout.stories.play import play
from rollout.stories.story import parse_story
from rollout.stories.world import world
from rollout.stories.world.store import SimulatedDisk
from tests.support.sqlite_rows import SqliteRows

DEATHS = [f"canary={kind} kill@0:{n}" for kind in ("perfect", "dead") for n in range(3, 140, 9)]
OTHERS = [
    "replicas=2 canary=late kill@12:5",
    "restore@18:3",
    "restore-live@18:3",
    "torn@18:1",
    "downgrade@18:15",
    "disk-unclear@8:15",
    "disk-full@8:15 abort-race@30",
    "version=old promote@20",
]


@pytest.mark.parametrize("text", [*DEATHS, *OTHERS])
def test_stories_hold_on_a_real_sqlite_file(text, monkeypatch, tmp_path):
    plain = play(parse_story(1, text))
    with ExitStack() as stack:

        def open_disk(now, *, is_old):
            folder = Path(tempfile.mkdtemp(dir=tmp_path))
            database = stack.enter_context(closing(SqliteRows(folder)))
            return SimulatedDisk(now, database=database, is_old=is_old)

        monkeypatch.setattr(world, "SimulatedDisk", open_disk)
        stored = play(parse_story(1, text))
    assert stored.broken == []
    assert (stored.actions, stored.ends) == (plain.actions, plain.ends)
