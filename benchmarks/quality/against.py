"""The bar of block 3: our requests over each peer's in the same cell of the contest."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from benchmarks.quality.contest import WEIGHT
from benchmarks.quality.detection import SPRT_BAR
from benchmarks.quality.engines import ENGINES, INDEPENDENT
from benchmarks.quality.reach import Miss, most_power
from benchmarks.quality.runs import SIGMAS, Row

BAR = {"Flagger": 1 / 4, "Argo": 1 / 4, "Kayenta": 1 / 8}
FALSE_BAR = 1 / 50


def compared(rows: list[Row]) -> list[Row]:
    """Peers' rows with our requests over theirs: 0 where only we find the harm, inf where only they
    do. Cells that neither finds are left out.
    """
    ours = {_place(row): row for row in rows if row["rule"] == INDEPENDENT}
    both = [(ours[_place(row)], row) for row in rows if row["rule"] not in ENGINES]
    return [
        {
            **row,
            "ours": mine["requests"],
            "ratio": _ratio(mine["requests"], row["requests"]),
            "ratio_error": _relative(mine) + _relative(row),
        }
        for mine, row in both
        if math.isfinite(min(mine["requests"], row["requests"]))
    ]


def _ratio(mine: float, theirs: float) -> float:
    return mine / theirs if math.isfinite(mine) else math.inf


def _relative(row: Row) -> float:
    """Relative error of the median; 0 where there is none."""
    return row["requests_error"] / row["requests"] if math.isfinite(row["requests"]) else 0.0


def _place(row: Row) -> tuple[object, ...]:
    return row["scenario"], row["rate"], row["base"], row["theta"]


def misses(rows: list[Row]) -> list[str]:
    """Cells beyond the bar that a test could meet, and the bar on false rollback over all cells."""
    found = [miss.words for miss in judged(rows) if not miss.wall]
    ours, flagger = (_false(rows, rule) for rule in (INDEPENDENT, "Flagger"))
    if ours > FALSE_BAR * flagger:
        found.append(f"false rollback {ours:.4f} against Flagger's {flagger:.3f}, bar 1/50")
    return found


def beyond(rows: list[Row]) -> list[str]:
    """Cells in which the bar asks for more than information allows, each with the reason."""
    return [f"{miss.words}; {miss.wall}" for miss in judged(rows) if miss.wall]


def judged(rows: list[Row]) -> Iterator[Miss]:
    """Cells beyond the bar on requests.

    A peer that, as documented, rolls back half of a cell's harmless canaries is asked with its
    oracle's limit there: how fast it says what it always says is no detection.
    """
    hopeless = {
        (row["rule"], _place(row))
        for row in rows
        if row["limit"] == "documented" and row["false_rollback"] > 0.5
    }
    for row in compared(rows):
        asked = "oracle" if (row["rule"], _place(row)) in hopeless else "documented"
        bar = BAR.get(row["rule"], math.inf)
        if row["limit"] == asked and row["ratio"] > bar * (1 + SIGMAS * row["ratio_error"]):
            yield Miss(
                f"requests over {row['rule']}'s ({asked} limit) {row['ratio']:.2f}, bar {bar:.3f}: "
                f"{row['rate']:g} rps, base {row['base']:.1%}, {row['theta']:g}x",
                _wall(row, bar),
            )


def _wall(row: Row, bar: float) -> str:
    """Why the bar cannot be asked for: no test at all meets it, or none that block 2 asks for.

    Block 2 allows a test that is not told the effect 1.14 times the requests of the SPRT that is.
    Both are held to our alpha, whatever the peer's own false-rollback rate is.
    """
    requests = bar * row["requests"]
    p_c, p_s, rho = row["theta"] * row["base"], row["base"], WEIGHT / (1 - WEIGHT)
    power = most_power(requests, p_c, p_s, rho, row["alpha"])
    theirs = f"they are wrong in {row['false_rollback']:.1%}"
    if power < 0.5:
        return f"in {requests:.0f} requests no test finds more than {power:.0%} ({theirs})"
    known = _ratio(row["known"], row["requests"])
    error = _relative(row) + row["known_error"] / row["known"]
    if SPRT_BAR * known > bar * (1 + SIGMAS * error):
        allowed = f"block 2 allows {SPRT_BAR} times that ({theirs})"
        return f"the SPRT that knows the effect needs {known:.3f}, {allowed}"
    return ""


def _false(rows: list[Row], rule: str) -> float:
    """Mean false rollback of a rule at its own limit."""
    own = [row for row in rows if row["rule"] == rule and row["limit"] != "oracle"]
    return float(np.mean([row["false_rollback"] for row in own]))
