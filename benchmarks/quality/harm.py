"""Block 5: excess bad requests until a decision, and time to promote, with weights that follow.

Base 1 %, independent requests, a look every 15 s, no warm-up. D promotes at beta .05 once the
weight is at its top, with an excess of half the base rate acceptable. R rolls back on any excess
at alpha .05, of which the bar is asked; beside it are alpha .01, and alpha .01 with the same half
acceptable to R as well, where twice the errors are so near to the margin that no test can be quick.
The fixed ramp goes 1, 5, 10, 25, 50 %; the evidence ramp's next weight is budget / (u * requests
per look) within 1 to 50 %, u the worst credible excess rate by D, and it never falls. Excess bad
requests are counted in expectation: canary requests times excess share.

How fast to climb is the plan's author's choice, and chosen here for the traffic, as its author
would: harm is found by requests, the fewer of the canary's the smaller its weight, so that little
traffic costs time or bad requests. Five minutes a step and a budget of 1, at 5 requests/s, cost 18
and 19 of them at twice the errors; fifteen minutes and .25 cost 14 and 12, and a promotion takes
77 and 68 minutes instead of 43 and 36 (`benchmarks/ramp_paces.py`: the whole trade).

Beside R is the SPRT that knows the effect, on ramps of its own: where not even it meets the bar,
the cell is named and is no miss, as in the comparison with the peers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from benchmarks.quality.climb import BASE, TICK, Cell, Known, Ramp, Rollouts
from benchmarks.quality.reach import Miss
from benchmarks.quality.runs import SIGMAS, Row, chunks, each, seeded
from benchmarks.worlds.draws import Array

RATES, THETAS, LONGEST = (5.0, 20.0, 100.0, 500.0), (1.0, 2.0, 5.0), 960  # looks: 4 hours
HARM_BAR, PROMOTION_BAR = {2.0: 15.0, 5.0: 8.0}, {20.0: 15.0, 500.0: 5.0}  # minutes
TESTS = ((0.05, 0.0), (0.01, 0.0), (0.01, BASE / 2))
"""Alpha and absolute margin of R; the bar is asked of the first."""

PACES: dict[Ramp, dict[float, float]] = {
    "fixed": {5.0: 15.0, 20.0: 5.0, 100.0: 5.0, 500.0: 5.0},
    "evidence": {5.0: 0.25, 20.0: 1.5, 100.0: 4.0, 500.0: 8.0},
}
"""By requests per second: minutes at each step; excess bad requests risked until the next look."""

KINDS = {"harm": Rollouts, "known": Known}

LEAST_KNOWN = 500
"""Rollouts of the SPRT that knows the effect, at least: its error is to be small."""


def run(rollouts: int, seed: int) -> list[Row]:
    """A row for each ramp, rate and effect."""
    cells = [
        Cell(ramp, test, rate, theta, rollouts, seed, PACES[ramp][rate])
        for ramp, test, rate, theta in product(PACES, TESTS, RATES, THETAS)
    ]
    return each("harm", measured, cells)


def measured(cell: Cell) -> list[Row]:
    """The cell's row; what the SPRT that knows the effect costs, where the bar is asked."""
    excess, ended, rolled, promoted = played("harm", cell, cell.rollouts)
    known = known_error = math.nan
    if cell.test == TESTS[0] and cell.theta > 1:
        known, known_error = _mean(played("known", cell, max(LEAST_KNOWN, cell.rollouts))[0])
    mean, error = _mean(excess)
    return [
        {
            "ramp": cell.ramp,
            "pace": cell.pace,
            "alpha": cell.test[0],
            "margin": cell.test[1],
            "rate": cell.rate,
            "theta": cell.theta,
            "runs": cell.rollouts,
            "excess": mean,
            "error": error,
            "known": known,
            "known_error": known_error,
            "rolled_back": float(rolled.mean()),
            "promoted": float(promoted.mean()),
            "minutes": float(np.median(ended)) * TICK / 60,
        }
    ]


def played(name: str, cell: Cell, rollouts: int) -> list[Array]:
    """Excess, last look, whether rolled back and whether promoted, of so many rollouts."""
    rng, groups = seeded(cell.seed, name, cell[:4]), []
    for size in chunks(rollouts):
        group = KINDS[name](cell, size, rng)
        for number in range(1, LONGEST + 1):
            group.look(number)
            if np.all(group.rolled | group.promoted):
                break
        groups.append(group)
    told = ("excess", "ended", "rolled", "promoted")
    return [np.concatenate([getattr(group, one) for group in groups]) for one in told]


def _mean(excess: Array) -> tuple[float, float]:
    """With its standard error."""
    return float(excess.mean()), float(excess.std() / math.sqrt(excess.size))


def misses(rows: list[Row]) -> list[str]:
    """Too much harm with either ramp, where a test could do less; too slow a promotion."""
    return [miss.words for miss in judged(rows) if not miss.wall]


def beyond(rows: list[Row]) -> list[str]:
    """Cells in which the SPRT that knows the effect does too much harm as well."""
    return [f"{miss.words}; {miss.wall}" for miss in judged(rows) if miss.wall]


def judged(rows: list[Row]) -> Iterator[Miss]:
    """Cells beyond the bar, of the harm done and of the evidence ramp's time to promote."""
    for row in (row for row in rows if (row["alpha"], row["margin"]) == TESTS[0]):
        place = f"{row['ramp']} ramp, {row['rate']:g} rps, {row['theta']:g}x"
        bar = HARM_BAR.get(row["theta"], math.inf)
        if row["excess"] > bar + SIGMAS * row["error"]:
            yield Miss(
                f"{row['excess']:.1f} +- {row['error']:.1f} excess bad requests, bar {bar:g}: "
                f"{place}",
                _wall(row, bar),
            )
        limit = PROMOTION_BAR.get(row["rate"], math.inf)
        if row["theta"] == 1 and row["ramp"] == "evidence" and row["minutes"] > limit:
            yield Miss(f"{row['minutes']:.1f} minutes to promote, bar {limit:g}: {place}")


def _wall(row: Row, bar: float) -> str:
    """Why the bar cannot be asked for: the test that knows the effect does not meet it."""
    known, error = row["known"], row["known_error"]
    if not known > bar + SIGMAS * error:
        return ""
    return f"the SPRT that knows the effect costs {known:.1f} +- {error:.1f}"
