"""Puts bugs in, one at a time, and tells after how many stories the simulation finds each.

    python tests/mutants/run.py [NAME...]

Each patch is applied to a copy of the packages, whose own `surefoot simulate` then plays stories
from seed 1 on until one breaks a promise. The exit code is 1 if a bug is not found, 2 for a name
that none has.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATCHES = Path(__file__).parent
STORIES = 1000
_BATCH = 60


def names() -> list[str]:
    """Return the names of all bugs."""
    return sorted(path.stem for path in PATCHES.glob("*.patch"))


def apply(name: str, folder: Path) -> None:
    """Copy the packages into a folder and put a bug in. Raises CalledProcessError."""
    for package in ("rollout", "analysis"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc"))
    patch = (PATCHES / f"{name}.patch").read_bytes()
    subprocess.run(["patch", "-p1", "--quiet", "--fuzz=0"], cwd=folder, input=patch, check=True)


def find(folder: Path, stories: int = STORIES) -> tuple[int, dict[str, Any]] | None:
    """Return after how many stories the copy breaks a promise, and which; None if never."""
    for start in range(0, stories, _BATCH):
        seed = ["--seed", str(1 + start), "--stories", str(min(_BATCH, stories - start))]
        command = [sys.executable, "-m", "rollout.cli", "simulate", "--json", "--no-shrink"]
        command += seed
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode not in {0, 1}:
            raise RuntimeError(done.stderr)
        report = json.loads(done.stdout)
        if report["broken"]:
            first = report["broken"][0]
            return first["seed"], first
    return None


def main(wanted: list[str]) -> int:
    """Run the bugs of these names, or all; print a line for each."""
    if unknown := [name for name in wanted if name not in names()]:
        print(f"no bug is called {', '.join(unknown)}: there are {', '.join(names())}")
        return 2
    missed = 0
    for name in wanted or names():
        with tempfile.TemporaryDirectory() as folder:
            apply(name, Path(folder))
            caught = find(Path(folder))
        if caught is None:
            missed += 1
            print(f"{name}: NOT FOUND in {STORIES:,} stories", flush=True)
            continue
        count, broken = caught
        print(
            f"{name}: after {count:,} stories, {broken['invariant']}: {broken['text']}", flush=True
        )
    return min(missed, 1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
