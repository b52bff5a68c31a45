"""How long a controller reads an old journal before its first tick, by the parts of it.

The history is of rollouts under way, with five rates each, as the production tick records them: 20
of 250 looks, and the same again under other names until there are enough entries. Without
`--journal` it lies in an SQLite file in the folder that TMPDIR names; on PostgreSQL name the URL of
an empty database. Then it is opened, locked and folded, as each start and each new leader does;
beside it the same rows are selected, verified and parsed alone, and folding is the rest.

Times are this process's CPU time, so that a busy machine does not count; a database's own, or its
network's, comes on top.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks.analysis_speed import DUE, Live
from rollout.decide.facts import Fact
from rollout.journal.place import Where
from rollout.journal.record import parse, verify
from rollout.journal.store import SqlJournal, open_journal
from rollout.tick.fleet import Fleet

_LOOKS, _BATCH = 250, 500


def history() -> list[Fact]:
    """What 20 rollouts record in 250 looks."""
    live = Live(DUE)
    for _ in range(_LOOKS):
        live.tick()
    return [entry.fact for entry in live.controller.ports.journal.read()]


def renamed(facts: list[Fact], number: int) -> list[Fact]:
    """The same of other rollouts."""
    return [fact.model_copy(update={"rollout": f"{fact.rollout}-{number}"}) for fact in facts]


def fill(where: Where, entries: int) -> float:
    """Write a history of so many entries; its size in MB of text."""
    facts, last, size = history(), 0, 0
    with closing(open_journal(where)) as journal:
        for number in range(ceil(entries / len(facts))):
            again = renamed(facts[: entries - last], number)
            for begin in range(0, len(again), _BATCH):
                last = journal.append(again[begin : begin + _BATCH], after=last)[-1].seq
        size = sum(len(row.text) for row in journal.rows())
    return size / 1e6


def start(where: Where) -> int:
    """What a new leader does before its first tick; the entries that it knows then."""
    fleet = Fleet()
    with closing(open_journal(where)) as journal, journal.lock(instead=True):
        for entry in journal.read(0):
            fleet.take(entry)
    return fleet.head


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that it took, and what came of it."""
    begun = time.process_time()
    found = work()
    return time.process_time() - begun, found


def measure(where: Where, entries: int) -> dict[str, Any]:
    """Seconds of a start and of its parts; MB of text, and of memory at the most."""
    size = fill(where, entries)
    whole, known = timed(lambda: start(where))
    assert known == entries
    with closing(SqlJournal(where, readonly=True)) as journal:
        selected, rows = timed(journal.rows)
    verified, _ = timed(lambda: verify(rows))
    parsed, _ = timed(lambda: [parse(row) for row in rows])
    return {
        "entries": entries,
        "text_mb": size,
        "start_s": whole,
        "select_s": selected - verified,
        "verify_s": verified,
        "parse_s": parsed,
        "fold_s": whole - selected - parsed,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=5_000)
    parser.add_argument("--full", action="store_true", help="100,000 entries")
    parser.add_argument("--journal", help="the URL of an empty database; else an SQLite file")
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    entries = 100_000 if options.full else options.entries
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.journal or Path(folder) / "journal.db", entries)
    print("  ".join(f"{name} {value:,.1f}" for name, value in found.items()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
