"""Print the end of the demo: the decisions, what each version cost its users, where to read on."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from rollout.cli.text.screen import STYLES
from rollout.decide.record.facts import Decided
from rollout.demo.costs import Cost, Edges
from rollout.demo.stage import Stage
from rollout.demo.story import Chapter
from rollout.errors import InputError
from rollout.journal.open import open_for_reading
from rollout.journal.owned_file import replace_file
from rollout.ports import Entry


def closing(console: Console, stage: Stage, journal: Path, chapters: Sequence[Chapter]) -> bool:
    """Print the tables and write the report; return whether both rollouts ended as expected."""
    entries = open_for_reading(journal).read()
    edges = Edges(edge(entries, "latency"), edge(entries, "accuracy"))
    tables = Group(_build_decisions_table(chapters), Text(), costs_table(stage.costs(edges), edges))
    console.print(Text(), tables, Text())
    console.print(f"journal  {journal}", soft_wrap=True)
    _write_reports(console, stage.folder, journal)
    more = f"{command_here()} log --journal {shlex.quote(str(journal))}"
    console.print(f"more     {more}", soft_wrap=True)
    return all(chapter.as_expected for chapter in chapters) and len(chapters) == 2


def command_here() -> str:
    """Return the command as a user can type it here: its path, where it is not on the PATH."""
    if shutil.which("surefoot"):
        return "surefoot"
    program = Path(sys.argv[0]).absolute()
    if program.name != "surefoot" or not os.access(program, os.X_OK):
        return f"{shlex.quote(sys.executable)} -m rollout.cli"
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))


def _build_decisions_table(chapters: Sequence[Chapter]) -> Table:
    table = Table(title="what was decided, and why", title_justify="left", expand=True)
    for header in ("rollout", "outcome", "after", "since first request"):
        table.add_column(header, no_wrap=True)
    table.add_column("why", ratio=1)
    for chapter in chapters:
        first = chapter.from_first_request
        style = STYLES.get(chapter.outcome, "")
        table.add_row(
            f"{chapter.stable} -> {chapter.canary}",
            Text(chapter.outcome, style=style),
            f"{chapter.from_start:.0f} s",
            "-" if first is None else f"{first:.0f} s",
            chapter.sentence,
        )
    return table


def edge(entries: Sequence[Entry], guardrail: str) -> float | None:
    """Return the histogram edge in the newest decision that has one; None before that."""
    decided = [entry.fact for entry in entries if isinstance(entry.fact, Decided)]
    newest_first = (
        fact.numbers.get("guardrails", {}).get(guardrail, {}) for fact in reversed(decided)
    )
    edges = (numbers.get("edge") for numbers in newest_first)
    return next((edge for edge in edges if edge is not None), None)


def costs_table(costs: Mapping[str, Cost], edges: Edges) -> Table:
    """Build a table of what users of each version met, in the terms of the guardrails."""
    table = Table(title="what each version cost its users", title_justify="left")
    slow = "-" if edges.latency is None else f"slower than {edges.latency:.3g} ms"
    poor = "-" if edges.score is None else f"scored {edges.score:.2g} or less"
    for header in ("version", "requests", "failed", slow, "summaries scored", poor):
        table.add_column(header, justify="right")
    for version, cost in costs.items():
        of_all = (_format_share(count, cost.requests) for count in (cost.failed, cost.slow))
        scored = f"{cost.scored:,}", _format_share(cost.poor, cost.scored)
        table.add_row(version, f"{cost.requests:,}", *of_all, *scored)
    return table


def _format_share(count: int | None, among: int) -> str:
    return "-" if count is None or not among else f"{count:,} ({count / among:.1%})"


def _write_reports(console: Console, folder: Path, journal: Path) -> None:
    """Write a report of each rollout, where the libraries that draw are installed."""
    from rollout.experiment.read import read
    from rollout.experiment.report.document import compose

    try:
        from rollout.experiment.report.render import to_page

        for experiment in read(journal).values():
            document = compose(experiment)
            path = folder / f"report-{document.name}.html"
            replace_file(path, to_page(experiment, document))
            console.print(f"report   {path}", soft_wrap=True)
    except InputError as error:
        console.print(f"report   none: {error}", soft_wrap=True)
