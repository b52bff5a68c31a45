"""What other rollouts are on hangs, several servers at once; only where there are such rollouts."""

from __future__ import annotations

from functools import partial

from rollout.stories.faults.registry import event
from rollout.stories.world.hanging import HANGS
from rollout.stories.world.world import StoryWorld

_LASTS = (40.0, 70.0)  # seconds: the first tick that waits, and turns
_KINDS = {"servers": "Prometheus servers", "meshes": "Envoys"}


def _hang(world: StoryWorld, value: float, what: str) -> None:
    world.hanging.begin(what, value)


for _what in HANGS:
    _kind, _, _drips = _what.partition("-")
    _answer = "a byte now and then" if _drips else "no answer"
    event(
        f"near-{_what}" if _drips else f"near-{_what}-hang",
        f"11 {_KINDS[_kind]} of four other rollouts: {_answer}",
        _LASTS,
        delays=False,
        needs=("neighbours", "4"),
    )(partial(_hang, what=_what))
