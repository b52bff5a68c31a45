"""Meshes that do not follow a write, and rollouts that wait for it."""

from __future__ import annotations

from typing import Any

from rollout.decide.record.facts import HookCalled
from rollout.decide.record.route_facts import Followed
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.ports import RouteStatus
from rollout.simulate.ports import MemoryRouter
from tests.support.worlds import Lab, plan


class CutOffRouter(MemoryRouter):
    """A mesh whose proxies do not hear of a new split: traffic keeps the share it had."""

    stays_at: float | None = None

    def share(self, plan: Plan) -> float:
        return super().share(plan) if self.stays_at is None else self.stays_at


class RemovableRouter(MemoryRouter):
    """A mesh whose object somebody deletes."""

    is_removed = False

    def read(self, plan: Plan, total: int, before: tuple[str, ...] | None = None) -> RouteStatus:
        if self.is_removed:
            raise RouteError("no such object", absent=True, refused=True)
        return super().read(plan, total, before)


def following_plan(name: str = "demo", **spec: Any) -> Plan:
    """A plan whose ends wait for their traffic, for 40 s at most."""
    return plan(name, **{"drain": "2s", "followWithin": "40s", "warmup": "2s", **spec})


def outcomes(lab: Lab) -> list[str]:
    return [fact.outcome for fact in lab.facts if isinstance(fact, Followed)]


def hooks_called(lab: Lab) -> list[str]:
    return [fact.hook for fact in lab.facts if isinstance(fact, HookCalled)]


def run_to_following(lab: Lab) -> None:
    lab.run_until(lambda state: state.phase == "following")


def tick(lab: Lab, seconds: float) -> None:
    for _ in range(round(seconds * 2)):
        lab.controller.tick()
        lab.clock.sleep(0.5)
