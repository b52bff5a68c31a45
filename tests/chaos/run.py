"""Real rollouts whose servers are stopped and killed, one after another, in an order from a seed.

    python -m tests.chaos.run --seed 1 --faults 2
    python -m tests.chaos.run --seed 1 --faults 0 --in-cluster 2

Each fault hits one rollout, of a good version and of a bad one in turn, right after its first step.
What must hold: a good version is promoted, a bad one rolled back, no request is lost but by the
proxy's own death, and the journal replays. How long each took to go on is printed. Exit code 1:
something did not hold.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from rollout.decide.record.facts import Decided
from rollout.journal.sql.store import open_journal
from tests.chaos.cluster import CLUSTER_FAULTS, ClusterFault, play_in_cluster
from tests.chaos.victims import SupervisedRun, list_victims
from tests.chaos.waiting import await_, describe
from tests.live.kube import kube
from tests.live.pipeline import CANARIES, PipelineStage
from tests.live.postgres import LocalPostgres, postgres
from tests.live.record import Record

SECONDS = 6.0  # that a server is away: longer than a look, shorter than a blind hold
SLOW = {"steps": ["10%", "50%"], "bake": "6s"}
PATIENCE = 12.0  # seconds in which what was asked while the proxy was away ends
MANY = 10**9
ERRORS = [{"name": "errors", "template": "envoy/errors", "margin": {"absolute": "5%"}}]


@dataclass(frozen=True)
class ChaosFault:
    """What happens to whom, in a rollout of which kind of version."""

    victim: str
    act: str
    is_bad: bool

    def __str__(self) -> str:
        kind = "bad" if self.is_bad else "good"
        return f"{self.victim} {'stopped' if self.act == 'stop' else 'killed'}, {kind} version"


def draw_faults(seed: int) -> Iterator[ChaosFault]:
    """Yield faults without end: every one comes once before any comes again."""
    dice = random.Random(seed)
    names = ("Prometheus", "Envoy", "PostgreSQL", "the controller")
    every = [
        ChaosFault(name, act, bad)
        for name in names
        for act in ("stop", "kill")
        for bad in (False, True)
    ]
    while True:
        yield from dice.sample(every, len(every))


def play(fault: ChaosFault, canary: str, stage: PipelineStage, database: LocalPostgres) -> str:
    """Play one rollout with its fault; return what is told. Raises AssertionError.

    The errors alone are compared: a proxy that stands still is slow for both versions.
    """
    stage.reset()
    journal = database.new()
    open_journal(journal).close()
    traffic, record = stage.traffic, Record(journal)
    with tempfile.TemporaryDirectory() as folder:
        controller = SupervisedRun(
            stage.plan(canary, Path(folder), ramp=SLOW, guardrails=ERRORS), journal
        )
        try:
            await_(lambda: record.has_scrape_after(0), "a first look", controller)
            traffic.flow()
            await_(lambda: record.confirmed(10), "the first step", controller)
            traffic.fail[canary] = MANY if fault.is_bad else 0
            before = _count_lost(stage)
            getattr(list_victims(stage, database, controller)[fault.victim], fault.act)(SECONDS)
            over, at = time.monotonic(), time.time()
            again = await_(lambda: _goes_on(record, at), "a look after the fault", controller)
            await_(lambda: record.state.is_terminal, "the end", controller)
            ended = time.monotonic() - over
            time.sleep(max(0.0, over + PATIENCE - time.monotonic()))
            lost = _count_lost(stage) - before
            traffic.stop()
            _check(fault, record, controller, lost if fault.victim == "Envoy" else 0, stage)
        except AssertionError as error:
            raise AssertionError(f"{error}; {describe(record)}") from None
        finally:
            traffic.stop()
            traffic.fail.clear()
            controller.run.process.stop()
    return f"goes on after {again:.1f} s, has ended after {ended:.1f} s"


def _goes_on(record: Record, at: float) -> bool:
    """Return whether samples of after the fault were counted, or all is decided already."""
    return record.state.is_terminal or record.has_scrape_after(at)


def _count_lost(stage: PipelineStage) -> int:
    return sum(count for (version, _), count in stage.traffic.answers.items() if version == "none")


def _check(
    fault: ChaosFault, record: Record, controller: SupervisedRun, excused: int, stage: PipelineStage
) -> None:
    """Check the end. `excused` are requests that were lost while the proxy itself was away."""
    acts = [fact.action for fact in record.facts(Decided) if fact.action != "hold"]
    assert record.state.phase == ("rolled back" if fault.is_bad else "promoted"), acts
    assert controller.run.weight == (0 if fault.is_bad else 100), controller.run.mesh
    lost = _count_lost(stage) - excused
    assert lost == 0, f"{lost} requests were lost"
    assert record.replays()


def main() -> int:
    """Play faults; print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=16)
    parser.add_argument("--in-cluster", type=int, default=len(CLUSTER_FAULTS))
    given = parser.parse_args()
    held = []
    with postgres() as database, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if faults := [*islice(draw_faults(given.seed), given.faults)]:
            with PipelineStage(folder) as stage:
                for fault, canary in zip(faults, cycle(CANARIES), strict=False):
                    held.append(_tell(fault, partial(play, fault, canary, stage, database)))
        dice = random.Random(given.seed)
        if others := dice.sample(CLUSTER_FAULTS, min(given.in_cluster, len(CLUSTER_FAULTS))):
            (folder / "kube").mkdir()
            with kube(folder / "kube") as cluster:
                for other in others:
                    act = partial(play_in_cluster, other, cluster, database, folder)
                    held.append(_tell(other, act))
    return 0 if all(held) else 1


def _tell(fault: ChaosFault | ClusterFault, act: Callable[[], str]) -> bool:
    """Print how one rollout went; return whether everything held."""
    try:
        words, holds = act(), True
    except AssertionError as error:
        words, holds = f"FAILED: {error}", False
    print(f"{fault}: {words}", flush=True)
    return holds


if __name__ == "__main__":
    raise SystemExit(main())
