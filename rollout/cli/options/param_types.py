"""Parameter types in the units of a plan: shares with `%`, durations, times and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from rollout.answers.float_text import read_float
from rollout.explain.moment import parse_moment
from rollout.plan.fields.units import seconds, share
from rollout.redact import redact

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
    _Choice = click.Choice[str]
else:  # generic only in newer versions
    _Type, _Choice = click.ParamType, click.Choice

_MOST = 1_000_000
ALL = 0  # of what is counted from the newest: no limit
_MAX_NUMBER = 1e12  # far above any real rate or score
_HOUR = 3600.0


class Quantity(_Type):
    """A click parameter type around a parser; its ValueError becomes the message to the user."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value  # click also passes defaults, which are values already
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(f"{redact(value)!r}: {error}", param, ctx)


class Words(_Choice):
    """A choice between words with spaces, which may be joined, by hyphens too, in any case.

    A shell takes a word with a space only in quotes, and does not add them when it completes one.
    """

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__([*choices], case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        written = {"".join(str(choice).split()): choice for choice in self.choices}
        joined = value.replace("-", "").replace(" ", "").lower()
        return super().convert(written.get(joined, value), param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click passes it
        param: click.Parameter,  # noqa: ARG002 - click passes it
        incomplete: str,
    ) -> list[CompletionItem]:
        words = (str(choice).replace(" ", "-") for choice in self.choices)
        return [CompletionItem(word) for word in words if word.startswith(incomplete.lower())]


def _parse_share(text: str) -> float:
    value = share(text)
    if value > 1:
        raise ValueError("a share is at most 100 %")
    return value


def _parse_milliseconds(text: str) -> float:
    milliseconds = seconds(text) * 1000
    if milliseconds <= 0:
        raise ValueError("must be longer than 0s")
    return milliseconds


def _parse_past(text: str) -> float:
    past = seconds(text)
    if past > _HOUR:
        raise ValueError("at most 1h")
    return past


def _make_number_parser(least: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = read_float(text.strip())
        # NaN fails this comparison too.
        if not least <= number <= _MAX_NUMBER:
            raise ValueError(f"write a number of at least {least:g}")
        return number

    return parse


def _parse_newest(text: str) -> int:
    if text == "all":
        return ALL
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:10]) <= _MOST:
        raise ValueError(f"a number from 1 to {_MOST:,}, or `all`")
    return int(text)


def _parse_edges(text: str) -> tuple[float, ...]:
    # Every histogram ends in +Inf, so users may copy it from the `le` labels; it is not an edge.
    words = [word.strip() for word in text.split(",")]
    edges = tuple(read_float(word) for word in words if word not in {"+Inf", "inf"})
    rising = all(low < high for low, high in pairwise(edges))
    if len(edges) < 2 or not rising or not all(map(math.isfinite, edges)):
        raise ValueError("write two or more edges in rising order: 10,25,50,100")
    return edges


SHARE = Quantity("percent", _parse_share)
SECONDS = Quantity("duration", seconds)
PAST = Quantity("duration", _parse_past)
MILLISECONDS = Quantity("duration", _parse_milliseconds)
SCORE = Quantity("number", _make_number_parser(-_MAX_NUMBER))
POSITIVE = Quantity("number", _make_number_parser(1e-6))
MOMENT = Quantity("time", parse_moment)
EDGES = Quantity("edges", _parse_edges)
NEWEST = Quantity("N", _parse_newest)
