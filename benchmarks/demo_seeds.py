"""The demo over many seeds: how soon the good version is promoted and the bad one rolled back.

The bar: promoted within 2 minutes of the start, rolled back within 1 minute of its first request,
in at least 95 % of the seeds. Exit code 1 below it.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rollout.decide.record.facts import Decided
from rollout.decide.record.route_facts import Confirmed
from rollout.errors import InputError
from rollout.journal.index import by_rollout
from rollout.journal.open import open_for_reading
from rollout.ports import Entry

ROOT = Path(__file__).parents[1]
PROMOTED_WITHIN, ROLLED_BACK_WITHIN, SHARE = 120.0, 60.0, 0.95
PATIENCE = 600.0  # seconds for one demo
BAD = ("all", "errors", "latency", "accuracy", "crash")


@dataclass(frozen=True)
class DemoRun:
    """The result of one demo in seconds; None for what did not happen.

    `promoted` counts from the start of the command. `rolled_back` counts from the mesh's
    confirmation of the bad version's first weight, just before its first request, to its
    confirmation of weight 0.
    """

    seed: int
    code: int
    promoted: float | None
    rolled_back: float | None
    total: float
    requests: int
    failed: int

    @property
    def in_time(self) -> tuple[bool, bool]:
        return (
            self.promoted is not None and self.promoted <= PROMOTED_WITHIN,
            self.rolled_back is not None and self.rolled_back <= ROLLED_BACK_WITHIN,
        )


def run(seed: int, bad: str, folder: Path) -> DemoRun:
    """Run one demo from start to end."""
    command = [sys.executable, "-m", "rollout.cli", "demo", "--plain", "--folder", str(folder)]
    began, clock = time.time(), time.monotonic()
    code = _run_demo([*command, "--bad", bad, "--seed", str(seed)], folder.with_suffix(".txt"))
    total = time.monotonic() - clock
    rollouts = _read_rollouts(folder / "journal.db")
    promoted = _confirmed_at(rollouts, 0, "promote")
    first, last = _first_confirmed_at(rollouts, 1), _confirmed_at(rollouts, 1, "roll back")
    answers = _count_answers(folder / "load.json")
    return DemoRun(
        seed=seed,
        code=code,
        promoted=None if promoted is None else promoted - began,
        rolled_back=None if first is None or last is None else last - first,
        total=total,
        requests=sum(answers.values()),
        failed=sum(count for status, count in answers.items() if status >= 500),
    )


def _run_demo(command: list[str], log: Path) -> int:
    """Return a demo's exit code; interrupt it after PATIENCE, which stops all it started."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            return process.wait()
        except BaseException:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise


def _read_rollouts(journal: Path) -> list[list[Entry]]:
    try:
        return list(by_rollout(open_for_reading(journal).read()).values())
    except InputError:
        return []


def _confirmed_at(rollouts: list[list[Entry]], number: int, action: str) -> float | None:
    """Return when the mesh confirmed that action of that rollout."""
    entries = rollouts[number] if number < len(rollouts) else []
    decided = {e.seq for e in entries if isinstance(e.fact, Decided) and e.fact.action == action}
    return next(
        (
            entry.fact.at
            for entry in entries
            if isinstance(entry.fact, Confirmed) and entry.fact.decision in decided
        ),
        None,
    )


def _first_confirmed_at(rollouts: list[list[Entry]], number: int) -> float | None:
    entries = rollouts[number] if number < len(rollouts) else []
    return next((e.fact.at for e in entries if isinstance(e.fact, Confirmed)), None)


def _count_answers(file: Path) -> dict[int, int]:
    """Count the load's answers by HTTP status."""
    answers: dict[int, int] = {}
    for row in json.loads(file.read_text())["answers"] if file.exists() else []:
        answers[row["status"]] = answers.get(row["status"], 0) + row["requests"]
    return answers


def quantiles(values: list[float]) -> str:
    """Describe the smallest, median, 95th percentile (nearest rank) and largest value."""
    if not values:
        return "never"
    ordered = sorted(values)
    ranks = (0, math.ceil(0.5 * len(ordered)) - 1, math.ceil(0.95 * len(ordered)) - 1, -1)
    names = ("least", "median", "95 %", "most")
    return ", ".join(f"{name} {ordered[n]:.1f} s" for name, n in zip(names, ranks, strict=True))


def _show(demo: DemoRun, bad: str) -> None:
    def seconds(value: float | None) -> str:
        return "   never" if value is None else f"{value:6.1f} s"

    print(
        f"{bad:8} seed {demo.seed:4}: promoted after {seconds(demo.promoted)}, "
        f"rolled back {seconds(demo.rolled_back)} after the first request, total "
        f"{demo.total:6.1f} s, {demo.failed:4} of {demo.requests:6,} requests failed, "
        f"exit {demo.code}",
        flush=True,
    )


def _conclude(runs: list[DemoRun], bad: str) -> bool:
    """Print quantiles and shares for one fault; return whether the bar is met."""
    good, ill = (sum(demo.in_time[index] for demo in runs) for index in (0, 1))
    promoted = [demo.promoted for demo in runs if demo.promoted is not None]
    rolled_back = [demo.rolled_back for demo in runs if demo.rolled_back is not None]
    print(f"{bad:8} promoted: {quantiles(promoted)}; {good} of {len(runs)} within 2 min")
    print(f"{bad:8} rolled back: {quantiles(rolled_back)}; {ill} of {len(runs)} within 1 min")
    print(f"{bad:8} total: {quantiles([demo.total for demo in runs])}")
    return min(good, ill) >= SHARE * len(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="20 seeds")
    parser.add_argument("--seeds", type=int, help="how many (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--bad", action="append", choices=BAD, help="fault of v3; may be repeated")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    count = options.seeds or (20 if options.full else 1)
    faults = list(dict.fromkeys(options.bad or ["all"]))
    runs: dict[str, list[DemoRun]] = {bad: [] for bad in faults}
    with tempfile.TemporaryDirectory() as scrap:
        for seed in range(options.seed, options.seed + count):
            for bad in faults:
                demo = run(seed, bad, Path(scrap, f"{bad}-{seed}"))
                runs[bad].append(demo)
                _show(demo, bad)
    met = [_conclude(runs[bad], bad) for bad in faults]
    if options.json:
        result = {bad: [asdict(demo) for demo in several] for bad, several in runs.items()}
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
