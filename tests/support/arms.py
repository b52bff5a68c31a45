"""A mesh of three arms whose entries are named like them."""

from dataclasses import dataclass
from typing import ClassVar

from rollout.route.manifest import Json
from rollout.route.weighted_route import Arm


@dataclass(frozen=True)
class NamedArms:
    """Implements `Mesh` for a stable version and two canaries."""

    arms: ClassVar[tuple[Arm, ...]] = ("stable", "first", "second")
    default_weight: ClassVar[int] = 0
    single_takes_all: ClassVar[bool] = False
    max_weight: ClassVar[int] = 1000
    carries: ClassVar[tuple[str, ...]] = ()

    def arm_of(self, entry: Json) -> Arm | None:
        return entry["name"] if entry["name"] in self.arms else None

    def impostor(self, entry: Json) -> Arm | None:
        del entry
        return None

    def target(self, entry: Json) -> str:
        return str(entry["name"])

    def entry(self, arm: Arm, like: Json) -> Json:
        del like
        return {"name": arm}

    def name(self, arm: Arm) -> str:
        return arm
