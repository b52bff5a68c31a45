"""How long each page of a long journal takes, and what a viewer costs.

The journal holds the recorded demo again and again, under other names and of 100 services, until it
has `--decisions` decisions; the last copies are cut off in the middle, so they are under way. Times
are a process's CPU time in milliseconds: the first time that a page is asked for (an ended
rollout's evidence is folded for its own page then), and the median of ten more. A server keeps a
page for some seconds while nothing new is recorded, so that many viewers of one page cost as one
does.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rollout.explain.decision.replayed import explain, text
from rollout.journal.hash_chain import START, Row, canonical, digest
from rollout.journal.jsonl import LinesJournal
from rollout.journal.sql.store import SqlJournal, open_journal
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links

BAR = 200.0  # milliseconds
GOING, SERVICES = 20, 100
_DECISION = re.compile(r'("decision":)([0-9]+)')
RECORDED = Path(__file__).parents[1] / "notebooks" / "data" / "demo.jsonl"


@dataclass(frozen=True)
class Pattern:
    """The recorded demo as texts: copies of it are sealed without parsing a fact again."""

    rows: list[Row]
    rollouts: list[str]

    @classmethod
    def read(cls) -> Pattern:
        rows = LinesJournal(RECORDED).rows()
        return cls(rows, sorted({json.loads(row.text)["rollout"] for row in rows}, key=len))

    def copy(self, number: int, rows: Sequence[Row], before: int) -> Iterator[str]:
        """Yield the texts of rows as those of other rollouts, of another service.

        They follow `before` entries: what names a decision by its number names the copy's.
        """
        for row in rows:
            text = _DECISION.sub(lambda match: f"{match[1]}{int(match[2]) + before}", row.text)
            for rollout in self.rollouts:
                text = text.replace(f'"{rollout}', f'"{rollout}-{number}')
            if '"kind":"started"' in text:
                fact = json.loads(text)
                fact["plan"]["spec"]["service"] = f"service-{number % SERVICES}"
                text = canonical(fact)
            yield text


def fill(where: Path, decisions: int) -> None:
    """Write a journal with about so many decisions: a whole chain, row by row."""
    pattern = Pattern.read()
    own = sum('"kind":"decided"' in row.text for row in pattern.rows)
    copies = max(round(decisions / own), GOING + 1)
    open_journal(where).close()  # makes the tables
    with closing(sqlite3.connect(where)) as database:
        last = START
        for number in range(copies):
            is_going = number >= copies - GOING
            chosen = pattern.rows[: len(pattern.rows) // 3] if is_going else pattern.rows
            rows = []
            for text in pattern.copy(number, chosen, last.seq):
                sealed = digest(last.hash, last.seq + 1, text)
                last = Row(last.seq + 1, text, last.hash, sealed)
                rows.append(last)
            database.executemany(_INSERT, map(_list_columns, rows))
        database.commit()


_INSERT = (
    "INSERT INTO entries (seq, at, rollout, kind, text, previous, hash) VALUES (?,?,?,?,?,?,?)"
)


def _list_columns(row: Row) -> tuple[object, ...]:
    fact = json.loads(row.text)
    return row.seq, fact["at"], fact["rollout"], fact["kind"], row.text, row.previous, row.hash


def cpu_ms(work: Callable[[], str]) -> tuple[float, int]:
    """Return the milliseconds that a page takes, and its bytes."""
    before = time.process_time()
    size = len(work().encode())
    return (time.process_time() - before) * 1000, size


def measure(where: Path) -> dict[str, dict[str, float]]:
    """Measure every kind of page of a journal."""
    with closing(SqlJournal(where, readonly=True)) as journal:
        now = max(entry.fact.at for entry in journal.read_at([1])) + 1000.0
        reader = JournalReader(journal, lambda: now, pause=0)
        before = time.process_time()
        reader.refresh()
        read = {"start_s": time.process_time() - before}
        pages, states = PageSet(reader, journal, Links()), reader.states()
        decisions = [line for line in reader.headlines() if line.action]
        going = next(name for name, state in states.items() if not state.is_terminal)
        ended = next(name for name, state in states.items() if state.is_terminal)
        plan = states[ended].plan
        kinds: dict[str, Callable[[], str]] = {
            "all rollouts": pages.home,
            "topology": pages.topology,
            "rollout under way": lambda: pages.rollout(going),
            "rollout that has ended": lambda: pages.rollout(ended),
            "log": lambda: pages.log({}),
            "log, filtered": lambda: pages.log({"action": "roll-back", "reason": "human"}),
            "decision, newest": lambda: pages.decision(decisions[-1].seq),
            "decision, oldest": lambda: pages.decision(decisions[0].seq),
            "service": lambda: pages.service(plan.metadata.namespace, plan.spec.service),
        }
        kinds["why, in process"] = lambda: text(
            explain(reader.entries_of(decisions[-1].rollout), decisions[-1].seq)
        )
        table = {}
        for name, work in kinds.items():
            first, size = cpu_ms(work)
            again = statistics.median(cpu_ms(work)[0] for _ in range(10))
            table[name] = {"first_ms": first, "again_ms": again, "kB": size / 1000}
        table["reading"] = read | {"decisions": float(len(decisions)), "rollouts": len(states)}
        return table


ROUNDS = 10
LIBRARIES = {
    "Python alone": "pass",
    "the libraries of log": "import click; from pydantic import BaseModel",
    "the libraries of why": "import click, re2, scipy.special; from pydantic import BaseModel",
}


def run_fresh(where: Path) -> dict[str, float]:
    """Return the seconds of CPU that fresh commands take, with what it takes to load their code.

    Medians of ROUNDS, except of those that read all of the journal.
    """
    with closing(sqlite3.connect(where)) as database:
        query = "SELECT max(seq) FROM entries WHERE kind = 'decided'"
        (newest,) = database.execute(query).fetchone()
    short = {
        "why": ["why", str(newest)],
        "log, the newest 20": ["log", "-n", "20"],
        "log, the newest 1,000": ["log", "-n", "1000"],
        "verdict": ["verdict", "discharge-summarizer-v2"],
        "wait": ["wait", "discharge-summarizer-v2", "--timeout", "0.01s"],
    }
    whole = {
        "log, all of it": ["log"],
        "log, all with one action": ["log", "--action", "roll-back"],
    }
    fresh = {name: _measure_median(["-c", program]) for name, program in LIBRARIES.items()}
    for name, words in short.items():
        fresh[f"surefoot {name}"] = _measure_median(_command(words, where))
    for name, words in whole.items():
        fresh[f"surefoot {name}"] = _run(_command(words, where))
    return fresh


def _command(words: Sequence[str], where: Path) -> list[str]:
    return ["-m", "rollout.cli", *words, "--journal", str(where)]


def _measure_median(arguments: Sequence[str]) -> float:
    return statistics.median(_run(arguments) for _ in range(ROUNDS))


def _run(arguments: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Fill a journal, measure, print; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=10_000)
    parser.add_argument("--full", action="store_true", help="100,000 decisions")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wanted = 100_000 if options.full else options.decisions
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "journal.db"
        fill(where, wanted)
        table = measure(where)
        fresh = run_fresh(where)
        short = Path(folder) / "short.db"
        fill(short, 1)
        fresh_short = run_fresh(short)
    reading = table.pop("reading")
    if options.json:
        figures = {"reading": reading, "pages": table, "fresh": fresh, "fresh_short": fresh_short}
        print(json.dumps(figures))
    else:
        print(
            f"{reading['decisions']:,.0f} decisions of {reading['rollouts']:,.0f} rollouts, read "
            f"in {reading['start_s']:.1f} s of CPU; milliseconds of CPU a page (bar: {BAR:g})"
        )
        print(f"{'page':<24}{'first':>9}{'again':>9}{'kB':>7}")
        for name, row in table.items():
            print(f"{name:<24}{row['first_ms']:9.1f}{row['again_ms']:9.1f}{row['kB']:7.1f}")
        for name, seconds in fresh.items():
            print(
                f"{name}: {seconds:.2f} s of CPU as a fresh process, "
                f"{fresh_short[name]:.2f} s on a short journal"
            )
    missed = [name for name, row in table.items() if row["first_ms"] > BAR or row["kB"] > 50]
    if missed:
        print(f"missed: {', '.join(missed)}")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
