"""Options in the units of a plan: shares with `%`, durations with their unit, plain numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from rollout.plan.fields.units import seconds, share

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType  # generic only in newer versions

_MOST = 1e12
_HOUR = 3600.0


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


def _past(text: str) -> float:
    found = seconds(text)
    if found > _HOUR:
        raise ValueError("at most 1h: an observer looks no further back")
    return found


def _number(least: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        found = float(text)
        if not least <= found <= _MOST:
            raise ValueError(f"write a number from {least:g} to {_MOST:g}")
        return found

    return read


def _edges(text: str) -> tuple[float, ...]:
    edges = tuple(float(word) for word in text.split(",") if word.strip() not in {"+Inf", "inf"})
    rising = all(low < high for low, high in pairwise(edges))
    if len(edges) < 2 or not rising or not all(map(math.isfinite, edges)):
        raise ValueError("write two edges or more in rising order: 10,25,50,100")
    return edges


SHARE = Quantity("percent", _share)
SECONDS = Quantity("duration", seconds)
PAST = Quantity("duration", _past)
MILLISECONDS = Quantity("duration", _milliseconds)
SCORE = Quantity("number", _number(-_MOST))
POSITIVE = Quantity("number", _number(1e-6))
EDGES = Quantity("edges", _edges)
