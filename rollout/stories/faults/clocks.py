"""Wall clocks jump and differ; machines sleep."""

from __future__ import annotations

from rollout.stories.faults.registry import event
from rollout.stories.world.world import StoryWorld


@event(
    "clock-jump", "7 wall clock jumps", (3600.0, 120.0, 20.0, -3.0, -20.0, -3600.0), delays=False
)
def jump(world: StoryWorld, value: float) -> None:
    """All clocks but Prometheus' are wrong from now on."""
    world.wall_offset += value


@event("clock-jump-back", "7 a jump that is mended", (3600.0, 60.0, -60.0, -3600.0), delays=False)
def jump_and_return(world: StoryWorld, value: float) -> None:
    """All clocks but Prometheus' are wrong for ten seconds."""
    world.wall_offset += value
    world.later(10.0, lambda: jump(world, -value))


@event("clock-skew", "8 controller and Prometheus differ", (0.5, 2.0, -0.5, -2.0))
def skew(world: StoryWorld, value: float) -> None:
    """The first controller's clock differs a little."""
    world.processes[0].clock.skew = value


@event("monotonic-stall", "9 a monotonic clock that stands still", (6.0, 30.0))
def stall(world: StoryWorld, value: float) -> None:
    """The monotonic clocks of all controllers stand still for a while."""
    for process in world.processes:
        process.clock.stalled_until = world.now + value
        process.clock.slept += value


@event("sleep", "3 machines that sleep", (10.0, 40.0, 90.0))
def sleep(world: StoryWorld, value: float) -> None:
    """All controllers stand still; requests go on."""
    until = world.now + value
    for process in world.processes:
        if until > process.frozen_until:  # who sleeps already sleeps on
            process.clock.slept += until - max(process.frozen_until, world.now)
            process.frozen_until = until
