"""The worst cells of the default test once more, with many runs and another seed.

    python benchmarks/decision_quality.py --only default --json FIGURES
    python benchmarks/worst_cells.py FIGURES [--cells 10] [--runs 10000] [--seed N]

Worst are the cells whose share of wrong decisions is the least likely to be chance at the declared
rate. Exit code 1 if one is above it again, significantly at 5 % after Holm over these cells.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.quality.default import (
    DECLARED,
    LEVEL,
    DefaultCell,
    describe,
    find_bar,
    find_tail,
    is_shown,
    measure_promotions,
    measure_rollbacks,
)
from benchmarks.quality.layout import table
from benchmarks.quality.runs import Row, each, error


def find_worst(rows: list[Row], cells: int) -> list[Row]:
    """Return the rows with the kind of decision (`key`) and its bar, the worst first."""
    judged = [
        {**row, "key": key, "bar": find_bar(row["scenario"], key)}
        for row in rows
        if not is_shown(row)
        for key in DECLARED
    ]
    return sorted(judged, key=lambda row: find_tail(row, row["key"], row["bar"]))[:cells]


def measure_again(row: Row, runs: int, seed: int) -> list[Row]:
    """Measure a row's kind of decision in the same world, with other draws."""
    values = {**row, "rollouts": runs, "seed": seed, "pods": tuple(row["pods"])}
    cell = DefaultCell(**{name: values[name] for name in DefaultCell._fields})
    measure = measure_promotions if row["key"] == "false_promotion" else measure_rollbacks
    return [{**values, "runs": runs, **measure(cell, row["test"])}]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", type=Path, help="what decision_quality.py --json wrote")
    parser.add_argument("--cells", type=int, default=10)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    worst = find_worst(json.loads(options.figures.read_text())["blocks"]["default"], options.cells)
    measure = partial(measure_again, runs=options.runs, seed=options.seed)
    again = each("worst cells", measure, worst)
    tails = [find_tail(row, row["key"], row["bar"]) for row in again]
    print(table(
        f"worst cells again, {options.runs} runs, seed {options.seed}",
        ["world", "test", "decision", "declared", "before", "again", "s.e.", "chance of as many"],
        [
            [
                f"{row['scenario']}, {describe(row)}", row["test"], row["key"],
                row["bar"], f"{before[row['key']]:.4f}", f"{row[row['key']]:.4f}",
                f"{error(row['bar'], options.runs):.4f}", f"{tail:.2g}",
            ]
            for before, row, tail in zip(worst, again, tails, strict=True)
        ],
    ))  # fmt: skip
    is_missed = min(tails, default=1.0) * len(tails) <= LEVEL
    print("above the declared rate" if is_missed else "within the declared rates")
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
