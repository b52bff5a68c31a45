"""What `surefoot check` takes as a whole process, against Python alone and its libraries."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

PLAN = str(Path(__file__).parents[1] / "manifests/examples/01-envoy-local.yaml")
COMMANDS = {
    "python": ["-c", "pass"],
    "libraries": ["-c", "import pydantic, yaml, click"],
    "help": ["-m", "rollout.cli", "--help"],
    "check": ["-m", "rollout.cli", "check", PLAN],
}


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(rounds: int) -> dict[str, float]:
    """Measure medians in seconds; the commands take turns, so that a slow moment hits all."""
    for arguments in COMMANDS.values():
        seconds(arguments)  # byte code and file cache
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            taken[name].append(seconds(arguments))
    return {name: median(times) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="101 rounds instead of 15")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    rounds = 101 if options.full else 15
    medians = measure(rounds)
    ratios = {
        "check_over_python": medians["check"] / medians["python"],
        "check_over_libraries": medians["check"] / medians["libraries"],
        "help_over_python": medians["help"] / medians["python"],
    }
    for name, value in medians.items():
        print(f"{name:10} {value * 1000:6.0f} ms (median of {rounds})")
    for name, value in ratios.items():
        print(f"{name:21} {value:5.2f}")
    print("no seed: nothing here is random")
    if options.json:
        result = {"rounds": rounds, "medians_seconds": medians, "ratios": ratios}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
