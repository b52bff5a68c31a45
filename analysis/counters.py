"""Cumulative counters to one look's evidence: differences per series, resets and births included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Arm = Literal["canary", "stable"]
Sample = tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class Series:
    """Raw samples of one cumulative series, oldest first.

    `key` identifies the series within its metric (labels, canonical). A sample is (unix seconds,
    values): one value for a plain counter, the cumulative bucket counts in the order of `edges` for a
    histogram (`edges` ends with infinity; empty for a plain counter). `bad` marks a counter of bad
    units; its units are exposures too.
    """

    key: str
    arm: Arm
    samples: tuple[Sample, ...]
    bad: bool = False
    edges: tuple[float, ...] = ()
