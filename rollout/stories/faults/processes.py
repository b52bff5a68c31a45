"""Processes die, freeze, tick late or twice, and lose the API server."""

from __future__ import annotations

from functools import partial

from rollout.stories.faults.registry import event
from rollout.stories.world.world import StoryWorld


@event("kill", "1 SIGKILL around an effect", (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20), weight=4)
def kill(world: StoryWorld, value: float) -> None:
    """The first controller dies at its nth effect from now on, and starts again at once."""
    world.processes[0].doomed = int(value)


@event("kill-other", "1 SIGKILL around an effect", (1, 3, 6, 10))
def kill_other(world: StoryWorld, value: float) -> None:
    """The last controller dies at its nth effect."""
    world.processes[-1].doomed = int(value)


@event("outage", "2 a controller that stays away", (5.0, 20.0, 50.0))
def stay_away(world: StoryWorld, value: float) -> None:
    """The first controller is gone for a while."""
    world.processes[0].die(value)


@event("restart-loop", "2 restart loop", (3, 8, 20))
def restart_often(world: StoryWorld, value: float) -> None:
    """The first controller dies at each of its first effects, again and again."""
    for number in range(int(value)):
        world.later(float(number), partial(kill, world, 3 + number % 7))


@event("freeze-write", "3 pause between the fence and a write", (3.0, 8.0, 20.0), weight=2)
def freeze_write(world: StoryWorld, value: float) -> None:
    """The first controller stands still right before its next write to the mesh."""
    world.processes[0].freezes = ("patch", value)


@event("freeze-append", "3 pause before an entry is written", (3.0, 8.0, 20.0))
def freeze_append(world: StoryWorld, value: float) -> None:
    """The first controller stands still right before its next entry."""
    world.processes[0].freezes = ("append", value)


@event("freeze-query", "3 pause while Prometheus is asked", (3.0, 20.0))
def freeze_query(world: StoryWorld, value: float) -> None:
    """The first controller stands still before its next query."""
    world.processes[0].freezes = ("query", value)


@event("late-ticks", "6 scheduler misfire", (4.0, 12.0, 35.0))
def tick_late(world: StoryWorld, value: float) -> None:
    """The first controller does not tick for a while."""
    world.processes[0].frozen_until = world.now + value


@event("double-tick", "6 overlapping ticks", delays=False)
def tick_twice(world: StoryWorld, _value: float) -> None:
    """Every controller ticks once more at the same time."""
    for process in world.processes:
        process.step()


@event("partition", "22 one controller cannot reach the API server", (5.0, 12.0, 30.0))
def part(world: StoryWorld, value: float) -> None:
    """The first controller gets no answer of the API server, the others do."""
    world.processes[0].parted_until = world.now + value
