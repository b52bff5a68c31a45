"""Controller processes that kill themselves with SIGKILL at one effect; run by test_sigkill.

    python -m tests.simulation.mortal < CASES

CASES is JSON: a list of [folder, effect, nth, when], each of which is a process of its own, forked
after the imports. The exit codes are printed. The world outside (traffic, clock) lives in a file
and survives, as the world does.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

from rollout.decide.record.split import Split
from rollout.journal.sql.store import open_journal
from rollout.ports import Ports, RouteStatus
from rollout.simulate import MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.controller import Controller
from tests.support.worlds import BAD, GOOD, plan


class FileRouter(MemoryRouter):
    """A mesh that is a file: what is written stays when the writer dies."""

    def __init__(self, path: Path, die: Any) -> None:
        super().__init__()
        self.path, self.die = path, die

    def write(self, plan, split, mark, before=None, *, is_last=False):
        self.die("route", after=False)
        scrap = self.path.with_suffix(".tmp")
        scrap.write_text(json.dumps([split.canary, split.total, mark]))
        scrap.replace(self.path)
        self.die("route", after=True)

    def read(self, plan, total, before=None):
        if not self.path.exists():
            return RouteStatus(Split(0, total), "")
        canary, total, mark = json.loads(self.path.read_text())
        return RouteStatus(Split(canary, total), mark)

    def share(self, plan):
        return self.read(plan, 100).split.share


def main(folder: Path, effect: str, nth: int, *, after: bool) -> None:
    call_count = {"n": 0}

    def die(name: str, *, after: bool, want: bool = after) -> None:
        if name == effect and after == want:
            call_count["n"] += 1
            if call_count["n"] == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    router = FileRouter(folder / "mesh.json", die)
    snapshot = folder / "world.pickle"
    clock, totals, samples, time, labels, dice = (
        pickle.loads(snapshot.read_bytes())  # noqa: S301 - our own file
        if snapshot.exists()
        else (VirtualClock(), {}, {}, None, None, None)
    )
    world = SimulatedService(
        router, {"v1": GOOD, "v2": BAD}, seed=2, totals=totals, samples=samples, time=time
    )
    if dice is not None:
        world._labels, world._dice = labels, dice

    def keep() -> None:
        state = (clock, world.totals, world.samples, world.time, world._labels, world._dice)
        scrap = snapshot.with_suffix(".tmp")
        scrap.write_bytes(pickle.dumps(state))
        scrap.replace(snapshot)

    class SavingObserver:
        def observe(self, asks, now):
            answers = world.observe(asks, now)
            keep()
            return answers

    store = open_journal(folder / "journal.db")
    append = store.append

    def mortal_append(facts, after):
        kinds = {fact.kind for fact in facts}
        acts = any(getattr(f, "action", "hold") in {"advance", "roll back"} for f in facts)
        name = "record" if acts else "confirm" if "confirmed" in kinds else "other"
        die(name, after=False)
        entries = append(facts, after)
        die(name, after=True)
        return entries

    setattr(store, "append", mortal_append)  # noqa: B010 - mypy forbids the plain form
    with store.lock():
        controller = Controller(Ports(SavingObserver(), router, store, clock), "test")
        the_plan = plan(warmup="2s")
        controller.start([the_plan])
        while controller.active:
            controller.tick()
            clock.sleep(0.5)
            keep()


def run(folder: str, effect: str, nth: int, when: str) -> int:
    """Run `main` in a process of its own, and return how that ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    main(Path(folder), effect, nth, after=when == "after")
    raise SystemExit(0)


if __name__ == "__main__":
    gc.freeze()  # no child looks through all that was imported once more when it ends
    print(json.dumps([run(*case) for case in json.load(sys.stdin)]))
