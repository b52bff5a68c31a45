"""Runs rollouts of a plan in simulated worlds; the production tick decides.

Only traffic, mesh, journal and clock are simulated, so a rehearsal cannot differ from production
in how it decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rollout.decide.record.reasons import outcome_of
from rollout.decide.rules.ramp import at_last_step
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Budget, Plan
from rollout.ports import Ports
from rollout.rehearse.assumptions import Assumptions
from rollout.rehearse.past import ServiceWithPast, note_past
from rollout.rehearse.sample_size import ASSUMED_SEGMENT
from rollout.rehearse.scenario import Scenario
from rollout.simulate import MemoryRouter, SimulatedService, UnsealedJournal, VirtualClock
from rollout.simulate.crowd import carried_out
from rollout.tick.controller import Controller

Outcome = Literal["promoted", "rolled back", "no winner", "stuck", "blind"]
OUTCOMES: tuple[Outcome, ...] = ("promoted", "rolled back", "no winner", "stuck", "blind")

# Looks at one weight are this share of the time since its confirmation apart, once that is more
# than an interval. The counts stay the same; a decision comes later by at most this share.
SPACING = 0.1

_BATCH = 10
_ALONE = 100  # rollouts; up to this many run faster than worker processes start


@dataclass(frozen=True)
class Run:
    """The result of one rollout: outcome, seconds from start to decision, canary requests."""

    outcome: Outcome
    reasons: tuple[str, ...]
    seconds: float
    canary_requests: int


def rehearse_once(plan: Plan, base: Assumptions, change: Scenario, seed: Sequence[int]) -> Run:
    """Run the plan once until it is promoted, rolled back or paused. Same seed, same run.

    It is rehearsed with full authority: what others do with the weights is theirs. What an
    experiment leaves to a person is carried out, so that a winner still has to be safe.
    """
    plan = plan.with_full_authority().promoting_winners()
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
    observer = world if base.learnt is None else ServiceWithPast(world, base.learnt)
    ports = Ports(observer, router, UnsealedJournal(), clock)
    controller = Controller(ports, "rehearsal", has_gaps=True)
    (rollout,) = controller.start([plan], uncalibrated=True)
    note_past(controller, rollout, base.learnt, clock.now())
    started_at, gap = clock.now(), 0.0
    while not _is_over(controller.states[rollout]):
        clock.sleep(gap)
        controller.tick()
        gap = _compute_gap(controller.states[rollout], clock.now(), gap)
    state = controller.states[rollout]
    reasons = _read_reasons(state)
    return Run(_classify(reasons), reasons, clock.now() - started_at, world.served.get(canary, 0))


def _is_over(state: RolloutState) -> bool:
    return state.is_terminal or state.phase in {"paused", "following"}


def _compute_gap(state: RolloutState, now: float, before: float) -> float:
    """Return the seconds to the next look, a multiple of the interval, not past the deadline.

    A paced ramp reads the traffic of its last look. So below its top every longer gap is
    followed by one of a single interval, from which the ramp reads production's amount of traffic.
    """
    spec = state.plan.spec
    since = state.delivery.confirmed_at or state.started_at
    looks = max(1, int(SPACING * (now - since) / spec.interval))
    # Each look is paired with one of the baseline, or dispersion is per look: none may be left out.
    if spec.before is not None or state.learned is not None or _counts_looks(state):
        return spec.interval
    if isinstance(spec.ramp, Budget) and not at_last_step(state) and before > spec.interval:
        looks = 1
    left = math.ceil((state.due_at - now) / spec.interval)
    return max(1, min(looks, left)) * spec.interval


def _counts_looks(state: RolloutState) -> bool:
    """Return whether an experiment goes by the number of looks."""
    experiment = state.plan.spec.experiment
    return experiment is not None and bool(experiment.end.looks or experiment.allocation)


def _read_reasons(state: RolloutState) -> tuple[str, ...]:
    return state.last.reasons if state.last else ()


def _classify(reasons: tuple[str, ...]) -> Outcome:
    """Classify a run by why it ended, not by what the plan does then.

    `stuck` is a deadline without proof, even if the plan promotes at that point.
    """
    match outcome_of(reasons):
        case "proven":
            return "promoted"
        case "harmful":
            return "rolled back"
        case "blind":
            return "blind"
        case "lost":
            return "no winner"
        case "untested" | "open":
            return "stuck"


@dataclass(frozen=True)
class Task:
    """A batch of runs in one world, small enough that progress is visible."""

    plan: Plan
    base: Assumptions
    change: Scenario
    seed: int
    first: int
    count: int

    def carry_out(self) -> list[Run]:
        """Run the batch.

        Each run has a random stream of its own, from `seed` and its number: the same in every world
        and on any number of processes.
        """
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
    """Return `runs` runs per world, by world name; `on_done` gets the size of each batch done."""
    tasks = [
        Task(plan, base, change, seed, first, min(_BATCH, runs - first))
        for change in changes
        for first in range(0, runs, _BATCH)
    ]
    done: dict[int, list[Run]] = {}
    with carried_out(
        [task.carry_out for task in tasks], pays=runs * len(changes) > _ALONE
    ) as results:
        for index, batch in results:
            done[index] = batch
            on_done(len(batch))
    return {
        change.name: [
            run for index, task in enumerate(tasks) if task.change is change for run in done[index]
        ]
        for change in changes
    }
