"""Goals: how often equal versions are called better or worse, and how soon a better one is.

    python benchmarks/superiority.py [--runs N] [--seed N] [--scenarios NAME ...]

Every world of the default plan (`benchmarks.worlds.rates`), with what is learnt of stable's
totals, at 20 requests/s and 1 % of bad units, 240 looks of 30 s. The canary has half of the
traffic, a tenth of it, or a share that follows the evidence between 10 % and 90 %, moved after 20
looks at the earliest. A rollout errs where a goal is ever called better or worse at .05, or where
zero is ever outside the interval of the difference, asked at every tenth look. Exits 1 where more
rollouts err than .05 allows by more than three standard errors, in a world whose past is like its
present.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from analysis.counting.counts import Counts
from analysis.dispersion.estimate import Dispersion
from analysis.dispersion.totals import estimate_totals
from analysis.verdict.superiority_test import SuperiorityTest, conclude
from benchmarks.quality.default import SHOWN
from benchmarks.quality.runs import Row, above, each, error, seeded
from benchmarks.worlds.rates import HARD, SCENARIOS, CountsModel, Hard, Scenario, Streams
from rollout.decide.rules.experiment import LEAST_MOVE, choose_share
from rollout.plan.model.trial.terms import Allocation

LEVEL, EVERY, DAY = 0.05, 10, 2880
BETTER = 0.5  # times stable's share of bad units
SHARES = tuple(round(0.1 * k, 1) for k in range(1, 10))

Dealing = Literal["half", "a tenth", "follows"]
START: dict[Dealing, float] = {"half": 0.5, "a tenth": 0.1, "follows": 0.5}


class GoalCell(NamedTuple):
    """One world, and how its traffic is dealt."""

    scenario: Scenario | Hard
    dealing: Dealing
    runs: int
    seed: int


class GoalRun(NamedTuple):
    """What one rollout concluded: the look (from 1) of each first, 0 for never."""

    better: int
    worse: int
    is_missed: bool


def _follow(
    streams: dict[float, Streams], rollout: int, dispersion: Dispersion, dealing: Dealing
) -> GoalRun:
    """Run one rollout; the streams are of every share that the canary may have."""
    goal = SuperiorityTest().with_dispersion(dispersion)
    allocation = Allocation.model_validate({"floor": "10%", "cap": "90%", "every": 20})
    share, moved, better, worse, is_missed = START[dealing], 0, 0, 0, False
    looks = next(iter(streams.values())).e_c.shape[1]
    for look in range(looks):
        arms = streams[share]
        e_c, x_c, e_s, x_s = (int(counts[rollout, look]) for counts in arms)
        goal = goal.update(Counts((e_c, x_c), (e_s, x_s)))
        conclusion = _conclude(goal)
        better = better or (look + 1) * (conclusion == "better")
        worse = worse or (look + 1) * (conclusion == "worse")
        if look % EVERY == EVERY - 1:
            low, high = goal.bound_difference(LEVEL)
            is_missed = is_missed or not low <= 0 <= high
        if dealing == "follows" and goal.looks - moved >= allocation.every:
            chosen = round(choose_share(goal, allocation), 1)
            if abs(chosen - share) >= LEAST_MOVE:
                share, moved = chosen, goal.looks
    return GoalRun(better, worse, is_missed)


def _conclude(goal: SuperiorityTest) -> str:
    # Corrected evidence is never more than the raw, so most looks need no correction.
    if max(goal.log_better, goal.log_worse) < -math.log(LEVEL):
        return "undecided"
    return conclude({"goal": goal}, LEVEL)["goal"].conclusion


def _measure(cell: GoalCell) -> list[Row]:
    row: Row = {"scenario": cell.scenario, "dealing": cell.dealing, "runs": cell.runs}
    for theta in (1.0, BETTER):
        rng, past = (seeded(cell.seed, cell.scenario, cell.dealing, theta, use) for use in "ab")
        shares = SHARES if cell.dealing == "follows" else (START[cell.dealing],)
        worlds = {share: CountsModel(cell.scenario, weight=share, theta=theta) for share in shares}
        streams = {share: world.streams(rng, cell.runs).arms() for share, world in worlds.items()}
        e, x = next(iter(worlds.values())).history(past, cell.runs, DAY)
        learnt = [estimate_totals(*own) for own in zip(e.sum(axis=-1), x.sum(axis=-1), strict=True)]
        runs = [_follow(streams, n, own, cell.dealing) for n, own in enumerate(learnt)]
        if theta == 1.0:
            row["falsely better"] = float(np.mean([run.better > 0 for run in runs]))
            row["falsely worse"] = float(np.mean([run.worse > 0 for run in runs]))
            row["concluded"] = float(np.mean([run.better + run.worse > 0 for run in runs]))
            row["missed"] = float(np.mean([run.is_missed for run in runs]))
        else:
            looks = np.array([run.better or np.inf for run in runs])
            row["found"], row["median look"] = float(np.mean(looks < np.inf)), np.median(looks)
    return [row]


def _format(row: Row) -> str:
    looks = row["median look"]
    cells = [
        f"{row['scenario']:12}", f"{row['dealing']:8}",
        *(f"{row[name]:.3f} +- {error(row[name], row['runs']):.3f}" for name in _SHARES),
        f"{row['found']:5.2f}", f"{looks:5.0f}" if looks < np.inf else "never",
    ]  # fmt: skip
    return "  ".join(cells)


_SHARES = ("falsely better", "falsely worse", "missed")


def _list_misses(rows: list[Row]) -> list[str]:
    """Return the cells above the level, but of worlds whose past does not show what they meet."""
    return [
        f"{row['scenario']}, {row['dealing']}: {what} {row[what]:.3f}"
        for row in rows
        for what in ("concluded", "missed")
        if row["scenario"] not in SHOWN and above(row[what], LEVEL, row["runs"])
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=30, help="rollouts in every cell")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="1,000 rollouts in every cell")
    worlds: tuple[Any, ...] = (*SCENARIOS, *HARD)
    parser.add_argument("--scenarios", nargs="+", choices=worlds, default=worlds)
    options = parser.parse_args()
    begun = time.perf_counter()
    runs = 1000 if options.full else options.runs
    cells = [
        GoalCell(scenario, dealing, runs, options.seed)
        for scenario in options.scenarios
        for dealing in START
    ]
    rows = each("goals", _measure, cells)
    head = f"{'':22}  {'falsely better':>14}  {'falsely worse':>14}  {'interval missed':>14}"
    print(f"{head}  better by half: found, median look")
    print("\n".join(map(_format, rows)))
    misses = _list_misses(rows)
    print(f"\n{runs} rollouts a cell, seed {options.seed}, {time.perf_counter() - begun:.0f} s")
    print(f"missed in {len(misses)} cells" if misses else "met")
    print("".join(f"  {miss}\n" for miss in misses), end="")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
