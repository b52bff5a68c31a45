"""What an analyst waits for: tables of a rollout of 1,000 looks and 10 metrics, after `read`.

    python benchmarks/experiment_speed.py [--looks N]

The rollout is simulated (seed 1) with margins that are neither proven nor broken, so that it goes
on. Times are CPU seconds of one process. Exits 1 where the scorecard takes a second or more.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from rollout.experiment.experiment import Experiment
from rollout.journal.memory import MemoryJournal
from rollout.plan.model.plan import Plan
from rollout.ports import Ports
from rollout.review.history import history
from rollout.simulate import Behaviour, MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.controller import Controller

BAR = 1.0
_TABLES = ("scorecard", "rates", "evidence", "intervals", "share", "sensitivity", "power", "replay")


def _build_plan(looks: int) -> Plan:
    errors = [
        {"name": f"errors-{n}", "template": "envoy/errors", "margin": {"absolute": "0.01%"}}
        for n in range(6)
    ]
    latency = [
        {"name": f"latency-{n}", "template": "envoy/latency", "tolerance": "25%"} for n in range(2)
    ]
    scores = [
        {"name": f"scores-{n}", "template": "quality/score", "tolerance": 0.04} for n in range(2)
    ]
    return Plan.model_validate(
        {
            "apiVersion": "surefoot.dev/v1alpha1",
            "kind": "RolloutPlan",
            "metadata": {"name": "long"},
            "spec": {
                "service": "summarizer",
                "stable": {"version": "v1"},
                "canary": {"version": "v2"},
                "route": {"envoy": {"file": "rds.json", "admin": "http://127.0.0.1:1"}},
                "ramp": {"steps": ["50%"], "bake": "8s"},
                "guardrails": [*errors, *latency, *scores],
                "prometheus": {"scrape": "1s"},
                "interval": "2s",
                "warmup": "4s",
                "deadline": f"{4 * looks}s",
            },
        }
    )


def record(looks: int) -> MemoryJournal:
    """Return the journal of a simulated rollout of so many looks."""
    journal, router, clock = MemoryJournal(), MemoryRouter(), VirtualClock()
    service = SimulatedService(router, {"v1": Behaviour(), "v2": Behaviour()}, seed=1, rate=100.0)
    controller = Controller(Ports(service, router, journal, clock), "benchmark")
    controller.start([_build_plan(looks)])
    for _ in range(4 * looks):
        controller.tick()
        clock.sleep(0.5)
    return journal


def _time(call: Callable[[], Any]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def main() -> None:
    """Print the CPU seconds of `read` and of each table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=int, default=1_000)
    looks = parser.parse_args().looks
    entries = record(looks).read()
    begun = time.process_time()
    experiment = Experiment(history(entries))
    times = {"read": time.process_time() - begun}
    times |= {name: _time(getattr(experiment, name)) for name in _TABLES}
    print(f"{experiment.record.looks_count:,} looks, 10 metrics, seed 1; CPU seconds")
    print(json.dumps({name: round(seconds, 3) for name, seconds in times.items()}))
    raise SystemExit(times["scorecard"] >= BAR)


if __name__ == "__main__":
    main()
