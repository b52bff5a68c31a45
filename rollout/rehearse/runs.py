"""One rollout of a plan in one simulated world, and many of them: the production tick decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rollout.decide.rules.ramp import at_last_step
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Budget, Plan
from rollout.ports import Ports
from rollout.rehearse.assumptions import Assumptions
from rollout.rehearse.sample_size import ASSUMED_SEGMENT
from rollout.rehearse.scenario import Scenario
from rollout.simulate import MemoryRouter, SimulatedService, UnsealedJournal, VirtualClock
from rollout.simulate.crowd import carried_out
from rollout.tick.controller import Controller

Outcome = Literal["promoted", "rolled back", "stuck", "blind"]
OUTCOMES: tuple[Outcome, ...] = ("promoted", "rolled back", "stuck", "blind")

# Looks at one weight are spaced by this share of the time since its confirmation, once that is
# more than an interval: the counts are the same, a decision comes at most so much later.
SPACING = 0.1

_BATCH = 10
_ALONE = 100  # rollouts that take less time than starting processes for them


@dataclass(frozen=True)
class Run:
    """How one rollout went: seconds from its start to the decision, requests on the canary."""

    outcome: Outcome
    reasons: tuple[str, ...]
    seconds: float
    canary_requests: int


def rehearse_once(plan: Plan, base: Assumptions, change: Scenario, seed: Sequence[int]) -> Run:
    """Run the plan once until it is promoted, rolled back or paused. Same seed, same run."""
    router, clock = MemoryRouter(segment=ASSUMED_SEGMENT), VirtualClock()
    stable, canary = plan.spec.stable.version, plan.spec.canary.version
    world = SimulatedService(
        router,
        {stable: base.stable, canary: change.of(base.stable)},
        seed=seed,
        rate=base.rate,
        labelled=base.labelled,
        lag=base.lag,
        past=base.lag + plan.spec.prometheus.scrape,
        coarse=True,
    )
    controller = Controller(Ports(world, router, UnsealedJournal(), clock), "rehearsal")
    (rollout,) = controller.start([plan], uncalibrated=True)
    begun, gap = clock.now(), 0.0
    while not _over(controller.states[rollout]):
        clock.sleep(gap)
        controller.tick()
        gap = _gap(controller.states[rollout], clock.now(), gap)
    state = controller.states[rollout]
    reasons = _decided(state)
    return Run(_outcome(reasons), reasons, clock.now() - begun, world.served.get(canary, 0))


def _over(state: RolloutState) -> bool:
    return state.terminal or state.phase == "paused"


def _gap(state: RolloutState, now: float, before: float) -> float:
    """Seconds to the next look, a multiple of the interval; the deadline is never passed by.

    A paced ramp reads the traffic of its last look, so below its top every other look is a normal
    one.
    """
    spec = state.plan.spec
    since = state.confirmed_at or state.started_at
    looks = max(1, int(SPACING * (now - since) / spec.interval))
    if spec.before is not None:  # its looks are partners one by one
        return spec.interval
    if isinstance(spec.ramp, Budget) and not at_last_step(state) and before > spec.interval:
        looks = 1
    left = math.ceil((state.due_at - now) / spec.interval)
    return max(1, min(looks, left)) * spec.interval


def _decided(state: RolloutState) -> tuple[str, ...]:
    return state.last.reasons if state.last else ()


def _outcome(reasons: tuple[str, ...]) -> Outcome:
    """By why it ended, not by what the plan does then: `stuck` is a deadline without proof."""
    code = reasons[0].partition(":")[0] if reasons else ""
    found: dict[str, Outcome] = {
        "all-safe": "promoted",
        "held-back": "promoted",
        "harmful": "rolled back",
        "blind-too-long": "blind",
    }
    return found.get(code, "stuck")


@dataclass(frozen=True)
class Task:
    """A batch of runs in one world, small enough that progress shows."""

    plan: Plan
    base: Assumptions
    change: Scenario
    seed: int
    first: int
    count: int

    def carry_out(self) -> list[Run]:
        """Every run has its own stream, the same in every world and on any number of processes."""
        numbers = range(self.first, self.first + self.count)
        return [
            rehearse_once(self.plan, self.base, self.change, (self.seed, number))
            for number in numbers
        ]


def rehearse(
    plan: Plan,
    base: Assumptions,
    changes: Sequence[Scenario],
    *,
    runs: int,
    seed: int,
    on_done: Callable[[int], None] = lambda _count: None,
) -> dict[str, list[Run]]:
    """That many runs per world, by the world's name; `on_done` hears how many more are done."""
    tasks = [
        Task(plan, base, change, seed, first, min(_BATCH, runs - first))
        for change in changes
        for first in range(0, runs, _BATCH)
    ]
    done: dict[int, list[Run]] = {}
    with carried_out(
        [task.carry_out for task in tasks], pays=runs * len(changes) > _ALONE
    ) as results:
        for index, found in results:
            done[index] = found
            on_done(len(found))
    return {
        change.name: [
            run for index, task in enumerate(tasks) if task.change is change for run in done[index]
        ]
        for change in changes
    }
