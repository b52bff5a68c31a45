"""A controller killed around an append: what was acknowledged is there, nothing is half there."""

import signal
import time

import pytest

from tests.support.crashing import BATCH, check, start


@pytest.mark.parametrize(
    ("point", "expected"), [("inserted", BATCH), ("committing", BATCH), ("committed", 2 * BATCH)]
)
def test_killed_at_a_chosen_point(tmp_path, point, expected):
    process = start(tmp_path / "j.db", point)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert printed == f"{BATCH}\n"
    check(tmp_path / "j.db", expected, BATCH)


@pytest.mark.parametrize("pause", [0.0, 0.003, 0.011, 0.029])
def test_killed_at_any_moment(tmp_path, pause):
    process = start(tmp_path / "j.db", "never")
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(pause)
    process.kill()
    rest = process.communicate(timeout=60)[0]
    acknowledged = (first + rest).splitlines()
    check(tmp_path / "j.db", None, int(acknowledged[-1]))
