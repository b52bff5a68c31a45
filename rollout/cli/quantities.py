"""Options in the units of a plan: shares with `%`, durations with their unit, bucket edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from rollout.plan.units import seconds, share

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType  # generic only in newer versions


class Quantity(_Type):
    """A value that a function reads from text; what it raises is told to the user."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name, self._read = name, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


def _share(text: str) -> float:
    found = share(text)
    if found > 1:
        raise ValueError("a share is at most 100%")
    return found


def _milliseconds(text: str) -> float:
    found = seconds(text) * 1000
    if found <= 0:
        raise ValueError("must be longer than 0s")
    return found


def _edges(text: str) -> tuple[float, ...]:
    edges = tuple(float(word) for word in text.split(",") if word.strip() not in {"+Inf", "inf"})
    rising = all(low < high for low, high in pairwise(edges))
    if len(edges) < 2 or not rising or not all(map(math.isfinite, edges)):
        raise ValueError("write two edges or more in rising order: 10,25,50,100")
    return edges


SHARE = Quantity("percent", _share)
SECONDS = Quantity("duration", seconds)
MILLISECONDS = Quantity("duration", _milliseconds)
EDGES = Quantity("edges", _edges)
