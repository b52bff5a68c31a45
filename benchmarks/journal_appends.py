"""Durable appends per second for batches of 1, 10 and 100, against plain sqlite3 in the same run.

The facts and their texts are the same on both sides; the plain side inserts finished rows and
seals, checks and parses nothing. Both commit every batch to disk (WAL, synchronous=FULL), in the
folder that TMPDIR names. Rounds alternate and the median round counts, so that a busy machine slows
both sides. Nothing is random.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from rollout.decide.record.facts import Decided, Fact
from rollout.decide.record.split import Split
from rollout.journal.hash_chain import START, seal_all
from rollout.journal.memory import MemoryJournal
from rollout.journal.sql.store import open_journal

_TABLE = """CREATE TABLE entries (seq INTEGER PRIMARY KEY, at DOUBLE NOT NULL,
rollout TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, previous TEXT, hash TEXT)"""


def fact(number: int) -> Fact:
    """Build a decision of about 1.1 kB, the size for four guardrails."""
    row = {
        "exposures": [4711, 4699],
        "bad": [12, 9],
        "capital": 0.123456,
        "interval": [-0.01, 0.02],
    }
    return Decided(
        rollout=f"discharge-summarizer-v2-{number % 10:08x}",
        at=1.7e9 + number / 7,
        action="hold",
        split=Split(5),
        reasons=("bake", "undecided"),
        sentence="Hold v2 at 5 %: errors are undecided, 40 s of 120 s baked.",
        numbers={f"guardrail-{name}": {**row, "note": "x" * 100} for name in range(4)},
    )


def ours(folder: Path, facts: list[Fact], batch: int) -> float:
    """Measure the seconds to append all facts to a journal."""
    with closing(open_journal(folder / "ours.db")) as journal:
        begun = time.perf_counter()
        for start in range(0, len(facts), batch):
            journal.append(facts[start : start + batch], after=start)
        return time.perf_counter() - begun


def plain(folder: Path, facts: list[Fact], batch: int) -> float:
    """Measure the seconds to insert the same facts, already sealed, with sqlite3 alone."""
    sealed = zip(seal_all(START, facts), facts, strict=True)
    rows = [(r.seq, f.at, f.rollout, f.kind, r.text, r.previous, r.hash) for r, f in sealed]
    with closing(sqlite3.connect(folder / "plain.db", isolation_level=None)) as raw:
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", _TABLE):
            raw.execute(statement)
        begun = time.perf_counter()
        for start in range(0, len(rows), batch):
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany(
                "INSERT INTO entries VALUES (?,?,?,?,?,?,?)", rows[start : start + batch]
            )
            raw.execute("COMMIT")
        return time.perf_counter() - begun


def memory(_folder: Path, facts: list[Fact], batch: int) -> float:
    """Measure the seconds to seal and read back without a disk: the cost of the hash chain."""
    journal = MemoryJournal()
    begun = time.perf_counter()
    for start in range(0, len(facts), batch):
        journal.append(facts[start : start + batch], after=start)
    return time.perf_counter() - begun


def measure(batch: int, batches: int, rounds: int) -> dict[str, Any]:
    """Measure rows per second of each side (median round); the ratio is the median over rounds."""
    facts = [fact(number) for number in range(batch * batches)]
    sides: dict[str, Callable[[Path, list[Fact], int], float]] = {
        "journal": ours,
        "plain": plain,
        "chain_only": memory,
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds[name].append(side(Path(folder), facts, batch))
    rates = {
        f"{name}_rows_per_s": round(len(facts) / statistics.median(seconds[name])) for name in sides
    }
    pairs = zip(seconds["plain"], seconds["journal"], strict=True)
    ratio = statistics.median(plain_s / journal_s for plain_s, journal_s in pairs)
    return {"batch": batch, **rates, "ratio": round(ratio, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="five times as much")
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    batches, rounds = (200, 9) if options.full else (40, 5)
    results = [measure(batch, batches, rounds) for batch in (1, 10, 100)]
    print("batch  journal rows/s  plain rows/s  chain only rows/s  journal/plain")
    for row in results:
        print(
            f"{row['batch']:>5}  {row['journal_rows_per_s']:>14}  {row['plain_rows_per_s']:>12}"
            f"  {row['chain_only_rows_per_s']:>17}  {row['ratio']:>13}"
        )
    if options.json:
        options.json.write_text(json.dumps({"seed": None, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
