"""Sizes, seeds, cells in parallel, and shares with their Monte-Carlo errors."""

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
"""Rollouts that are in memory at once."""

SIGMAS = 3.0
"""Monte-Carlo standard errors that a figure may lie beyond its bar before the bar is missed."""


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


QUICK = Size(
    rollback=30, contest=40, dispersion=40, detection=100, promotion=20, harm=60, latency=8
)
FULL = Size(
    rollback=1000,
    contest=2000,
    dispersion=500,
    detection=2000,
    promotion=500,
    harm=1000,
    latency=160,
)


def seeded(seed: int, *key: object) -> np.random.Generator:
    """A generator of its own for each key, whatever the order of work."""
    return np.random.default_rng([seed, zlib.crc32(repr(key).encode())])


def chunks(rollouts: int) -> Iterator[int]:
    """Sizes that add up to `rollouts`, none larger than CHUNK."""
    for begin in range(0, rollouts, CHUNK):
        yield min(CHUNK, rollouts - begin)


def each(name: str, run: Callable[[Cell], list[Row]], cells: Sequence[Cell]) -> list[Row]:
    """The rows of all cells, in their order, computed on all cores."""
    rows: list[Row] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, found in enumerate(pool.map(run, cells), 1):
            rows += found
            _progress(f"{name}: {done} of {len(cells)} cells")
    _progress("")
    return rows


def _progress(words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)


def error(share: float, runs: int) -> float:
    """Monte-Carlo standard error of a share; not zero where nothing or everything was seen."""
    kept = (share * runs + 1) / (runs + 2)
    return math.sqrt(kept * (1 - kept) / runs)


def above(share: float, bar: float, runs: int) -> bool:
    """Whether a share is beyond its bar by more than luck: as rare as SIGMAS of a normal, or rarer.

    By the binomial distribution, because a small bar and few runs are far from normal.
    """
    from scipy.stats import binom, norm

    return bool(share > bar and binom.sf(round(share * runs) - 1, runs, bar) < norm.sf(SIGMAS))
