"""Block 9: the other kinds of guardrail, each exactly at what it allows.

Shares beyond an edge (`slower`, `below`) and a `limit` are tests: a canary exactly at its margin or
limit is rolled back in at most alpha, and promoted in at most beta, of the rollouts. `never` is
exact. A ratio of sums is no test: how often the rough interval that is shown misses the truth, at
either end, by how heavy the tails of single requests are. Its row has no bar.

The weight rises while the base moves; what is counted goes through the production tests look by
look. Requests are independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from analysis.counting.beyond import count_beyond
from analysis.counting.counts import Counts
from analysis.rates.rate import RateMargin
from analysis.rates.sum_ratio import LEVEL, SumRatio
from analysis.verdict.limit_test import LimitTest
from analysis.verdict.never_test import NeverTest
from analysis.verdict.rate_test import RateTest
from benchmarks.quality.runs import Row, above, each, error, seeded

ALPHA, BETA, LOOKS, SECONDS = 0.01, 0.05, 120, 15.0
STEPS = (0.01, 0.05, 0.25, 0.5)
RATES = (20.0,)
TESTS = ("slower", "below", "limit")
TAILS = ("geometric", "log-normal 2", "Pareto 1.5")
_MARGIN = RateMargin(1.0, 0.01)
_EDGES = (0.1, 0.25, 1.0, math.inf)
_LIMIT, _MEAN = 0.02, 300.0


class KindCell(NamedTuple):
    """One kind of guardrail at one rate of requests; a ratio has its tail as well."""

    kind: str
    tail: str
    rate: float
    rollouts: int
    seed: int


def run(rollouts: int, seed: int) -> list[Row]:
    """Measure a row for each figure of each kind."""
    kinds = [*((kind, "") for kind in (*TESTS, "never")), *(("ratio", tail) for tail in TAILS)]
    cells = [KindCell(*kind, rate, rollouts, seed) for kind, rate in product(kinds, RATES)]
    return each("kinds", _cell, cells)


def _cell(cell: KindCell) -> list[Row]:
    dice = seeded(cell.seed, "kinds", cell[:3])
    measure: Callable[..., dict[str, tuple[bool, float | None]]] = {
        "never": _follow_never,
        "ratio": _follow_ratio,
    }.get(cell.kind, _follow_test)
    outcomes = [measure(cell, dice) for _ in range(cell.rollouts)]
    return [
        {
            "kind": cell.kind,
            "tail": cell.tail,
            "rate": cell.rate,
            "figure": figure,
            "bar": bar,
            "runs": cell.rollouts,
            "share": (share := float(np.mean([outcome[figure][0] for outcome in outcomes]))),
            "error": error(share, cell.rollouts),
        }
        for figure, (_, bar) in outcomes[0].items()
    ]


def _draw_units(cell: KindCell, dice: np.random.Generator, look: int) -> tuple[int, int]:
    weight = STEPS[min(look * len(STEPS) // LOOKS, len(STEPS) - 1)]
    requests = cell.rate * SECONDS
    return int(dice.poisson(requests * weight)), int(dice.poisson(requests * (1 - weight)))


def _follow_test(cell: KindCell, dice: np.random.Generator) -> dict[str, Any]:
    """Tell whether a canary exactly at what is allowed was ever rolled back, or proven safe."""
    test: Any = LimitTest(_LIMIT) if cell.kind == "limit" else RateTest(_MARGIN)
    is_harm = is_safe = False
    for look in range(LOOKS):
        base = 0.05 if dice.random() < 0.1 else 0.01  # an incident hits both
        canary = _LIMIT if cell.kind == "limit" else base + _MARGIN.absolute
        shares = (canary, base)
        test = test.update(_draw_counts(cell, dice, _draw_units(cell, dice, look), shares))
        is_harm |= test.logs.harm >= -math.log(ALPHA)
        is_safe |= test.logs.safe >= -math.log(BETA)
    return {"rolled back": (is_harm, ALPHA), "promoted": (is_safe, BETA)}


def _draw_counts(
    cell: KindCell, dice: np.random.Generator, units: tuple[int, int], shares: tuple[float, float]
) -> Counts:
    """Draw one look; of a histogram what lies beyond its edge has the declared share."""
    bad = [int(dice.binomial(own, share)) for own, share in zip(units, shares, strict=True)]
    pairs = list(zip(units, bad, strict=True))
    if cell.kind == "limit":
        return Counts(pairs[0], pairs[1])
    rest = [dice.multinomial(own - beyond, (0.7, 0.3)).tolist() for own, beyond in pairs]
    is_high = cell.kind == "slower"
    canary, stable = (
        (*inner, beyond, 0) if is_high else (beyond, *inner, 0)
        for inner, beyond in zip(rest, bad, strict=True)
    )
    counts = Counts(canary, stable, _EDGES)
    if is_high:
        return count_beyond(counts, 0.25, "high", str)
    return count_beyond(counts, 0.1, "low", str)


def _follow_never(cell: KindCell, dice: np.random.Generator) -> dict[str, Any]:
    """Tell whether nothing was called something, and something nothing."""
    clean, broken = NeverTest(1), NeverTest(1)
    begins = int(dice.integers(LOOKS))
    for look in range(LOOKS):
        units = max(_draw_units(cell, dice, look)[0], 1)
        clean = clean.update(Counts((units, 0), (0, 0)))
        broken = broken.update(Counts((units, int(look == begins)), (0, 0)))
    return {"rolled back": (clean.is_broken, 0.0), "missed": (not broken.is_broken, 0.0)}


def _follow_ratio(cell: KindCell, dice: np.random.Generator) -> dict[str, Any]:
    """Tell whether the interval ever lay above the truth, or below it."""
    sums, is_above, is_below = SumRatio(), False, False
    for look in range(LOOKS):
        moved = 1 + 0.5 * math.sin(look / 20)
        units = _draw_units(cell, dice, look)
        added = (round(moved * _draw_sum(cell.tail, own, dice)) for own in units)
        sums = sums.with_look(*units, *added)
        if sums.interval is not None:
            low, high = sums.interval
            is_above |= low > 1.0
            is_below |= high < 1.0
    return {"interval above": (is_above, None), "interval below": (is_below, None)}


def _draw_sum(tail: str, units: int, dice: np.random.Generator) -> float:
    """Draw what so many requests add, each with the same mean."""
    name, _, shape = tail.partition(" ")
    if name == "log-normal":
        sigma = float(shape)
        return float(_MEAN * np.exp(sigma * dice.standard_normal(units) - sigma**2 / 2).sum())
    if name == "Pareto":
        power = float(shape)
        return float(_MEAN * (power - 1) / power * (1 + dice.pareto(power, units)).sum())
    return float(dice.geometric(1 / _MEAN, units).sum())


def misses(rows: list[Row]) -> list[str]:
    """Return the figures above their bar by more than chance; a ratio of sums has none."""
    return [
        f"{row['kind']} {row['figure']}: {row['share']:.3f} above {row['bar']:g}"
        for row in rows
        if row["bar"] is not None and above(row["share"], row["bar"], row["runs"])
    ]


def describe(rows: list[Row]) -> list[list[str]]:
    """Return the cells of the block's table."""
    return [
        [
            f"{row['kind']}{', ' if row['tail'] else ''}{row['tail']}, {row['rate']:g} rps",
            row["figure"],
            f"{row['share']:.3f} ({row['error']:.3f})",
            f"about {LEVEL / 2:g}, not held" if row["bar"] is None else f"{row['bar']:g}",
        ]
        for row in rows
    ]
