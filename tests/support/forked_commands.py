"""Runs many commands on odd streams: a fork of one process each, which saves its imports.

    python -m tests.support.forked_commands CASES RESULTS

CASES is JSON: a list of [stream, words]. RESULTS gets one [code, errors] for each of them.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import sys
from pathlib import Path

from rollout.cli import main
from rollout.experiment.report import render
from tests.support.commands import commands
from tests.support.undrawn import BLANK

# What commands import when they run; here it is imported once, before all forks.
LATE = (
    "requests",
    "rich.live",
    "rollout.decide.step",
    "rollout.journal.sql.store",
    "scipy.special",
)


def _hand_over(stream: str) -> None:
    """Give this process the streams that a shell would have given it."""
    if stream == "gone":
        read, write = os.pipe()
        os.close(read)
        os.dup2(write, 1)
    elif stream == "full":
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
    encoding = "ascii" if stream == "ascii" else "utf-8"
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb"), encoding=encoding, errors="strict")
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb"), encoding="utf-8", write_through=True)
    if stream == "no-output":
        os.close(1)
        sys.stdout = None
    elif stream == "no-stderr":
        sys.stderr = None
    elif stream == "no-input":
        os.close(0)
        sys.stdin = None


def _run(stream: str, words: list[str], errors: Path) -> int:
    """Run one command in a child that ends as every process of Python does."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
    _hand_over(stream)
    sys.argv = ["surefoot", *words]
    main()
    raise SystemExit(0)


def run_all(cases: Path, results: Path) -> None:
    """Run every command of the file, and write how each ended."""
    assert list(commands())  # imports the modules of every command
    for name in LATE:
        importlib.import_module(name)
    render._draw = lambda *_: BLANK  # charts take seconds, and none is on a stream
    gc.freeze()  # no child looks through all of that once more when it ends
    errors, ends = results.with_suffix(".errors"), []
    for stream, words in json.loads(cases.read_text(encoding="utf-8")):
        code = _run(stream, words, errors)
        ends.append([code, errors.read_text(encoding="utf-8", errors="replace")])
    results.write_text(json.dumps(ends), encoding="utf-8")


if __name__ == "__main__":
    run_all(Path(sys.argv[1]), Path(sys.argv[2]))
