"""Formats block 8: each scenario's worst and mean cell, and the power."""

from __future__ import annotations

import numpy as np

from benchmarks.quality.default import ALPHAS
from benchmarks.quality.layout import grouped, number, table
from benchmarks.quality.runs import Row, error


def of_default(rows: list[Row]) -> str:
    """Format the worst and the mean cell of each scenario, and the power."""
    return "\n".join(_format_test(str(test), group) for (test,), group in grouped(rows, "test"))


def _format_test(test: str, rows: list[Row]) -> str:
    body = []
    for (scenario,), group in grouped(rows, "scenario"):
        shares = [
            f"{max(row[key] for row in group):.3f} / {np.mean([row[key] for row in group]):.3f}"
            for key in (*(f"false_rollback_{alpha}" for alpha in ALPHAS), "false_promotion")
        ]
        at = next(row for row in group if "2x looks" in row)
        power = [
            f"{number(at[f'{n} looks'])} ({at[f'{n} share']:.2f})" for n in ("2x", "5x", "safe")
        ]
        suspected = (
            f"{at['harmless suspected share']:.2f}; 5x {number(at['5x suspected looks'])}"
            if at.get("5x suspected share")
            else "-"
        )
        body.append([scenario, *shares, *power, suspected])
    runs = rows[0]["runs"]
    return table(
        f"8. The default test by {test}, 240 looks: worst / mean cell ({runs} runs a cell, s.e. "
        f"{error(0.05, runs):.3f} at .05, {error(0.01, runs):.3f} at .01); looks, share found",
        [
            "scenario",
            "rollback .05",
            "rollback .01",
            "promotion .05",
            "2x",
            "5x",
            "safe",
            "suspected",
        ],
        body,
    )
