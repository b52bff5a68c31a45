"""What people say, and when: also in the middle of what the controller does."""

from __future__ import annotations

from typing import get_args

from rollout.decide.record.facts import Command
from rollout.errors import InputError, SurefootError
from rollout.plan.model.plan import Plan
from rollout.stories.faults.registry import event
from rollout.stories.world.commands import say
from rollout.stories.world.process import ProcessKilledError
from rollout.stories.world.world import StoryWorld

_WEIGHTS = {"abort": 2.0, "promote": 1.0, "pause": 1.5, "resume": 1.5}


def _register(command: Command) -> None:
    stands_for = "49 force promote / abort" if command in {"promote", "abort"} else "49 commands"

    @event(command, stands_for, weight=_WEIGHTS.get(command, 0.5))
    def give(world: StoryWorld, _value: float) -> None:
        say(world, command)

    @event(f"{command}-race", "49 a command while a decision is made", weight=0.3)
    def race(world: StoryWorld, _value: float) -> None:
        world.processes[0].interrupts.append(("append", lambda: say(world, command)))


for _command in get_args(Command):
    _register(_command)


@event("edit-plan", "46 plan edited mid-flight", (1.0, 2.0))
def edit(world: StoryWorld, value: float) -> None:
    """Somebody edits the plan and has the controller accept it, or starts again with it."""
    plan = world.plans[0]
    document = plan.document()
    document["spec"]["ramp"]["bake"] = "1s"
    edited = Plan.model_validate(document)
    world.edited.add(edited.id)
    for process in world.processes:
        controller = process.controller
        if controller is None:
            continue
        try:
            controller.start([edited])
        except InputError:
            continue
        except ProcessKilledError:
            process.die()
        except SurefootError as error:
            world.problems.append(str(error))
    if value == 2:
        for process in world.processes:
            process.plans = [edited, *process.plans[1:]]
            process.die()


@event("hooks-fail", "hooks that answer with an error", (5.0, 30.0), delays=False)
def fail_hooks(world: StoryWorld, value: float) -> None:
    """Hooks answer with an error for a while."""
    world.hooks_fail_until = world.now + value


@event("hooks-hang", "hooks that do not answer", (5.0, 30.0), delays=False)
def hang_hooks(world: StoryWorld, value: float) -> None:
    """Hooks do not answer for a while."""
    world.hooks_hang_until = world.now + value
