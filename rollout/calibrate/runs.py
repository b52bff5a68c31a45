"""Replays a plan many times on stable's past and counts the rollbacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from analysis.binomial import upper_bound
from rollout.calibrate.draw import Recording
from rollout.calibrate.replay import Replay
from rollout.decide.record.facts import Calibrated
from rollout.decide.record.reasons import outcome_of
from rollout.decide.state.rollout import RolloutState
from rollout.ports import Ports
from rollout.simulate import MemoryRouter, UnsealedJournal, VirtualClock
from rollout.simulate.crowd import carried_out
from rollout.tick.controller import Controller

Outcome = Literal["rolled back", "promoted", "undecided", "untested"]

LEVEL = 0.95
"""Confidence of the upper bound."""

_DRAWS = 20  # attempts to draw a stretch with enough pods
_BATCH = 10
_ALONE = 40  # replays; up to this many run faster than worker processes start


@dataclass(frozen=True)
class CalibrationRun:
    """The outcome of one replay and its reasons."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calibration:
    """The number of replays by outcome; `reasons` counts those of rolled back and untested ones."""

    outcomes: dict[Outcome, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def untested(self) -> int:
        """Return the replays without a valid test, or blind: they do not count for the rate."""
        return self.outcomes.get("untested", 0)

    @property
    def runs(self) -> int:
        """Return the replays that count for the rate."""
        return sum(self.outcomes.values()) - self.untested

    @property
    def rolled_back(self) -> int:
        return self.outcomes.get("rolled back", 0)

    @property
    def rate(self) -> float | None:
        """Return the false-rollback rate; None if no replay counts."""
        return self.rolled_back / self.runs if self.runs else None

    @property
    def bound(self) -> float:
        """Return the rate's upper confidence bound."""
        return upper_bound(self.rolled_back, self.runs, LEVEL)

    def fact(self, past: Recording, at: float, seed: int) -> Calibrated:
        """Return the fact that the journal records."""
        spec, counted = past.plan.spec, past.counted
        return Calibrated(
            rollout=past.declared.id,
            at=at,
            runs=self.runs,
            rolled_back=self.rolled_back,
            untested=self.untested,
            bound=self.bound,
            level=LEVEL,
            alpha=spec.confidence.false_rollback,
            pods=len(counted.pods),
            canary_pods=past.canary,
            history=len(counted.ends) * spec.interval,
            window=past.looks * spec.interval,
            seed=seed,
        )


def replay_once(past: Recording, seed: tuple[int, int]) -> CalibrationRun:
    """Run the production tick once over a draw, one look per tick. Same seed, same run."""
    dice = np.random.default_rng(seed)
    draw = next((d for d in (past.draw(dice) for _ in range(_DRAWS)) if d), None)
    if draw is None:
        return CalibrationRun("untested", ("too few pods lived through a stretch of the past",))
    router, clock = MemoryRouter(), VirtualClock()
    world = Replay(past, draw, router, dice, clock.now())
    controller = Controller(Ports(world, router, UnsealedJournal(), clock), "calibration")
    (rollout,) = controller.start([past.plan.with_full_authority()], uncalibrated=True)
    for _ in range(draw.looks):
        controller.tick()
        if _is_over(controller.states[rollout]):
            break
        clock.sleep(past.plan.spec.interval)
    return _classify(controller.states[rollout])


def _is_over(state: RolloutState) -> bool:
    return state.is_terminal or state.phase in {"paused", "promoting", "reverting"}


def _classify(state: RolloutState) -> CalibrationRun:
    reasons = state.last.reasons if state.last else ()
    if state.phase == "holding back":
        return CalibrationRun("promoted", reasons)
    match outcome_of(reasons):
        case "proven":
            return CalibrationRun("promoted", reasons)
        case "harmful":
            return CalibrationRun("rolled back", reasons)
        case "blind" | "untested":
            return CalibrationRun("untested", reasons)
        case "open" | "lost":
            return CalibrationRun("undecided", reasons)


@dataclass(frozen=True)
class _Task:
    past: Recording
    seed: int
    first: int
    count: int

    def carry_out(self) -> list[CalibrationRun]:
        """Run the batch; each run has its own random stream, on any number of processes."""
        numbers = range(self.first, self.first + self.count)
        return [replay_once(self.past, (self.seed, number)) for number in numbers]


def calibrate(
    past: Recording,
    runs: int,
    seed: int,
    on_done: Callable[[int], None] = lambda _count: None,
) -> Calibration:
    """Run `runs` replays; `on_done` gets the size of each batch that is done."""
    tasks = [
        _Task(past, seed, first, min(_BATCH, runs - first)) for first in range(0, runs, _BATCH)
    ]
    outcomes: Counter[Outcome] = Counter()
    reasons: Counter[str] = Counter()
    with carried_out([task.carry_out for task in tasks], pays=runs > _ALONE) as results:
        for _, batch in results:
            outcomes.update(run.outcome for run in batch)
            reasons_by_run = (
                run.reasons for run in batch if run.outcome in {"rolled back", "untested"}
            )
            reasons.update(reason for reasons_of_run in reasons_by_run for reason in reasons_of_run)
            on_done(len(batch))
    return Calibration(dict(sorted(outcomes.items())), dict(sorted(reasons.items())))
