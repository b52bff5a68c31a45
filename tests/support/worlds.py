"""Plans and simulated worlds that many tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rollout.decide.record.facts import Decided, Fact
from rollout.decide.state.rollout import RolloutState
from rollout.journal.memory import MemoryJournal
from rollout.plan.fields.base import RECORDED
from rollout.plan.model.plan import Plan
from rollout.ports import Entry, Journal, Ports, Router
from rollout.simulate import Behaviour, MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet

GOOD = Behaviour()
BAD = Behaviour(errors=0.04, tail_share=0.15, score=0.52)


def plan(name: str = "demo", **spec: Any) -> Plan:
    """The demo's plan with other values of `spec`."""
    return Plan.model_validate(document_of(name, **spec))


def recorded_plan(name: str = "demo", **spec: Any) -> Plan:
    """The same by the rules for a plan of a journal, which may be older than some rule."""
    return Plan.model_validate(document_of(name, **spec), context=RECORDED)


def document_of(name: str = "demo", **spec: Any) -> dict[str, Any]:
    """The demo's plan as plain data."""
    document: dict[str, Any] = {
        "service": "summarizer",
        "stable": {"version": "v1"},
        "canary": {"version": "v2"},
        "route": {"envoy": {"file": "rds.json", "admin": "http://127.0.0.1:1"}},
        "ramp": {"steps": ["5%", "25%", "50%"], "bake": "8s"},
        "guardrails": [
            {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}},
            {"name": "latency", "template": "envoy/latency", "tolerance": "25%"},
            {"name": "accuracy", "template": "quality/score", "tolerance": 0.04, "lag": "8s"},
        ],
        "prometheus": {"scrape": "1s"},
        "interval": "2s",
        "warmup": "4s",
        "whenBlind": {"hold": "30s", "then": "rollback"},
        "deadline": "5m",
        "whenInconclusive": "rollback",
        "followWithin": "0s",  # an end at once; `test_following` lets it wait for the traffic
        **spec,
    }
    head = {"apiVersion": "surefoot.dev/v1alpha1", "kind": "RolloutPlan"}
    return {**head, "metadata": {"name": name}, "spec": document}


@dataclass
class Lab:
    """A controller in a simulated world, stepped by virtual seconds."""

    canary: Behaviour = GOOD
    plan: Plan = field(default_factory=plan)
    seed: int = 1
    rate: float = 100.0
    journal: Journal = field(default_factory=MemoryJournal)
    router: MemoryRouter = field(default_factory=MemoryRouter)
    clock: VirtualClock = field(default_factory=VirtualClock)
    wrap: Callable[[Ports], Ports] = lambda ports: ports
    watches: bool = False

    def __post_init__(self) -> None:
        behaviours = {"v1": GOOD, "v2": self.canary}
        self.world = SimulatedService(self.router, behaviours, seed=self.seed, rate=self.rate)
        self.begun = self.clock.now()
        self.rollout = self.plan.id  # a digest, and asked for at every tick
        self.restart()

    def restart(self) -> None:
        """A new controller on the same journal, mesh and world."""
        ports = self.wrap(Ports(self.world, self.router, self.journal, self.clock))
        self.controller = Controller(ports, "test", fleet=Fleet(watches=self.watches))
        self.controller.start([self.plan])

    def run(self, seconds: float = 300.0, *, period: float = 0.5) -> RolloutState:
        """Tick every `period` for so long, or until the rollout is terminal."""
        end = self.clock.now() + seconds
        while self.clock.now() < end and not self.state.is_terminal:
            self.controller.tick()
            self.clock.sleep(period)
        return self.state

    def run_until(
        self, stop: Callable[[RolloutState], bool], seconds: float = 300.0
    ) -> RolloutState:
        """Tick until `stop` holds; fails the test when it never does."""
        end = self.clock.now() + seconds
        while not stop(self.state):
            assert self.clock.now() < end, "it never came to that"
            self.controller.tick()
            self.clock.sleep(0.5)
        return self.state

    @property
    def state(self) -> RolloutState:
        return self.controller.states[self.rollout]

    @property
    def entries(self) -> list[Entry]:
        return list(self.journal.read())

    @property
    def facts(self) -> list[Fact]:
        return [entry.fact for entry in self.entries]

    @property
    def decisions(self) -> list[Decided]:
        return [fact for fact in self.facts if isinstance(fact, Decided)]

    @property
    def actions(self) -> list[str]:
        """What was decided, holds left out."""
        return [decided.action for decided in self.decisions if decided.action != "hold"]


__all__ = ["BAD", "GOOD", "Behaviour", "Lab", "Router", "plan"]
