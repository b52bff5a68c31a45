"""The arms of a plan on an Envoy: its clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollout.route.manifest import Json
from rollout.route.weighted_route import TWO_ARMS, Arm


@dataclass(frozen=True)
class Arms:
    """The names of a plan's two clusters, and of the shadow cluster for mirrored requests.

    Implements `Mesh`: weights are relative to their sum. `service` is whose notes are ours.
    """

    stable: str
    canary: str
    shadow: str = ""
    service: str = ""

    arms: ClassVar[tuple[Arm, ...]] = TWO_ARMS
    default_weight: ClassVar[int] = 0
    single_takes_all: ClassVar[bool] = False  # Envoy refuses weights that sum to zero
    max_weight: ClassVar[int] = 2**31 - 1  # the sum is a uint32
    carries: ClassVar[tuple[str, ...]] = ()

    def __contains__(self, name: object) -> bool:
        return name in (self.stable, self.canary)

    def arm_of(self, entry: Json) -> Arm | None:
        arms: dict[object, Arm] = {self.stable: "stable", self.canary: "canary"}
        return arms.get(entry.get("name"))

    def impostor(self, entry: Json) -> Arm | None:
        """Return None: another host or cluster is another destination."""
        del entry
        return None

    def target(self, entry: Json) -> str:
        return str(entry.get("name"))

    def entry(self, arm: Arm, like: Json) -> Json:
        """Return the name alone: header changes of the other arm's entry are not copied."""
        del like
        return {"name": self.name(arm)}

    def name(self, arm: Arm) -> str:
        return self.stable if arm == "stable" else self.canary
