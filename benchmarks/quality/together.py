"""Computes several small cells as one.

A NumPy pass over many rollouts costs hardly more than one over a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.runs import CHUNK
from benchmarks.worlds.rates import CountsModel, History, Streams

Cell = TypeVar("Cell")
Drawn = TypeVar("Drawn", Streams, History)


def groups(cells: Sequence[Cell], rollouts: int) -> list[tuple[Cell, ...]]:
    """Group cells that are computed together: `rollouts` of each fit into one chunk."""
    size = max(1, CHUNK // rollouts)
    return [tuple(cells[i : i + size]) for i in range(0, len(cells), size)]


@dataclass(frozen=True)
class Worlds:
    """Worlds of one shape, each with its own generators.

    So a world draws the same whether alone or with others. `now` and `before` are the generators
    of streams and of stable's past, one for each world.
    """

    worlds: Sequence[CountsModel]
    size: int
    now: Sequence[np.random.Generator]
    before: Sequence[np.random.Generator]

    def streams(self) -> Streams:
        """Draw rollouts of the first world, then of the second, and so on."""
        pairs = zip(self.worlds, self.now, strict=True)
        return _concatenate([world.streams(dice, self.size) for world, dice in pairs])

    def history(self, ticks: int = 1440) -> History:
        """Draw stable's past, one for each of these rollouts."""
        pairs = zip(self.worlds, self.before, strict=True)
        return _concatenate([world.history(dice, self.size, ticks) for world, dice in pairs])

    def counts(self, happened: NDArray[np.bool_]) -> list[int]:
        """Count in how many of each world's rollouts something happened."""
        return [int(n) for n in happened.reshape(len(self.worlds), self.size).sum(axis=1)]


def _concatenate(parts: Sequence[Drawn]) -> Drawn:
    return type(parts[0])(*map(np.concatenate, zip(*parts, strict=True)))
