"""How long each page of a long journal takes, and what a viewer costs.

The journal holds the recorded demo again and again, under other names and of 100 services, until it
has `--decisions` decisions; the last copies are cut off in the middle, so they are under way. Times
are a process's CPU time in milliseconds: the first time that a page is asked for (an ended
rollout's evidence is folded then), and the median of ten more. A server keeps a page for some
seconds while nothing new is recorded, so that many viewers of one page cost as one does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from rollout.decide.record.facts import Decided, Fact, Started
from rollout.journal.jsonl import LinesJournal
from rollout.journal.sql.store import SqlJournal, open_journal
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links

BAR = 200.0  # milliseconds
GOING, SERVICES = 20, 100
RECORDED = Path(__file__).parents[1] / "notebooks" / "data" / "demo.jsonl"


def renamed(fact: Fact, copy: int) -> Fact:
    """Return the same fact of another rollout of another service."""
    new: dict[str, Any] = {"rollout": f"{fact.rollout}-{copy}"}
    if isinstance(fact, Started):
        spec = {**fact.plan["spec"], "service": f"service-{copy % SERVICES}"}
        new["plan"] = {**fact.plan, "spec": spec}
    return fact.model_copy(update=new)


def fill(where: Path, decisions: int) -> None:
    """Write a journal with about so many decisions."""
    facts = [entry.fact for entry in LinesJournal(RECORDED).read()]
    copies = max(round(decisions / sum(isinstance(fact, Decided) for fact in facts)), GOING + 1)
    last = 0
    with closing(open_journal(where)) as journal:
        for copy in range(copies):
            is_going = copy >= copies - GOING
            chosen = facts[: len(facts) // 3] if is_going else facts
            last = journal.append([renamed(fact, copy) for fact in chosen], after=last)[-1].seq


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
        table = {}
        for name, work in kinds.items():
            first, size = cpu_ms(work)
            again = statistics.median(cpu_ms(work)[0] for _ in range(10))
            table[name] = {"first_ms": first, "again_ms": again, "kB": size / 1000}
        table["reading"] = read | {"decisions": float(len(decisions)), "rollouts": len(states)}
        return table


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
    reading = table.pop("reading")
    if options.json:
        print(json.dumps({"reading": reading, "pages": table}))
    else:
        print(
            f"{reading['decisions']:,.0f} decisions of {reading['rollouts']:,.0f} rollouts, read "
            f"in {reading['start_s']:.1f} s of CPU; milliseconds of CPU a page (bar: {BAR:g})"
        )
        print(f"{'page':<24}{'first':>9}{'again':>9}{'kB':>7}")
        for name, row in table.items():
            print(f"{name:<24}{row['first_ms']:9.1f}{row['again_ms']:9.1f}{row['kB']:7.1f}")
    missed = [name for name, row in table.items() if row["again_ms"] > BAR or row["kB"] > 50]
    if missed:
        print(f"missed: {', '.join(missed)}")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
