"""Resources read once per change: the plan that each declares, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rollout.errors import PlanError
from rollout.kube.kinds import Json
from rollout.plan.kube.resource import APPLIED, name_of, plan_of, told
from rollout.plan.model.plan import Plan


class Resources(Protocol):
    """The resources of a kind."""

    def list(self) -> Sequence[Json] | None:
        """All of them as last seen; None while that is not known."""
        ...


@dataclass(frozen=True)
class Declared:
    """A plan and the id that its rollout has; a digest, worked out once."""

    plan: Plan
    rollout: str


Read = Declared | tuple[str, ...]


class PlanCache:
    """Remembers what it read, by the parts of a resource that a plan is made of."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[Any, ...], Read]] = {}

    def read(self, resource: Json) -> Read:
        """The plan, or every mistake as `place: code message`."""
        name, metadata = name_of(resource), resource["metadata"]
        applied = (metadata.get("annotations") or {}).get(APPLIED)
        key = (metadata.get("uid"), metadata.get("generation"), applied)
        if name not in self._known or self._known[name][0] != key:
            self._known[name] = (key, _read(resource))
        return self._known[name][1]

    def keep(self, names: Collection[str]) -> None:
        """Forget all others."""
        self._known = {name: known for name, known in self._known.items() if name in names}


def _read(resource: Json) -> Read:
    try:
        plan = plan_of(resource)
        return Declared(plan, plan.id)
    except PlanError as error:
        return tuple(told(resource, error))
