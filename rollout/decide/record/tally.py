"""What a look believes of one guardrail's samples, and where counting goes on from there.

How it works: the observer counts where it reads, and keeps the last sample of every series in its
process. The journal gets the sums, however many series there are, with as much of the times as the
rules and a later leader need: that one reads the last samples again, at these times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from analysis.counting.counts import Counts
from analysis.counting.cursor import Arm
from analysis.counting.native_histogram import Grid

Times = tuple[tuple[float, int], ...]
"""Unix times of the last samples of series, each with the number of series; oldest first."""

LATE = 1.02
"""Scrape intervals between a target's sample and the newest one, from which it is behind."""

_EXACT = 32  # times that are kept as they are
_PER_SCRAPE = 16  # groups of times in a scrape interval
_FINE = 3 * _PER_SCRAPE  # groups of equal span


def _unset(value: Any) -> bool:
    return not value


class LookTally(BaseModel):
    """One guardrail's counts in a look, and the times of the samples that are counted.

    Counts are as in `Counts`. `began`, `pace` and `doubted` are those of the cursor; `behind` has
    targets whose newest sample is older than that of others by more than a scrape, newest first,
    since more of their samples may have been there to read. Series and targets are named by keyed
    digests, and `key` tells by which key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    canary: tuple[int, ...]
    stable: tuple[int, ...]
    edges: tuple[float, ...] = Field((), exclude_if=_unset)
    unlabelled: tuple[int, int] | None = Field(
        None, exclude_if=_unset, description="Units of canary and stable of unknown outcome."
    )
    apart: tuple[tuple[int, ...], tuple[int, ...]] | None = Field(
        None, exclude_if=_unset, description="Units of further kinds, of canary and stable."
    )
    judges: tuple[str, ...] = Field(
        (), exclude_if=_unset, description="Digests of the judges that scored, where a label tells."
    )
    key: str = Field(description="Id of the key of all digests.")
    until: float = Field(description="Unix time of the newest counted sample.")
    canary_times: Times = Field((), exclude_if=_unset)
    stable_times: Times = Field((), exclude_if=_unset)
    began: float | None = Field(None, exclude_if=_unset)
    pace: float = Field(0.0, exclude_if=_unset)
    grid: Grid | None = Field(None, exclude_if=_unset)
    behind: dict[str, float] = Field(
        {}, exclude_if=_unset, description="Unix time of the newest sample, by target."
    )
    since: float | None = Field(
        None,
        exclude_if=_unset,
        description="Unix time from which a series is counted that had missed a scrape.",
    )
    first: float | None = Field(
        None,
        exclude_if=_unset,
        description="Unix time from which the first of all targets is counted, if before others.",
    )
    behind_more: int = Field(0, exclude_if=_unset, description="Targets that are not listed.")
    doubted: dict[str, float] = Field(
        {}, exclude_if=_unset, description="Until when a series is doubted, unix time."
    )
    held: tuple[str, ...] = Field(
        (), exclude_if=_unset, description="Series that fell by a unit or so: the old count stands."
    )
    held_more: int = Field(0, exclude_if=_unset, description="Such series that are not listed.")

    sums: dict[str, tuple[float, ...]] = Field(
        {},
        exclude_if=_unset,
        description="Of sums over processes the highest pace; of those that fell also the least "
        "fall, its seconds, and by how many units per bucket in all.",
    )
    lost: tuple[Arm, ...] = Field(
        (),
        exclude_if=_unset,
        description="Versions of which a restart did not read every counted series again.",
    )

    @property
    def counts(self) -> Counts:
        """The counts of both versions."""
        unlabelled, apart = self.unlabelled or (0, 0), self.apart or ((), ())
        return Counts(self.canary, self.stable, self.layout, *unlabelled, *apart)

    @property
    def layout(self) -> tuple[float, ...]:
        """The buckets' upper edges; those of native histograms follow from their grid."""
        return self.grid.edges if self.grid else self.edges

    def last_times(self, arm: Arm) -> Times:
        """Return the times of the last samples of that arm's series."""
        return self.canary_times if arm == "canary" else self.stable_times

    def newest(self, arm: Arm) -> float | None:
        """Return the unix time of that arm's newest sample; None if it has none."""
        times = self.last_times(arm)
        return times[-1][0] if times else None


def cluster(times: Mapping[float, int], scrape: float) -> Times:
    """Return the times of series' last samples, bounded in number; `scrape` is in seconds.

    Where there are many, those within a sixteenth of a scrape interval become their newest; beyond
    three intervals, where only ended series are, the span of a group doubles each time.
    """
    ordered = sorted(times.items())
    if len(ordered) <= _EXACT:
        return tuple(ordered)
    newest, groups = ordered[-1][0], dict[int, tuple[float, int]]()
    for at, number in ordered:
        group = _find_group((newest - at) * _PER_SCRAPE / scrape)
        groups[group] = at, number + groups.get(group, (at, 0))[1]
    return tuple(sorted(groups.values()))


def _find_group(age: float) -> int:
    return int(age) if age < _FINE else _FINE + int(math.log2(age / _FINE))
