"""What the journal's disk does."""

from __future__ import annotations

from rollout.decide.record.facts import Elected
from rollout.stories.faults.registry import LASTS, event
from rollout.stories.world.world import StoryWorld


def _register(fault: str, stands_for: str) -> None:
    @event(f"disk-{fault}", stands_for, LASTS)
    def spoil(world: StoryWorld, value: float) -> None:
        world.disks[0].faults[fault] = world.now + value


for _fault, _kind in {
    "full": "34 disk full",
    "gone": "34 the journal does not answer",
    "unclear": "34 written, but the answer is an error",
}.items():
    _register(_fault, _kind)


@event("restore", "36 restored from an older backup", (1, 3, 8, 20))
def restore(world: StoryWorld, value: float) -> None:
    """The newest entries are gone, and the controllers start again on what is left."""
    disk = world.disks[0]
    world.was_restored = True
    disk.restore(max(0, len(disk.rows) - int(value)))
    for process in world.processes:
        if process.disk is disk:
            process.die()


@event("restore-live", "36 restored under a running controller", (1, 5))
def restore_live(world: StoryWorld, value: float) -> None:
    """The newest entries are gone while the controller runs."""
    disk = world.disks[0]
    world.was_restored = True
    disk.restore(max(0, len(disk.rows) - int(value)))


@event("torn", "35 a row is altered", (1, 3))
def tear(world: StoryWorld, value: float) -> None:
    """One of the newest rows is altered; a backup of it is put back ten seconds later."""
    disk = world.disks[0]
    index = len(disk.rows) - int(value)
    if index < 0 or index in disk.altered:
        return
    row = disk.rows[index]
    disk.alter(index, row.text.replace("1", "2", 1))
    world.later(10.0, lambda: disk.mend(index, row))


@event("downgrade", "5 an older version meets a newer one's entry", LASTS)
def downgrade(world: StoryWorld, value: float) -> None:
    """A newer version appends an entry, an older one takes its place, and goes again."""
    disk = world.disks[0]
    if disk.has_newer_entry:
        return
    disk.add_newer_entry(Elected(rollout="", at=world.now, controller="newer", term=0))

    def replace_controllers() -> None:
        for process in world.processes:
            if process.disk is disk:
                process.die()

    def upgrade() -> None:
        disk.read_newer_entry()
        replace_controllers()

    replace_controllers()
    world.later(value, upgrade)
