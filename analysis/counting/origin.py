"""What is known of when a counter stood at 0: the evidence by which births and falls are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from analysis.counting.cursor import Arm

By = Literal["", "scrape", "created", "start", "other", "renamed"]


@dataclass(frozen=True)
class Origin:
    """The evidence on one series that was born, fell or leapt.

    `name` is its metric with the names of its labels, without their values. `zeros` are unix times
    at which the counter is known to have stood at 0, or not to have been there, and `by` is how:
    `scrape`, the same target was scraped then and did not have the series; `created`, by its
    created timestamp; `start`, its process started then, or did not start if there is no zero.
    `other` means that the process which answered last had been up before the counter fell, and was
    not the one that answered before. `renamed` means that the series took over from another one of
    its target at these times, so that it counts from its samples there.
    """

    name: str
    zeros: tuple[float, ...] = ()
    by: By = ""

    def zero_between(self, start: float, end: float) -> float | None:
        """Return the newest known zero after `start` and up to `end`; None without one."""
        return max((zero for zero in self.zeros if start < zero <= end), default=None)


Origins = Mapping[str, Origin]
"""Evidence by series, see `series_id`."""


def series_id(arm: Arm, key: str) -> str:
    """Return a series' key among those of both arms."""
    return f"{arm} {key}"
