"""Plays one story: world, controllers, events and checkers, until everything has ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from rollout.decide.record.facts import Decided, Observed
from rollout.decide.record.reasons import outcome_of
from rollout.observe.bulk.collector import paused_collector
from rollout.stories.faults import FAULTS
from rollout.stories.faults.routes import ramp_by_others
from rollout.stories.healing import heal
from rollout.stories.invariants import Broken, PromiseWatch
from rollout.stories.story import SeededStory, StoryEvent
from rollout.stories.world.world import StoryWorld

_LONGEST = 240  # steps of a story, faults included
_SETTLE = 420  # steps after its last fault, in which every rollout has to end
_DEATHS = frozenset({"kill", "kill-other", "restart-loop", "double-tick"})
_AFTER = 3  # steps after the end


@dataclass
class Played:
    """How a story went: what broke, and how much there was in it.

    `actions` are the main rollout's, holds left out; `ends` are those that end it, each with its
    outcome by `Reason.outcome`; `events` are those that happened.
    """

    story: SeededStory
    broken: list[Broken] = field(default_factory=list)
    looks: int = 0
    events: tuple[str, ...] = ()
    steps: int = 0
    actions: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()


def play(story: SeededStory) -> Played:
    """Play a story to its end, or to the first promise that it breaks.

    Where all that happens are deaths, the decisions must be those of the story without them.
    """
    played = _play(story)
    if not played.broken and _is_of_deaths(story):
        unharmed = _find_unharmed_actions(replace(story, events=()))
        if played.actions != unharmed:
            text = f"decided {', '.join(played.actions)}; without deaths {', '.join(unharmed)}"
            played.broken.append(Broken("I13", text, float(played.steps)))
    return played


@lru_cache(maxsize=16)
def _find_unharmed_actions(story: SeededStory) -> tuple[str, ...]:
    return _play(story).actions


def _is_of_deaths(story: SeededStory) -> bool:
    """Return whether a story is of nothing but deaths, and its end does not hang by a hair."""
    setting = story.setting
    is_clear = setting.canary in {"perfect", "dead"} and setting.rate == "200"
    is_alone = setting.replicas == setting.journals == "1"
    return (
        bool(story.events)
        and is_clear
        and is_alone
        and _DEATHS.issuperset(event.name for event in story.events)
    )


@paused_collector()  # a story leaves few cycles, and looking for them takes a tenth of its time
def _play(story: SeededStory) -> Played:
    try:
        return _run(story)
    except Exception as error:
        raise RuntimeError(f"the simulation itself fails: {story.command}") from error


def _run(story: SeededStory) -> Played:
    return play_in(StoryWorld(story.setting, story.seed), story)


def play_in(world: StoryWorld, story: SeededStory) -> Played:
    """Play a story in a world that is made for it, which is left as the story leaves it."""
    watch = PromiseWatch(story, world)
    if story.setting.is_moved_by_others():
        ramp_by_others(world)
    waiting = sorted(story.events)
    happened: list[str] = []
    steps = 0
    while steps < _LONGEST and not watch.broken:
        _let_happen(watch, waiting, happened)
        world.step()
        watch.after_step()
        steps += 1
        if not waiting and world.has_ended():
            break
    if not watch.broken:
        steps += _settle(world, watch)
    if not watch.broken:
        watch.at_end()
    return _sum_up(story, world, watch, happened, steps)


def _let_happen(watch: PromiseWatch, waiting: list[StoryEvent], happened: list[str]) -> None:
    world = watch.chronicle.world
    while waiting and waiting[0].at <= world.elapsed:
        event = waiting.pop(0)
        watch.chronicle.note_event(event.name)
        FAULTS[event.name].happen(world, event.value)
        happened.append(event.name)


def _settle(world: StoryWorld, watch: PromiseWatch) -> int:
    """End every fault, and go on until every rollout has ended."""
    heal(world)
    world.settled_at = world.now
    steps, left = 0, _AFTER
    while steps < _SETTLE and left and not watch.broken:
        world.step()
        watch.after_step()
        steps += 1
        left -= world.has_ended()
    return steps


def _sum_up(
    story: SeededStory, world: StoryWorld, watch: PromiseWatch, happened: list[str], steps: int
) -> Played:
    facts = world.disks[0].facts
    decisions = [f for f in facts if isinstance(f, Decided) and f.rollout == world.rollout]
    acts = [fact for fact in decisions if fact.action != "hold"]
    looks = sum(isinstance(fact, Observed) for disk in world.disks for fact in disk.facts)
    ends = [
        f"{fact.action}: {outcome_of(fact.reasons)}"
        for fact in acts
        if fact.action in {"roll back", "promote"}
    ]
    return Played(
        story,
        watch.broken,
        looks,
        tuple(happened),
        steps,
        tuple(fact.action for fact in acts),
        tuple(ends),
    )
