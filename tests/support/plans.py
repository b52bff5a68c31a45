"""A namespace of plans as an operator sees it, without a cluster."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from rollout.errors import ClusterError
from rollout.journal.memory import MemoryJournal
from rollout.operate.reconciler import Reconciler
from rollout.operate.status.conditions import utc
from rollout.operate.status.outbox import StatusOutbox
from rollout.plan.kube.resource import name_of, plan_of
from rollout.plan.model.plan import Plan
from rollout.ports import Ports
from rollout.simulate import Behaviour, MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.controller import Controller
from tests.support.worlds import GOOD, plan

Json = dict[str, Any]


def resource(name: str = "demo", created: float = 0.0, **spec: Any) -> Json:
    """A sound plan as the API server holds it."""
    document = plan(name, **spec).document()
    metadata: Json = {"namespace": "default", "uid": f"uid-{name}", "generation": 1}
    metadata |= {"resourceVersion": "1"}
    document["metadata"] |= metadata | {"creationTimestamp": utc(created)}
    return document


@dataclass
class PlanCluster:
    """The resources, and what was asked of the API server."""

    held: dict[str, Json] = field(default_factory=dict)
    has_resource: bool = True
    late: set[str] = field(default_factory=set)  # what a watch that lags behind does not show
    patches: list[tuple[str, Json]] = field(default_factory=list)
    events: dict[str, Json] = field(default_factory=dict)
    fail: Callable[[str], None] = lambda _name: None

    def list(self) -> list[Json] | None:
        seen_by_now = [held for name, held in self.held.items() if name not in self.late]
        return copy.deepcopy(seen_by_now) if self.has_resource else None

    def get(self, _kind: object, namespace: str, name: str) -> Json:
        self.fail(name)
        held = self.held.get(f"{namespace}/{name}")
        if held is None:
            raise ClusterError("not found", 404)
        return copy.deepcopy(held)

    def apply(self, manifest: Json) -> Json:
        """As `kubectl apply` does: another spec is another generation, the status stays."""
        before = self.held.get(name_of(manifest))
        applied = copy.deepcopy(manifest)
        if before is not None:
            applied["metadata"]["generation"] = before["metadata"]["generation"]
            applied["metadata"]["generation"] += before["spec"] != applied["spec"]
            applied["metadata"]["resourceVersion"] = _next(before)
            applied |= {"status": before["status"]} if "status" in before else {}
        self.held[name_of(manifest)] = applied
        return applied

    def delete(self, name: str) -> None:
        del self.held[f"default/{name}"]

    def patch_status(self, _kind: object, namespace: str, name: str, body: Json) -> Json:
        self.fail(name)
        self.patches.append((name, body))
        held = self.held.get(f"{namespace}/{name}")
        if held is None:
            raise ClusterError("not found", 404)
        if body["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"]:
            raise ClusterError("conflict", 409)
        values = {key: value for key, value in body["status"].items() if value is not None}
        held["status"] = copy.deepcopy(values)
        held["metadata"]["resourceVersion"] = _next(held)
        return held

    def tell(self, event: Json) -> None:
        self.fail(event["involvedObject"]["name"])
        self.events.setdefault(event["metadata"]["name"], event)


def _next(held: Json) -> str:
    return str(int(held["metadata"]["resourceVersion"]) + 1)


@dataclass
class Operated:
    """An operator in a simulated world, stepped by virtual seconds."""

    canary: Behaviour = GOOD
    namespace: str | None = None
    cluster: PlanCluster = field(default_factory=PlanCluster)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    router: MemoryRouter = field(default_factory=MemoryRouter)
    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        behaviours = {"v1": GOOD, "v2": self.canary, "v3": GOOD}
        self.world = SimulatedService(self.router, behaviours, seed=1, rate=100.0)
        self.restart()

    def restart(self) -> None:
        """A new process on the same journal, mesh and cluster."""
        ports = Ports(self.world, self.router, self.journal, self.clock)
        self.outbox = StatusOutbox()
        controller = Controller(ports, "test")
        self.operator = Reconciler(controller, self.cluster, self.outbox, self.namespace)
        self.states = controller.states

    def run(self, seconds: float = 1.0) -> None:
        for _ in range(round(seconds / 0.5)):
            self.operator.tick()
            for work in (self.operator.deletions.check, self.outbox.publish):
                with suppress(ClusterError):
                    work(self.cluster, self.clock.now())
            self.clock.sleep(0.5)

    def run_until(self, stop: Callable[[], Any], seconds: float = 400.0) -> None:
        end = self.clock.now() + seconds
        while not stop():
            assert self.clock.now() < end, "it never came to that"
            self.run(0.5)

    def apply(self, name: str = "demo", **spec: Any) -> Plan:
        """Apply a plan created now; returns it."""
        return plan_of(self.cluster.apply(resource(name, self.clock.now(), **spec)))

    def status(self, name: str = "demo") -> Json:
        return dict(self.cluster.held[f"default/{name}"]["status"])

    def condition(self, kind: str, name: str = "demo") -> tuple[str, str, str]:
        """Status, reason and message; empty where there is no such condition."""
        conditions = [
            condition for condition in self.status(name)["conditions"] if condition["type"] == kind
        ]
        return (
            (conditions[0]["status"], conditions[0]["reason"], conditions[0]["message"])
            if conditions
            else ("",) * 3
        )

    def reasons(self, name: str = "demo") -> list[str]:
        """The Events' reasons, in the order in which they came."""
        events = self.cluster.events.values()
        return [event["reason"] for event in events if event["involvedObject"]["name"] == name]

    def kinds(self) -> list[str]:
        return [entry.fact.kind for entry in self.journal.read()]
