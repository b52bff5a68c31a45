"""The two backends of a plan, and references that only look like them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rollout.errors import RouteError
from rollout.route.manifest import Json
from rollout.route.weighted_route import TWO_ARMS, Arm, WeightedRoute


@dataclass(frozen=True)
class BackendRefs:
    """The two backends of a plan.

    Implements `Mesh`: weights are relative, and an absent one is 1.
    """

    namespace: str
    stable: str
    canary: str
    group: str = ""
    kind: str = "Service"
    port: int | None = None

    arms: ClassVar[tuple[Arm, ...]] = TWO_ARMS
    default_weight: ClassVar[int] = 1
    single_takes_all: ClassVar[bool] = False  # a lone backend of weight 0 gets nothing
    max_weight: ClassVar[int] = 1_000_000
    carries: ClassVar[tuple[str, ...]] = ("filters",)

    def arm_of(self, entry: Json) -> Arm | None:
        ours = (
            entry.get("group", "") == self.group
            and entry.get("kind", "Service") == self.kind
            and entry.get("namespace", self.namespace) == self.namespace
            and self.port in (None, entry.get("port"))
        )
        arms: dict[str, Arm] = {self.stable: "stable", self.canary: "canary"}
        return arms.get(str(entry.get("name"))) if ours else None

    def target(self, entry: Json) -> str:
        group, kind = entry.get("group") or "", entry.get("kind") or "Service"
        namespace = entry.get("namespace") or self.namespace
        return f"{kind}{group and '.'}{group} {namespace}/{entry.get('name')}"

    def describe(self, entry: Json) -> str:
        """Return where an entry leads, with its port."""
        port = entry.get("port")
        return self.target(entry) + (f" at port {port}" if port else "")

    def impostor(self, entry: Json) -> Arm | None:
        """Return the arm whose name an entry has without being it: another kind of object."""
        arms: dict[str, Arm] = {self.stable: "stable", self.canary: "canary"}
        return None if self.arm_of(entry) else arms.get(str(entry.get("name")))

    def entry(self, arm: Arm, like: Json) -> Json:
        """Return the same reference with the arm's name, without filters."""
        reference = {
            key: like[key] for key in ("group", "kind", "namespace", "port") if key in like
        }
        return reference | {"name": self.stable if arm == "stable" else self.canary}

    @property
    def pattern(self) -> Json:
        """The group and the kind that the plan's backends have."""
        return {"group": self.group, "kind": self.kind}

    def name(self, arm: Arm) -> str:
        return f"{self.kind} {self.stable if arm == 'stable' else self.canary}"


def refuse_impostors(rules: Sequence[WeightedRoute], mesh: BackendRefs) -> None:
    """Raise RouteError where a rule leads to an arm, and to another object with an arm's name.

    Moving weights there would add a backend that does not exist, beside the one that was meant.
    """
    for rule in rules:
        for entry in rule.entries if rule.arm_entries else ():
            if arm := mesh.impostor(entry):
                means = mesh.target(mesh.entry(arm, mesh.pattern))
                raise RouteError(
                    f"{rule.location} leads to {mesh.describe(entry)}, the plan means "
                    f"{means}{f' at port {mesh.port}' if mesh.port else ''}: name group, kind and "
                    "port of the backends in the plan, or mend the rule"
                )
