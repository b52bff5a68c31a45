"""What a ramp's pace costs: excess bad requests at twice the errors against minutes to promote.

The rollouts are those of `decision_quality`'s block on harm: base 1 %, a look every 15 s. The ratio
test rolls back on any excess at alpha .05; the excess bound promotes at beta .05 a canary that
exceeds stable by less than half. A harmless version without a decision within 4 hours counts as 240
minutes.

    python benchmarks/ramp_paces.py [--full] [--docs FILE] [--seed N]
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.quality import written
from benchmarks.quality.climb import TICK, ClimbCell, Ramp
from benchmarks.quality.harm import RATES, TESTS, played
from benchmarks.quality.layout import table
from benchmarks.quality.runs import Row, each

PACES: dict[Ramp, tuple[float, ...]] = {
    "fixed": (2, 5, 10, 15, 30),
    "evidence": (0.125, 0.25, 0.5, 1, 2, 4, 8, 16),
}
UNITS = {"fixed": "bake", "evidence": "harmBudget"}


def measured(cell: ClimbCell) -> list[Row]:
    """Measure a cell: mean excess with its error, quantiles .5 and .9 of minutes to decide."""
    excess, ended, _, promoted = played("harm", cell, cell.rollouts)
    half, most = np.quantile(ended, (0.5, 0.9)) * TICK / 60
    return [
        {
            **cell._asdict(),
            "excess": float(excess.mean()),
            "error": float(excess.std() / excess.size**0.5),
            "minutes": float(half),
            "most": float(most),
            "promoted": float(promoted.mean()),
        }
    ]


def shown(ramp: Ramp, rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Return a table's head and body: a line for each pace, a column for each rate."""
    by = {(row["pace"], row["rate"], row["theta"]): row for row in rows if row["ramp"] == ramp}
    head = [UNITS[ramp], *(f"{rate:g} rps" for rate in RATES)]
    body = []
    for pace in PACES[ramp]:
        cells = [(by[pace, rate, 2.0], by[pace, rate, 1.0]) for rate in RATES]
        named = f"{pace:g}m" if ramp == "fixed" else f"{pace:g}"
        body.append(
            [named, *(f"{bad['excess']:.1f} / {_format_minutes(same)}" for bad, same in cells)]
        )
    return head, body


def _format_minutes(row: Row) -> str:
    """Format the median minutes; a dash if fewer than nine of ten are promoted."""
    return f"{row['minutes']:.0f}" if row["promoted"] >= 0.9 else "-"


def main() -> int:
    """Print a table for each kind of ramp."""
    asked = written.asked(__doc__)
    runs, pages = 2000 if asked.full else 100, []
    cells = [
        ClimbCell(ramp, TESTS[0], rate, theta, runs, asked.seed, pace)
        for ramp, paces in PACES.items()
        for rate, theta, pace in product(RATES, (1.0, 2.0), paces)
    ]
    rows = each("paces", measured, cells)
    for ramp in PACES:
        head, body = shown(ramp, rows)
        title = f"{ramp} ramp: excess bad requests at 2x / minutes to promote a harmless one"
        print(table(f"{title} ({runs} runs, seed {asked.seed})", head, body))
        pages.append(written.markdown(head, body))
    worst = max(row["error"] for row in rows)
    print(f"\nno error of an excess is above {worst:.2f}")
    if asked.docs:
        written.write(asked.docs, "paces", "\n".join(pages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
