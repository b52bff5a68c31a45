"""How long a controller reads an old journal before its first tick, and what that hangs on.

The history is of rollouts with five rates each, as the production tick records them: 20 of 250
looks, and the same again under other names until there are enough entries. All but the newest
`--going` of them were rolled back then. Without `--journal` it lies in an SQLite file in the folder
that TMPDIR names; on PostgreSQL name the URL of an empty database. Then a process of its own opens,
locks and reads it, as each start and each new leader does, and reads one ended rollout on demand;
beside it the same rows are selected, verified and parsed alone.

Times are a process's CPU time, so that a busy machine does not count; a database's own, or its
network's, comes on top.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.analysis_speed import DUE, Live
from rollout.decide.record.facts import Decided, Fact, Started
from rollout.decide.record.route_facts import Confirmed
from rollout.decide.record.split import Split
from rollout.journal.hash_chain import parse, verify
from rollout.journal.location import JournalLocation
from rollout.journal.sql.store import SqlJournal, open_journal
from rollout.tick.fleet import Fleet

_LOOKS, _BATCH = 250, 500


def history() -> list[Fact]:
    """Return the facts that 20 rollouts record in 250 looks."""
    live = Live(DUE)
    for _ in range(_LOOKS):
        live.tick()
    return [entry.fact for entry in live.controller.ports.journal.read()]


def renamed(facts: list[Fact], number: int) -> list[Fact]:
    """Return the same facts under other rollout names."""
    return [fact.model_copy(update={"rollout": f"{fact.rollout}-{number}"}) for fact in facts]


def end(journal: SqlJournal, rollout: str, last: int, at: float) -> int:
    """Record a rollback and its confirmation; return the last entry's number."""
    split = Split(0)
    words = {"reasons": ("human:abort",), "sentence": "Roll back."}
    decided = Decided(rollout=rollout, at=at, action="roll back", split=split, **words)
    seq = journal.append([decided], after=last)[-1].seq
    confirmed = Confirmed(rollout=rollout, at=at, decision=seq, split=split, stable="v1")
    return journal.append([confirmed], after=seq)[-1].seq


def fill(where: JournalLocation, entries: int, going: int) -> int:
    """Write a history of about `entries` entries; return their exact number."""
    facts, last = history(), 0
    copies = max(1, round(entries / (len(facts) + 2 * DUE)))
    names = sorted({fact.rollout for fact in facts if isinstance(fact, Started)})
    every = [f"{name}-{number}" for number in range(copies) for name in names]
    ended = set(every[: max(0, len(every) - going)])
    with closing(open_journal(where)) as journal:
        for number in range(copies):
            again = renamed(facts, number)
            for begin in range(0, len(again), _BATCH):
                last = journal.append(again[begin : begin + _BATCH], after=last)[-1].seq
            for name in names:
                if (rollout := f"{name}-{number}") in ended:
                    last = end(journal, rollout, last, again[-1].at)
    return last


def start(where: JournalLocation) -> dict[str, float]:
    """Time a new leader's work before its first tick, and loading one ended rollout on demand."""
    before = _read_peak_memory()
    with closing(open_journal(where)) as journal, journal.lock(instead=True):
        fleet = Fleet()
        started, _ = timed(lambda: _read(fleet, journal))
        memory = _read_peak_memory() - before
        ended = next((r for r in fleet.states if r not in fleet.active), "")
        asked, _ = timed(lambda: fleet.load_evidence(ended, journal) if ended else None)
    return {
        "rollouts": len(fleet.states),
        "going": len(fleet.active),
        "start_s": started,
        "memory_mb": memory,
        "one_ended_s": asked,
    }


def _read(fleet: Fleet, journal: SqlJournal) -> None:
    _exhaust(fleet.read(journal))
    fleet.load_active_evidence(journal)


def _exhaust(entries: Iterator[Any]) -> None:
    for _ in entries:
        pass


def _read_peak_memory() -> float:
    """Return this process's peak memory in MB (Linux; `getrusage` would include its parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of `work`, and its result."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def measure(where: JournalLocation, entries: int, going: int) -> dict[str, Any]:
    """Measure seconds of a start and of a full read's steps, and MB of text and of memory."""
    written = fill(where, entries, going)
    with get_context("spawn").Pool(1) as alone:
        figures = alone.apply(start, (where,))
    with closing(SqlJournal(where, readonly=True)) as journal:
        selected, rows = timed(journal.rows)
        skimmed, _ = timed(lambda: _exhaust(journal.scan()))
    verified, _ = timed(lambda: verify(rows))
    parsed, _ = timed(lambda: _exhaust(map(parse, rows)))
    return {
        "entries": written,
        "text_mb": sum(len(row.text) for row in rows) / 1e6,
        **figures,
        "select_s": selected - verified,
        "verify_s": verified,
        "skim_s": skimmed,
        "parse_all_s": parsed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=5_000)
    parser.add_argument("--full", action="store_true", help="100,000 entries")
    parser.add_argument("--going", type=int, default=20, help="rollouts that have not ended")
    parser.add_argument("--journal", help="the URL of an empty database; else an SQLite file")
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    entries = 100_000 if options.full else options.entries
    with tempfile.TemporaryDirectory() as folder:
        where = options.journal or Path(folder) / "journal.db"
        figures = measure(where, entries, options.going)
    print("  ".join(f"{name} {value:,.1f}" for name, value in figures.items()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
