"""Draws stories: at random from a seed, and the short ones without leaving any out.

Everything that is drawn has a throw of its own, by the seed and its name. So a new event or setting
changes only the stories that hold it, and what is said of the others' seeds stays true.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import blake2b
from itertools import product
from math import log

from rollout.stories.faults import FAULTS, Fault
from rollout.stories.setting import Setting
from rollout.stories.story import SeededStory, StoryEvent

_MOST = 6  # events of a random story
_WITHIN = 50.0  # seconds in which they happen
_LINKED = 0.4  # share of events that come with the one before them, or soon after it is over
_SOON = 10.0  # seconds
_HARM_WITHIN = 60.0  # seconds after they begin to
_FURTHER = 4  # events of a story in which others' servers hang, at most
_CLEAN = 0.1  # share of stories without any event, which say how often a verdict is wrong
_AT_MARGIN = 0.3  # share of these whose canary is at the margin
_PROMPT = 0.15  # share of stories in which nothing may delay a rollback, so that it has to be fast
_BESIDE = 0.02  # share of stories beside four other rollouts whose servers hang
_HARMED = 0.5  # share of these whose canary fails from soon after that on
_BITS = 64


def draw_story(seed: int) -> SeededStory:
    """Return the random story of a seed."""
    setting = Setting.draw(partial(_throw, seed))
    if _throw(seed, "neighbours") < _BESIDE:
        return _draw_beside(seed, setting)
    kind = _throw(seed, "kind")
    if kind < _CLEAN:
        canary = "edge" if _throw(seed, "edge") < _AT_MARGIN else "same"
        return SeededStory(seed, Setting(canary, setting.mesh, clients=setting.clients), ())
    is_prompt = kind < _CLEAN + _PROMPT
    fitting = [fault for fault in FAULTS.values() if fault.fits(setting)]
    faults = [fault for fault in fitting if not (is_prompt and fault.delays)]
    events: list[StoryEvent] = []
    for number in range(1 + int(_throw(seed, "count") * _MOST)):
        fault = min(faults, key=partial(_draw_rank, seed, number))
        events.append(_draw_event(seed, number, fault, events[-1] if events else None))
    return SeededStory(seed, setting, tuple(sorted(events)))


def _draw_beside(seed: int, setting: Setting) -> SeededStory:
    """Return a story in which others' servers hang, and nothing else may delay a rollback."""
    canary = "dead" if _throw(seed, "dead") < 0.3 else "perfect"
    setting = Setting(
        canary, setting.mesh, drift=setting.drift, bake="30s", neighbours="4", routes=setting.routes
    )
    fitting = [fault for fault in FAULTS.values() if fault.fits(setting) and not fault.delays]
    hangs = [fault for fault in fitting if fault.needs]
    fault = min(hangs, key=partial(_draw_rank, seed, 0))
    begun = round(_throw(seed, "begun") * 2 * _SOON, 1)
    events = [StoryEvent(begun, fault.name, _pick(fault.values, _throw(seed, "lasts")))]
    if _throw(seed, "harmed") < _HARMED:
        at = round(events[0].at + _HARM_WITHIN * _throw(seed, "harm"), 1)
        events.append(StoryEvent(at, "canary-sick", 1.0))
    for number in range(1, int(_throw(seed, "count") * _FURTHER)):
        fault = min(fitting, key=partial(_draw_rank, seed, number))
        events.append(_draw_event(seed, number, fault, events[-1]))
    return SeededStory(seed, setting, tuple(sorted(events)))


def _throw(seed: int, *words: object) -> float:
    """Return a number from 0 up to 1 that only a seed and words decide."""
    text = " ".join(map(str, (seed, *words)))
    digest = blake2b(text.encode(), digest_size=_BITS // 8).digest()
    return int.from_bytes(digest) / float(2**_BITS)


def _draw_rank(seed: int, number: int, fault: Fault) -> float:
    """Return a fault's rank for the nth event: the lowest is it, with a chance by its weight."""
    return -log(1 - _throw(seed, number, fault.name)) / fault.weight


def _draw_event(seed: int, number: int, fault: Fault, before: StoryEvent | None) -> StoryEvent:
    """Draw an event; many bugs need two that meet, so it may come by the one drawn before it."""
    throw = partial(_throw, seed, number)
    at = throw("at") * _WITHIN
    if before is not None and throw("linked") < _LINKED:
        is_after = 1 < before.value <= _WITHIN and throw("after") < 0.5
        at = before.at + (before.value if is_after else 0.0) + throw("soon") * _SOON
    return StoryEvent(round(at, 1), fault.name, float(_pick(fault.values, throw("value"))))


def _pick(values: Sequence[float], throw: float) -> float:
    return values[int(throw * len(values))]


def random_stories(seed: int, count: int) -> list[SeededStory]:
    """Return the random stories of a seed and of those after it."""
    return [draw_story(seed + number) for number in range(count)]


SHORT = ("kill", "hand-edit", "prometheus-down", "api-unclear", "canary-sick", "abort")
"""Events of the short stories: a death, an edit, blindness, an unknown outcome, harm, a person."""
_VALUES = {"kill": 4.0, "hand-edit": 30.0, "prometheus-down": 12.0, "api-unclear": 4.0}
_TIMES = (7.0, 17.0, 22.0, 34.0)  # before the first step, in it, at the second, before the end
_DEATHS = 140  # effects of a story without faults


def short_stories(seed: int, most: int = len(_TIMES)) -> Iterator[SeededStory]:
    """Yield every story of up to `most` (four) of these events, and a death at every single effect.

    The nth event happens at the nth time.
    """
    for count in range(most + 1):
        for names in product(SHORT, repeat=count):
            events = [
                StoryEvent(at, name, _VALUES.get(name, 1.0 if name == "canary-sick" else 0.0))
                for at, name in zip(_TIMES, names, strict=False)
            ]
            yield SeededStory(seed, Setting("perfect", clients="1"), tuple(events))
    for setting in (Setting("perfect", clients="1"), Setting("dead", clients="1")):
        for number in range(1, _DEATHS):
            yield SeededStory(seed, setting, (StoryEvent(0.0, "kill", float(number)),))
