"""Several small cells as one: a pass over many rollouts costs hardly more than over a few."""

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
    """Cells that are computed together; so many rollouts of each are one chunk at most."""
    size = max(1, CHUNK // rollouts)
    return [tuple(cells[i : i + size]) for i in range(0, len(cells), size)]


@dataclass(frozen=True)
class Worlds:
    """Worlds of one shape; each draws what it draws alone, from generators of its own.

    `now` and `before` are the generators of streams and of stable's past, one for each world.
    """

    worlds: Sequence[CountsModel]
    size: int
    now: Sequence[np.random.Generator]
    before: Sequence[np.random.Generator]

    def streams(self) -> Streams:
        """Rollouts of the first world, then of the second, and so on."""
        pairs = zip(self.worlds, self.now, strict=True)
        return _joined([world.streams(dice, self.size) for world, dice in pairs])

    def history(self, ticks: int = 1440) -> History:
        """Stable's past, one for each of these rollouts."""
        pairs = zip(self.worlds, self.before, strict=True)
        return _joined([world.history(dice, self.size, ticks) for world, dice in pairs])

    def counts(self, happened: NDArray[np.bool_]) -> list[int]:
        """In how many of each world's rollouts something happened."""
        return [int(n) for n in happened.reshape(len(self.worlds), self.size).sum(axis=1)]


def _joined(parts: Sequence[Drawn]) -> Drawn:
    return type(parts[0])(*map(np.concatenate, zip(*parts, strict=True)))
