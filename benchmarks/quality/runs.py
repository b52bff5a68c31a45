"""Sizes, seeds, parallel cells, and shares with their Monte-Carlo errors."""

from __future__ import annotations

import math
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Cell = TypeVar("Cell")
Row = dict[str, Any]
CHUNK = 250
"""The most rollouts in memory at once."""

SIGMAS = 3.0
"""Monte-Carlo standard errors by which a figure may lie beyond its bar without a miss."""


@dataclass(frozen=True)
class Size:
    """Rollouts per cell of each block."""

    rollback: int
    contest: int
    dispersion: int
    detection: int
    promotion: int
    harm: int
    latency: int
    default: int
    kinds: int
    margins: int


QUICK = Size(
    rollback=30,
    contest=40,
    dispersion=40,
    detection=100,
    promotion=20,
    harm=60,
    latency=8,
    default=20,
    kinds=40,
    margins=10,
)
FULL = Size(
    rollback=1000,
    contest=2000,
    dispersion=500,
    detection=2000,
    promotion=500,
    harm=1000,
    latency=160,
    default=1000,
    kinds=1000,
    margins=400,
)


def seeded(seed: int, *key: object) -> np.random.Generator:
    """Return the random generator of a key, independent of the order of work."""
    return np.random.default_rng([seed, zlib.crc32(repr(key).encode())])


def chunks(rollouts: int) -> Iterator[int]:
    """Yield sizes that add up to `rollouts`, none larger than CHUNK."""
    for begin in range(0, rollouts, CHUNK):
        yield min(CHUNK, rollouts - begin)


def each(name: str, run: Callable[[Cell], list[Row]], cells: Sequence[Cell]) -> list[Row]:
    """Compute the rows of all cells on all cores; return them in the cells' order."""
    rows: list[Row] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, cell_rows in enumerate(pool.map(run, cells), 1):
            rows += cell_rows
            _show_progress(f"{name}: {done} of {len(cells)} cells")
    _show_progress("")
    return rows


def _show_progress(words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)


def error(share: float, runs: int) -> float:
    """Return the Monte-Carlo standard error of a share.

    One success and one failure are added, so that it is not zero for a share of 0 or 1.
    """
    smoothed = (share * runs + 1) / (runs + 2)
    return math.sqrt(smoothed * (1 - smoothed) / runs)


def above(share: float, bar: float, runs: int) -> bool:
    """Return whether a share is above its bar by more than chance.

    More than chance means at most as probable as SIGMAS standard errors of a normal. The binomial
    distribution is used, because with a small bar and few runs a share is far from normal.
    """
    from scipy.stats import binom, norm

    return bool(share > bar and binom.sf(round(share * runs) - 1, runs, bar) < norm.sf(SIGMAS))
