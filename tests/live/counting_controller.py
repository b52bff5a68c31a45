"""A controller in a process of its own, to be killed: `python -m tests.live.counting_controller`.

It takes the folder of its journal and the URL of a Prometheus, and ticks until it dies.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

from rollout.journal.key_file import open_key
from rollout.journal.sql.store import open_journal
from rollout.observe.prometheus import PrometheusObserver
from rollout.plan.model.plan import Plan
from rollout.ports import Ports
from rollout.simulate import MemoryRouter
from rollout.tick.controller import Controller
from rollout.wire.clock import SystemClock
from tests.support.worlds import plan


def counting_plan(url: str) -> Plan:
    """A plan that stays at its first step, however many fail, and writes over another weight."""
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "98%"}}
    return plan(
        guardrails=[errors],
        prometheus={"url": url, "scrape": "1s"},
        ramp={"steps": ["5%"], "bake": "1h"},
        deadline="2h",
        onDrift="revert",
    )


def main(folder: Path, url: str) -> None:
    path = folder / "journal.db"
    with closing(open_journal(path)) as store, store.lock():
        observer = PrometheusObserver(key=open_key(path))
        controller = Controller(Ports(observer, MemoryRouter(), store, SystemClock()), "live")
        controller.start([counting_plan(url)])
        while True:
            controller.tick()
            time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
