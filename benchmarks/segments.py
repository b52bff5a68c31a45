"""Segments: false rollbacks, and how soon harm to one of them, or to all, is found.

    python benchmarks/segments.py [--runs N] [--seed N] [--scenarios NAME ...] [--uneven]

Every world of the default plan (`benchmarks.worlds.rates`), 20 requests/s in all, 1 % of bad units,
240 looks of 30 s, half of the traffic to the canary, a margin of 1.5x at a declared 1 %. The units
are of 5 or 20 segments of equal size, each a world of its own: bunches and incidents are of one
segment, which is the hardest for tests that learn from stable's totals over all of them. Without
segments the whole alone is judged. Harm is three times the bad units in one segment, or twice in
all. With `--uneven` only the first segment's units come as in that world, all others' alone, and
only harmless rollouts are drawn, at a declared 1 and 5 %. Else it exits 1 where more harmless
rollouts go back than 1 % allows by more than three standard errors, in a world whose past is like
its present.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from analysis.counting.counts import Counts
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.totals import estimate_totals
from analysis.rates.rate import RateMargin
from analysis.verdict.rate_test import RateTest
from analysis.verdict.verdict import Guarded, Judgement, judge
from benchmarks.quality.default import SHOWN
from benchmarks.quality.runs import Row, above, each, error, seeded
from benchmarks.worlds.rates import HARD, SCENARIOS, CountsModel, Hard, Scenario, Streams

ALPHA, BETA, RATE, DAY = 0.01, 0.05, 20.0, 2880
ALL, ONE = 2.0, 3.0  # times stable's share of bad units
NUMBERS = (5, 20)
UNEVEN = (0.01, 0.05)
HARMLESS, ONE_HARMED, ALL_HARMED = "harmless", "one harmed", "all harmed"


class SegmentCell(NamedTuple):
    """One world, and how many segments its units are of."""

    scenario: Scenario | Hard
    number: int
    runs: int
    seed: int


def _measure(cell: SegmentCell) -> list[Row]:
    row: Row = {"scenario": cell.scenario, "segments": cell.number, "runs": cell.runs}
    for case in (HARMLESS, ONE_HARMED, ALL_HARMED):
        thetas = [ALL if case == ALL_HARMED else 1.0] * cell.number
        if case == ONE_HARMED:
            thetas[0] = ONE
        parts, learnt = _draw(cell, case, thetas)
        for has_segments in (False, True):
            looks = np.array(
                [
                    _find_harm([[own[n] for own in arms] for arms in parts], past, has_segments)
                    for n, past in enumerate(learnt)
                ]
            )
            name = f"{case}, {'split' if has_segments else 'whole'}"
            row[name] = float(np.mean(looks < np.inf))
            row[f"{name}: median"] = float(np.median(looks))
    return [row]


def _measure_uneven(cell: SegmentCell) -> list[Row]:
    """Return how often a harmless rollout goes back whose first segment alone has bunches."""
    row: Row = {"scenario": cell.scenario, "segments": cell.number, "runs": cell.runs}
    parts, learnt = _draw(cell, HARMLESS, [1.0] * cell.number, is_uneven=True)
    for has_segments in (False, True):
        most = [
            max(
                judgement.log_joint
                for judgement in _follow(
                    [[own[n] for own in arms] for arms in parts], past, has_segments
                )
            )
            for n, past in enumerate(learnt)
        ]
        for alpha in UNEVEN:
            name = f"{alpha:g}, {'split' if has_segments else 'whole'}"
            row[name] = float(np.mean(np.array(most) >= -np.log(alpha)))
    return [row]


def _draw(
    cell: SegmentCell, case: str, thetas: Sequence[float], *, is_uneven: bool = False
) -> tuple[list[Streams], list[Dispersion]]:
    """Draw every segment's streams, and what the totals over all of them teach in a day."""
    rng, past = (seeded(cell.seed, cell.scenario, cell.number, case, use) for use in "ab")
    own = [
        CountsModel(
            "iid" if is_uneven and n else cell.scenario,
            rate=RATE / cell.number,
            weight=0.5,
            theta=theta,
        )
        for n, theta in enumerate(thetas)
    ]
    parts = [world.streams(rng, cell.runs).arms() for world in own]
    histories = [world.history(past, cell.runs, DAY) for world in own]
    e, x = (sum(history[i].sum(axis=-1) for history in histories) for i in (0, 1))
    return parts, [estimate_totals(*totals) for totals in zip(e, x, strict=True)]


