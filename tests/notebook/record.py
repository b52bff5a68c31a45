"""Record the A/B experiment that a notebook reviews: a simulated service, the production tick.

`python -m tests.notebook.record FILE` writes the same recording each time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rollout.journal.hash_chain import START, seal_all
from rollout.journal.jsonl import export
from rollout.journal.memory import MemoryJournal
from rollout.plan.model.plan import Plan
from rollout.ports import Ports
from rollout.simulate import Behaviour, MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.controller import Controller

SEED, RATE, LONGEST = 5, 25.0, 3 * 3600.0  # requests a second, seconds

VERSIONS = {
    "v2": Behaviour(errors=0.012, score=0.58),
    "v3": Behaviour(errors=0.012, score=0.61),
}
"""The new version writes better summaries, and fails as often."""

PLAN = {
    "apiVersion": "surefoot.dev/v1alpha1",
    "kind": "RolloutPlan",
    "metadata": {"name": "summaries-v3-experiment"},
    "spec": {
        "service": "summarizer",
        "stable": {"version": "v2"},
        "canary": {"version": "v3"},
        "route": {"envoy": {"file": "routes.yaml", "admin": "http://127.0.0.1:9901"}},
        "ramp": {"steps": ["10%", "50%"], "bake": "2m"},
        "guardrails": [
            {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}},
            {"name": "latency", "template": "envoy/latency", "tolerance": "25%"},
            {"name": "accuracy", "template": "quality/score", "tolerance": 0.04},
        ],
        "goals": [{"guardrail": "accuracy", "edge": 0.5}, {"guardrail": "errors"}],
        "segments": [
            {
                "label": "department",
                "values": ["cardiology", "oncology", "geriatrics"],
                "guardrails": ["accuracy"],
            }
        ],
        "experiment": {
            "end": {"after": "1h"},
            "winner": "promote",
            "allocation": {"floor": "20%", "cap": "80%", "every": 15},
        },
        "prometheus": {"scrape": "15s"},
        "interval": "60s",
        "warmup": "1m",
        "deadline": "3h",
        "followWithin": "0s",
    },
}


def record(path: Path) -> None:
    """Run the experiment to its end and export its journal."""
    journal, router, clock = MemoryJournal(), MemoryRouter(), VirtualClock()
    service = SimulatedService(router, VERSIONS, seed=SEED, rate=RATE)
    controller = Controller(Ports(service, router, journal, clock), "recorded by simulation")
    plan = Plan.model_validate(PLAN)
    controller.start([plan])
    began = clock.now()
    while not controller.states[plan.id].is_terminal and clock.now() - began < LONGEST:
        controller.tick()
        clock.sleep(1.0)
    export(seal_all(START, [entry.fact for entry in journal.read()]), path)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
