"""Ends every fault of a world, so that every rollout can come to its end."""

from __future__ import annotations

from rollout.stories.world.world import StoryWorld


def heal(world: StoryWorld) -> None:
    """End every fault; what people did to the routes stays."""
    world.end_waiting()
    for faults in (world.api.faults, world.prometheus.faults, *(d.faults for d in world.disks)):
        faults.clear()
    world.wall_offset = world.rejects_until = world.hooks_fail_until = world.hooks_hang_until = 0.0
    world.hanging.until.clear()
    world.prometheus.delay, world.prometheus.missed, world.api.watch_lag = 0.05, 0.0, 0.0
    world.push_delay = 0.2
    for process in world.processes:
        process.plans = [*world.plans[: len(process.plans)]]  # what was edited is put back
        if world.was_restored:
            process.die()  # a person starts a controller again whose journal was cut
        process.clock.skew, process.doomed, process.freezes = 0.0, None, None
        process.frozen_until = process.parted_until = process.starts_at = 0.0
        process.interrupts.clear()
    for proxy in world.proxies:
        proxy.is_cut_off, proxy.ejects, proxy.draws = False, 0.0, 0.0
    for target in world.prometheus.targets:
        target.is_silent = False
        target.unmute()
    world.refresh()