def _find_harm(parts: Sequence[Sequence[Any]], dispersion: Dispersion, has_segments: bool) -> float:
    """Return the look (from 1) at which a rollout goes back; infinity for never."""
    for look, judgement in enumerate(_follow(parts, dispersion, has_segments)):
        if judgement.harmful:
            return look + 1.0
    return float("inf")


def _follow(
    parts: Sequence[Sequence[Any]], dispersion: Dispersion, has_segments: bool
) -> Iterator[Judgement]:
    """Yield the judgement of each look."""
    fresh = RateTest(RateMargin(1.5, 0.0)).with_dispersion(dispersion)
    whole, segments = fresh, [fresh] * (len(parts) if has_segments else 0)
    total = [sum(arms[i] for arms in parts) for i in range(4)]
    for look in range(len(total[0])):
        whole = whole.update(_count(total, look))
        segments = [
            test.update(_count(arms, look))
            for test, arms in zip(segments, parts if has_segments else (), strict=True)
        ]
        own = {str(n): Guarded(test, 1.0, of="errors") for n, test in enumerate(segments)}
        yield judge({"errors": Guarded(whole, 1.0)}, ALPHA, BETA, own)


def _count(arms: Sequence[Any], look: int) -> Counts:
    e_c, x_c, e_s, x_s = (int(counts[look]) for counts in arms)
    return Counts((e_c, x_c), (e_s, x_s))


def _format(row: Row) -> str:
    parts = [f"{row['scenario']:12} {row['segments']:2}"]
    for case in (HARMLESS, ONE_HARMED, ALL_HARMED):
        for way in ("whole", "split"):
            name = f"{case}, {way}"
            median = row[f"{name}: median"]
            look = f"{median:4.0f}" if median < np.inf else "   -"
            mean = f"{row[name]:.2f}"
            parts.append(
                f"{mean} +- {error(row[name], row['runs']):.2f}"
                if case == HARMLESS
                else f"{mean} {look}"
            )
    return "  ".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="rollouts in every cell")
    parser.add_argument("--seed", type=int, default=1)
    worlds: tuple[Any, ...] = (*SCENARIOS, *HARD)
    parser.add_argument("--scenarios", nargs="+", choices=worlds, default=worlds)
    parser.add_argument("--uneven", action="store_true", help="bunches in one segment alone")
    options = parser.parse_args()
    begun = time.perf_counter()
    cells = [
        SegmentCell(scenario, number, options.runs, options.seed)
        for scenario in options.scenarios
        for number in NUMBERS
    ]
    if options.uneven:
        for row in each("uneven segments", _measure_uneven, cells):
            shares = (f"{name}: {row[name]:.3f}" for name in row if "," in name)
            print(f"{row['scenario']:12} {row['segments']:2}  {'  '.join(shares)}")
        print(f"{options.runs} rollouts a cell, seed {options.seed}")
        return 0
    rows = each("segments", _measure, cells)
    print("harmless: share that goes back; harm: share found, median look; whole alone and split")
    print(f"{'':15}  harmless: whole, split         one of them 3x: whole, split  all 2x")
    print("\n".join(map(_format, rows)))
    misses = [
        f"{row['scenario']}, {row['segments']} segments: {row[f'{HARMLESS}, split']:.3f}"
        for row in rows
        if row["scenario"] not in SHOWN and above(row[f"{HARMLESS}, split"], ALPHA, row["runs"])
    ]
    print(f"\n{options.runs} rollouts a cell, seed {options.seed}, ", end="")
    print(f"{time.perf_counter() - begun:.0f} s\n{f'missed: {misses}' if misses else 'met'}")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
