"""A person's commands, recorded as the command line records them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.decide.record.facts import Command, HumanSaid
from rollout.errors import SurefootError
from rollout.stories.world.store import SimulatedJournal
from rollout.tick.attempts import facts_for
from rollout.tick.fleet import fleet_of

if TYPE_CHECKING:
    from rollout.stories.world.world import StoryWorld

PERSON = "ana"


def say(world: StoryWorld, command: Command) -> None:
    """Record a command for the newest attempt of the main plan, unless it is refused."""
    disk = world.disks[0]
    journal = SimulatedJournal(disk, PERSON, lambda _name: None)
    try:
        fleet = fleet_of(journal)
        rollout = fleet.attempt_of(world.rollout)
        if rollout not in fleet.states:
            return
        at = world.now + world.wall_offset
        fact = HumanSaid(rollout=rollout, at=at, command=command, actor=PERSON)
        if command in {"undo", "retry", "confirm"}:
            facts = facts_for(fleet, fact, "simulated")
        else:
            facts = [fact]
        journal.append(facts, fleet.head)
    except SurefootError as error:
        world.problems.append(str(error))
