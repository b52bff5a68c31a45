"""Block 5: excess bad requests until a decision, and time to promote, with weights that follow.

Base 1 %, independent requests, a look every 15 s, no warm-up. The excess bound promotes at beta .05
once the weight is at its top; an excess of half the base rate is acceptable. The ratio test rolls
back on any excess at alpha .05: the bar is for this test. Two more tests are measured: alpha .01,
and alpha .01 with the same half of the base rate acceptable to the ratio test too. In the latter,
twice the errors are so near to the margin that no test is fast.

The fixed ramp goes 1, 5, 10, 25, 50 %. The evidence ramp's next weight is budget / (u * requests
per look) within 1 to 50 %, and never falls; u is the excess bound's worst credible excess rate.
Excess bad requests are counted in expectation: canary requests times excess share.

The pace of a ramp is the plan author's choice, and is chosen here for the traffic, as an author
would: a test needs canary requests, so little traffic costs either time or bad requests. At 5
requests/s and twice the errors, five minutes a step and a budget of 1 cost 18 and 19 bad requests;
fifteen minutes and .25 cost 14 and 12, but a promotion takes 77 and 68 minutes instead of 43 and 36
(`benchmarks/ramp_paces.py` shows the whole trade).

The SPRT that knows the effect is measured too, on ramps of its own: where even it does not meet the
bar, the cell is listed and is not a miss, as in the comparison with the peers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from benchmarks.quality.climb import BASE, TICK, ClimbCell, Known, Ramp, Rollouts
from benchmarks.quality.reach import Miss
from benchmarks.quality.runs import SIGMAS, Row, chunks, each, seeded
from benchmarks.worlds.draws import Array

RATES, THETAS, LONGEST = (5.0, 20.0, 100.0, 500.0), (1.0, 2.0, 5.0), 960  # looks: 4 hours
HARM_BAR, PROMOTION_BAR = {2.0: 15.0, 5.0: 8.0}, {20.0: 15.0, 500.0: 5.0}  # minutes
TESTS = ((0.05, 0.0), (0.01, 0.0), (0.01, BASE / 2))
"""Alpha and absolute margin of the ratio test; the bar is for the first."""

PACES: dict[Ramp, dict[float, float]] = {
    "fixed": {5.0: 15.0, 20.0: 5.0, 100.0: 5.0, 500.0: 5.0},
    "evidence": {5.0: 0.25, 20.0: 1.5, 100.0: 4.0, 500.0: 8.0},
}
"""By requests per second: minutes at each step; excess bad requests risked until the next look."""

KINDS = {"harm": Rollouts, "known": Known}

LEAST_KNOWN = 500
"""Fewest rollouts of the SPRT that knows the effect, so that its error is small."""


def run(rollouts: int, seed: int) -> list[Row]:
    """Measure a row for each ramp, test, rate and effect."""
    cells = [
        ClimbCell(ramp, test, rate, theta, rollouts, seed, PACES[ramp][rate])
        for ramp, test, rate, theta in product(PACES, TESTS, RATES, THETAS)
    ]
    return each("harm", measured, cells)


def measured(cell: ClimbCell) -> list[Row]:
    """Measure a cell's row, with the cost of the SPRT that knows the effect if the bar applies."""
    excess, ended, rolled, promoted = played("harm", cell, cell.rollouts)
    sprt_excess = sprt_error = math.nan
    if cell.test == TESTS[0] and cell.theta > 1:
        sprt_excess, sprt_error = _average(
            played("known", cell, max(LEAST_KNOWN, cell.rollouts))[0]
        )
    mean, error = _average(excess)
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
            "known": sprt_excess,
            "known_error": sprt_error,
            "rolled_back": float(rolled.mean()),
            "promoted": float(promoted.mean()),
            "minutes": float(np.median(ended)) * TICK / 60,
        }
    ]


def played(name: str, cell: ClimbCell, rollouts: int) -> list[Array]:
    """Return excess, last look, whether rolled back and whether promoted, of each rollout."""
    rng, groups = seeded(cell.seed, name, cell[:4]), []
    for size in chunks(rollouts):
        group = KINDS[name](cell, size, rng)
        for number in range(1, LONGEST + 1):
            group.look(number)
            if np.all(group.rolled | group.promoted):
                break
        groups.append(group)
    attributes = ("excess", "ended", "rolled", "promoted")
    return [
        np.concatenate([getattr(group, attribute) for group in groups]) for attribute in attributes
    ]


def _average(excess: Array) -> tuple[float, float]:
    """Return the mean and its standard error."""
    return float(excess.mean()), float(excess.std() / math.sqrt(excess.size))


def misses(rows: list[Row]) -> list[str]:
    """Return the misses: harm that a test could avoid, and promotions that are too slow."""
    return [miss.words for miss in judged(rows) if not miss.wall]


def beyond(rows: list[Row]) -> list[str]:
    """Return the cells in which even the SPRT that knows the effect does too much harm."""
    return [f"{miss.words}; {miss.wall}" for miss in judged(rows) if miss.wall]


def judged(rows: list[Row]) -> Iterator[Miss]:
    """Yield the cells beyond the bar on harm, or on the evidence ramp's time to promote."""
    for row in (row for row in rows if (row["alpha"], row["margin"]) == TESTS[0]):
        cell = f"{row['ramp']} ramp, {row['rate']:g} rps, {row['theta']:g}x"
        bar = HARM_BAR.get(row["theta"], math.inf)
        if row["excess"] > bar + SIGMAS * row["error"]:
            yield Miss(
                f"{row['excess']:.1f} +- {row['error']:.1f} excess bad requests, bar {bar:g}: "
                f"{cell}",
                _explain_wall(row, bar),
            )
        limit = PROMOTION_BAR.get(row["rate"], math.inf)
        if row["theta"] == 1 and row["ramp"] == "evidence" and row["minutes"] > limit:
            yield Miss(f"{row['minutes']:.1f} minutes to promote, bar {limit:g}: {cell}")


def _explain_wall(row: Row, bar: float) -> str:
    """Return why the bar cannot be met: the SPRT that knows the effect misses it. Else empty."""
    sprt_excess, error = row["known"], row["known_error"]
    if not sprt_excess > bar + SIGMAS * error:
        return ""
    return f"the SPRT that knows the effect costs {sprt_excess:.1f} +- {error:.1f}"
