"""A story: a seed, a setting and events at their times, as a line of text that repeats it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from rollout.errors import InputError
from rollout.stories.setting import Setting

_EVENT = re.compile(r"([a-z0-9-]+)@(\d+(?:\.\d+)?)(?::(-?\d+(?:\.\d+)?))?")


@dataclass(frozen=True, order=True)
class StoryEvent:
    """Something that happens `at` seconds after the beginning; `value`: how long, how much."""

    at: float
    name: str
    value: float = 0.0

    def __str__(self) -> str:
        value = f":{self.value:g}" if self.value else ""
        return f"{self.name}@{self.at:g}{value}"


@dataclass(frozen=True)
class SeededStory:
    """Everything that a run depends on: the same story always ends the same way."""

    seed: int
    setting: Setting = field(default_factory=Setting)
    events: tuple[StoryEvent, ...] = ()

    def __str__(self) -> str:
        return " ".join([*self.setting.differences(), *map(str, self.events)])

    @property
    def command(self) -> str:
        """The command line that plays it again."""
        return f"surefoot simulate --seed {self.seed} --story '{self}'"


def parse_story(seed: int, text: str) -> SeededStory:
    """Read a story from its line: `canary=dead kill@12 prometheus-down@15:30`.

    Raises InputError for a word that is neither a setting nor an event.
    """
    events, settings = [], {}
    for word in text.split():
        if match := _EVENT.fullmatch(word):
            events.append(StoryEvent(float(match[2]), match[1], float(match[3] or 0)))
        elif "=" in word:
            name, _, value = word.partition("=")
            settings[name] = value
        else:
            raise InputError(f"`{word}` is neither NAME=VALUE nor EVENT@SECONDS[:VALUE]")
    check_names(events)
    return SeededStory(seed, Setting.parse(settings), tuple(sorted(events)))


def check_names(events: Iterable[StoryEvent]) -> None:
    """Raise InputError for an event that no generator has."""
    from rollout.stories.faults import FAULTS

    for event in events:
        if event.name not in FAULTS:
            raise InputError(f"there is no event {event.name}: one of {', '.join(sorted(FAULTS))}")
