"""What one `surefoot run` carries out: what the journal has open, then the plans of the command.

A plan whose service another rollout still changes waits for that rollout's end: after a crash the
file may have been edited or deleted, and what is open must not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.decide.state.rollout import RolloutState
from rollout.errors import InputError
from rollout.plan.model.plan import Plan
from rollout.tick.controller import Controller


@dataclass
class Agenda:
    """The rollouts of a run, in the order in which they begin.

    `has_all`: the run ends only once nothing in the journal is open any more. `on_refusal` is told
    why a plan that had waited cannot begin.
    """

    controller: Controller
    has_all: bool = False
    uncalibrated: bool = False
    on_refusal: Callable[[str], None] = lambda _problem: None
    rollouts: list[str] = field(default_factory=list)
    waiting: list[Plan] = field(default_factory=list)
    is_refused: bool = False

    def begin(self, plans: Sequence[Plan]) -> None:
        """Take up the plans whose service is free; the others wait. Raises InputError: then none.

        A rollout that is in the journal already goes on. A plan that is named twice is one. Where
        rollouts are open, a refusal is told, and they are carried out all the same.
        """
        plans = [*{plan.id: plan for plan in plans}.values()]
        self.controller.catch_up()
        self.controller.check_apart(plans)
        self.waiting = [plan for plan in plans if self.holder_of(plan) is not None]
        ready = [plan for plan in plans if plan not in self.waiting]
        try:
            self.rollouts += self.controller.start(ready, uncalibrated=self.uncalibrated)
        except InputError as error:
            if not self.controller.active:
                raise
            self._refuse(error)
        if self.has_all or self.is_refused:
            self.rollouts += sorted(self.controller.active - {*self.rollouts})

    def holder_of(self, plan: Plan) -> str | None:
        """Return the open rollout that a plan has to wait for; None where it may begin."""
        fleet = self.controller.fleet
        if plan.id in fleet.states:
            return None
        return fleet.under_way(plan)

    @property
    def states(self) -> Mapping[str, RolloutState]:
        """The state of every rollout of this run."""
        return {rollout: self.controller.states[rollout] for rollout in self.rollouts}

    def tick(self) -> None:
        """Run the controller, and then take up the plans whose service has become free."""
        self.controller.tick()
        for plan in [plan for plan in self.waiting if self.holder_of(plan) is None]:
            self.waiting.remove(plan)
            try:
                self.rollouts += self.controller.start([plan], uncalibrated=self.uncalibrated)
            except InputError as error:
                self._refuse(error)

    def _refuse(self, error: InputError) -> None:
        self.is_refused = True
        self.on_refusal(str(error))

    @property
    def is_open(self) -> bool:
        """Whether a rollout of this run has not ended, or a plan has not begun."""
        return bool(self.waiting) or not all(state.is_terminal for state in self.states.values())

    def is_done(self) -> bool:
        """Return whether nothing is left to do; an ended rollout may still have hooks to call."""
        calls = self.controller.fleet.calls
        return not self.is_open and not any(rollout in calls for rollout in self.rollouts)
