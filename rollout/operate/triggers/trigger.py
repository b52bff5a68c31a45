"""Computes what triggers want within a tick, and writes it to the cluster from another thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rollout.backoff import backoff
from rollout.errors import ClusterError
from rollout.kube.kinds import ROLLOUT_PLAN, ROLLOUT_TRIGGER, Json, Kind
from rollout.kube.templates import TemplateReader
from rollout.operate.plan_cache import Resources
from rollout.operate.triggers.plans import DesiredPlan, KnownPlans, desired_plans
from rollout.tick.bulkheads import Bulkheads
from rollout.tick.fleet import Fleet

_LEAST, _MOST = 0.5, 30.0  # seconds between two attempts, growing while they fail
_CONFLICT = 409
_OUTDATED = (404, _CONFLICT)


class PlanWriter(Protocol):
    """The part of a cluster client that creates plans and writes statuses.

    Both methods raise ClusterError.
    """

    def create(self, kind: Kind, namespace: str, body: Json) -> Json: ...
    def patch_status(self, kind: Kind, namespace: str, name: str, body: Json) -> Json: ...


class Triggers:
    """The triggers of a shard.

    `consider` runs in the tick's thread and sends no request; `publish` runs in another thread.
    """

    def __init__(self, triggers: Resources, deployments: Resources) -> None:
        self._triggers, self._deployments = triggers, deployments
        self._desired: dict[str, DesiredPlan] = {}  # replaced as a whole, so no lock is needed
        self._retries: dict[str, tuple[int, float]] = {}  # failures and due time, by trigger

    def consider(
        self,
        has_plan: Callable[[str], bool],
        fleet: Fleet,
        bulkheads: Bulkheads,
        templates: TemplateReader,
    ) -> None:
        """Compute the desired plans again, unless one of the two caches is not filled yet."""
        triggers, deployments = self._triggers.list(), self._deployments.list()
        if triggers is not None and deployments is not None:
            plans = KnownPlans(has_plan, fleet, templates)
            self._desired = desired_plans(triggers, deployments, plans, bulkheads)

    def publish(self, maker: PlanWriter, now: float) -> None:
        """Create the desired plans and write the triggers' statuses.

        A trigger that fails is tried again after a back-off of its own, and the others go on.
        Where the server does not answer or is overloaded, they wait for the next call. Raises
        ClusterError with the last problem.
        """
        desired_plans_now, problem = self._desired, None
        self._retries = {k: v for k, v in self._retries.items() if k in desired_plans_now}
        for name, desired in desired_plans_now.items():
            failures, due = self._retries.get(name, (0, 0.0))
            if now < due:
                continue
            try:
                _publish_one(maker, name, desired)
            except ClusterError as error:
                self._retries[name] = failures + 1, now + backoff(failures + 1, _LEAST, _MOST)
                problem = ClusterError(f"trigger {name}: {error}", error.status)
                if error.status in (0, 429) or error.status >= 500:
                    break
            else:
                self._retries.pop(name, None)
        if problem is not None:
            raise problem


def _publish_one(maker: PlanWriter, name: str, desired: DesiredPlan) -> None:
    """Create the plan, then write the status.

    The status marks the version as acted on: if it came first, a crash between the two would lose
    the plan for good.
    """
    namespace, _, plain = name.partition("/")
    if desired.plan is not None:
        try:
            maker.create(ROLLOUT_PLAN, namespace, desired.plan)
        except ClusterError as error:
            if error.status != _CONFLICT:  # it exists already, for instance from before a restart
                raise
    if desired.status == (desired.trigger.get("status") or {}):
        return
    condition = {"resourceVersion": desired.trigger["metadata"]["resourceVersion"]}
    body = {"metadata": condition, "status": desired.status}
    try:
        maker.patch_status(ROLLOUT_TRIGGER, namespace, plain, body)
    except ClusterError as error:
        if error.status not in _OUTDATED:  # changed or deleted: the next tick considers it again
            raise
