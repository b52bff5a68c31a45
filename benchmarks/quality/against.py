"""Block 3's bar: our requests divided by each peer's in the same cell."""

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
    """Return the peers' rows with the ratio of our requests to theirs.

    The ratio is 0 if only we find the harm, and inf if only they do. Cells in which neither finds
    it are left out.
    """
    ours = {_identify_cell(row): row for row in rows if row["rule"] == INDEPENDENT}
    both = [(ours[_identify_cell(row)], row) for row in rows if row["rule"] not in ENGINES]
    return [
        {
            **row,
            "ours": mine["requests"],
            "ratio": _compute_ratio(mine["requests"], row["requests"]),
            "ratio_error": _compute_relative_error(mine) + _compute_relative_error(row),
        }
        for mine, row in both
        if math.isfinite(min(mine["requests"], row["requests"]))
    ]


def _compute_ratio(mine: float, theirs: float) -> float:
    return mine / theirs if math.isfinite(mine) else math.inf


def _compute_relative_error(row: Row) -> float:
    """Return the relative error of the median; 0 if the median is infinite."""
    return row["requests_error"] / row["requests"] if math.isfinite(row["requests"]) else 0.0


def _identify_cell(row: Row) -> tuple[object, ...]:
    return row["scenario"], row["rate"], row["base"], row["theta"]


def misses(rows: list[Row]) -> list[str]:
    """Return the misses: cells whose bar a test could meet, and the bar on false rollback."""
    messages = [miss.words for miss in judged(rows) if not miss.wall]
    ours, flagger = (_average_false_rollback(rows, rule) for rule in (INDEPENDENT, "Flagger"))
    if ours > FALSE_BAR * flagger:
        messages.append(f"false rollback {ours:.4f} against Flagger's {flagger:.3f}, bar 1/50")
    return messages


def beyond(rows: list[Row]) -> list[str]:
    """Return the cells whose bar no test can meet, each with the reason."""
    return [f"{miss.words}; {miss.wall}" for miss in judged(rows) if miss.wall]


def judged(rows: list[Row]) -> Iterator[Miss]:
    """Yield the cells beyond the bar on requests.

    A peer whose documented limit rolls back half of a cell's harmless canaries is compared with its
    oracle's limit there: a rule that always rolls back detects nothing, however fast it is.
    """
    hopeless = {
        (row["rule"], _identify_cell(row))
        for row in rows
        if row["limit"] == "documented" and row["false_rollback"] > 0.5
    }
    for row in compared(rows):
        asked = "oracle" if (row["rule"], _identify_cell(row)) in hopeless else "documented"
        bar = BAR.get(row["rule"], math.inf)
        if row["limit"] == asked and row["ratio"] > bar * (1 + SIGMAS * row["ratio_error"]):
            yield Miss(
                f"requests over {row['rule']}'s ({asked} limit) {row['ratio']:.2f}, bar {bar:.3f}: "
                f"{row['rate']:g} rps, base {row['base']:.1%}, {row['theta']:g}x",
                _explain_wall(row, bar),
            )


def _explain_wall(row: Row, bar: float) -> str:
    """Return why the bar cannot be met, empty if it can.

    Either no test at all meets it, or it asks for less than block 2 allows: 1.14 times the requests
    of the SPRT that knows the effect. Both tests have our alpha, whatever the peer's own
    false-rollback rate is.
    """
    requests = bar * row["requests"]
    p_c, p_s, rho = row["theta"] * row["base"], row["base"], WEIGHT / (1 - WEIGHT)
    power = most_power(requests, p_c, p_s, rho, row["alpha"])
    theirs = f"they are wrong in {row['false_rollback']:.1%}"
    if power < 0.5:
        return f"in {requests:.0f} requests no test finds more than {power:.0%} ({theirs})"
    sprt_ratio = _compute_ratio(row["known"], row["requests"])
    error = _compute_relative_error(row) + row["known_error"] / row["known"]
    if SPRT_BAR * sprt_ratio > bar * (1 + SIGMAS * error):
        allowed = f"block 2 allows {SPRT_BAR} times that ({theirs})"
        return f"the SPRT that knows the effect needs {sprt_ratio:.3f}, {allowed}"
    return ""


def _average_false_rollback(rows: list[Row], rule: str) -> float:
    """Return the mean false rollback of a rule at its own limit."""
    own = [row for row in rows if row["rule"] == rule and row["limit"] != "oracle"]
    return float(np.mean([row["false_rollback"] for row in own]))
