"""Triggers: considered within a tick, and what they wish carried out beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rollout.backoff import backoff
from rollout.errors import ClusterError
from rollout.kube.kinds import ROLLOUT_PLAN, ROLLOUT_TRIGGER, Json, Kind
from rollout.operate.plan_cache import Resources
from rollout.operate.triggers.plans import DesiredPlan, desired_plans
from rollout.tick.fleet import Fleet

_LEAST, _MOST = 0.5, 30.0  # seconds between two attempts, growing while they fail
_CONFLICT = 409
_PASSED = (404, _CONFLICT)


class Maker(Protocol):
    """The part of a cluster that makes plans and shows statuses. Both raise ClusterError."""

    def create(self, kind: Kind, namespace: str, body: Json) -> Json: ...
    def patch_status(self, kind: Kind, namespace: str, name: str, body: Json) -> Json: ...


class Triggers:
    """Considered within a tick, which waits for no cluster; carried out beside it."""

    def __init__(self, triggers: Resources, deployments: Resources) -> None:
        self._triggers, self._deployments = triggers, deployments
        self._wishes: dict[str, DesiredPlan] = {}
        self._failures, self._due = 0, 0.0

    def consider(self, known: Callable[[str], bool], fleet: Fleet) -> None:
        """Wish anew, from what is known now; nothing while something is not known."""
        triggers, deployments = self._triggers.list(), self._deployments.list()
        if triggers is not None and deployments is not None:
            self._wishes = desired_plans(triggers, deployments, known, fleet)

    def publish(self, maker: Maker, now: float) -> None:
        """Carry out what is wished. Raises ClusterError with the first problem; it is due again."""
        if now < self._due:
            return
        for name, wish in self._wishes.items():
            try:
                _carry_out(maker, name, wish)
            except ClusterError as error:
                self._failures += 1
                self._due = now + backoff(self._failures, _LEAST, _MOST)
                raise ClusterError(f"trigger {name}: {error}", error.status) from None
        self._failures = 0


def _carry_out(maker: Maker, name: str, wish: DesiredPlan) -> None:
    """The plan first: a status that tells of it must not come before it is there."""
    namespace, _, plain = name.partition("/")
    if wish.plan is not None:
        try:
            maker.create(ROLLOUT_PLAN, namespace, wish.plan)
        except ClusterError as error:
            if error.status != _CONFLICT:  # it is there already: made before a restart, say
                raise
    if wish.status == (wish.trigger.get("status") or {}):
        return
    condition = {"resourceVersion": wish.trigger["metadata"]["resourceVersion"]}
    body = {"metadata": condition, "status": wish.status}
    try:
        maker.patch_status(ROLLOUT_TRIGGER, namespace, plain, body)
    except ClusterError as error:
        if error.status not in _PASSED:  # another version is there, or none: looked at anew
            raise
