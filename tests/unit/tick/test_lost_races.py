"""Others that append first are said, and the next tick looks again."""

import pytest

from rollout.errors import JournalMovedError
from tests.support.worlds import Lab


def test_a_look_that_loses_every_race_is_said_and_taken_again(monkeypatch):
    lab = Lab()
    sync = lab.controller._sync
    lab.controller.fleet.unlearned.clear()
    # Only the look's own append loses: hooks append nothing, and say so to `append`.
    monkeypatch.setattr(sync, "try_append", lambda *_: False)
    monkeypatch.setattr(sync, "append", lambda _: None)
    with pytest.raises(JournalMovedError, match="nothing was decided"):
        lab.controller.tick()
    monkeypatch.undo()
    lab.controller.tick()  # no interval later: the look is still due
    assert lab.decisions
