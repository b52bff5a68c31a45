"""The plans that have begun with what their templates read then.

A plan that is read holds what its template reads, so the digest of the plan changes with it. Once a
plan has begun, its rollout is that of the template as it was then: an edited template changes no
rollout, neither under way nor ended, until the plan itself is edited.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from rollout.kube.kinds import Json
from rollout.operate.plan_cache import Declared
from rollout.plan.kube.resource import find_spelling
from rollout.plan.kube.template import list_named
from rollout.tick.fleet import Fleet


@dataclass
class BegunPlans:
    """The plans that have begun with what their templates read then, by `namespace/name`."""

    _begun: dict[str, tuple[Any, Declared]] = field(default_factory=dict)

    def find(self, name: str, resource: Json, fleet: Fleet) -> Declared | None:
        """Return a plan as it has begun; None where it has not, or was edited since.

        After a restart the resource's own status tells which rollout is that of its spec.
        """
        if not list_named(resource):
            return None
        spelling, begun = self._begun.get(name, (None, None))
        if begun is not None and spelling == find_spelling(resource):
            return begun
        rollout = _read_rollout(resource)
        plan = fleet.plan_of(rollout) if rollout else None
        if plan is None:
            return None
        declared = Declared(fleet.states[rollout].plan, plan)
        self.keep(name, resource, declared)
        return declared

    def keep(self, name: str, resource: Json, declared: Declared) -> None:
        """Keep a plan that has begun."""
        if list_named(resource):
            self._begun[name] = find_spelling(resource), declared

    def forget_all_but(self, names: Collection[str]) -> None:
        """Forget the plans whose resources are gone."""
        self._begun = {name: entry for name, entry in self._begun.items() if name in names}


def _read_rollout(resource: Json) -> str:
    """Return the rollout that a status shows as that of the spec as it stands; empty if none."""
    status = resource.get("status") or {}
    if status.get("observedGeneration") != resource["metadata"].get("generation"):
        return ""
    holds = {c.get("type"): c.get("status") for c in status.get("conditions") or []}
    is_own = holds.get("Accepted") == "True" and holds.get("Pending") != "True"
    return str(status.get("rollout") or "") if is_own else ""
