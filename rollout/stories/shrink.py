"""Finds the shortest story that still breaks the same promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

from rollout.stories.play import play
from rollout.stories.setting import Setting
from rollout.stories.story import SeededStory

_MOST = 400  # stories that are tried


def shrink(story: SeededStory, invariant: str) -> SeededStory:
    """Return a story from which nothing more can be left out: events, then odd settings.

    It is minimal, not the smallest of all: each single simplification of it is kept by the promise.
    """
    tried = 0
    is_shorter = True
    while is_shorter and tried < _MOST:
        is_shorter = False
        for simpler in _simplify(story):
            tried += 1
            if any(broken.invariant == invariant for broken in play(simpler).broken):
                story, is_shorter = simpler, True
                break
    return story


def _simplify(story: SeededStory) -> Iterator[SeededStory]:
    """Yield stories that are one step simpler: halves first, so that long ones shrink quickly."""
    events = story.events
    for size in (len(events) // 2, 1):
        if size:
            for start in range(0, len(events), size):
                yield replace(story, events=events[:start] + events[start + size :])
    plain = Setting()
    for field in fields(Setting):
        value = getattr(plain, field.name)
        if getattr(story.setting, field.name) != value:
            yield replace(story, setting=replace(story.setting, **{field.name: value}))
    for index, event in enumerate(events):
        if event.at != round(event.at):
            rounded = replace(event, at=float(round(event.at)))
            yield replace(
                story, events=tuple(sorted((*events[:index], rounded, *events[index + 1 :])))
            )
