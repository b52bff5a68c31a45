"""How far an experiment has come at its last step, and the best evidence that it has had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class BestEvidence(NamedTuple):
    """The most corrected evidence that a goal ever had, as logs: a conclusion stays one."""

    better: float = 0.0
    worse: float = 0.0


@dataclass(frozen=True)
class TrialProgress:
    """What counts towards an experiment's end, from its first time at the ramp's last step on.

    `looks_before` and `units_before` were compared before that. `lasted` is the time there, by the
    rollout's clock, up to `since`, from which on it is there now; None while it is not.
    `has_moved`: the shares were moved since it came there. `moved_looks` were compared by the
    newest move, also of an earlier stay.
    """

    has_begun: bool = False
    looks_before: int = 0
    units_before: int = 0
    lasted: float = 0.0
    since: float | None = None
    has_moved: bool = False
    moved_looks: int | None = None
    best: Mapping[str, BestEvidence] = field(default_factory=dict)

    def lasted_by(self, clock: float) -> float:
        """Return the seconds at the last step by a time of the rollout's clock."""
        return self.lasted if self.since is None else self.lasted + max(clock - self.since, 0.0)
