"""The end of the demo: what was decided and why, what each version cost, where to read on."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rollout.cli.follow import log_line
from rollout.cli.report import report, states_of
from rollout.cli.screen import STYLES, rollout_panel
from rollout.demo.stage import Stage
from rollout.demo.story import Chapter
from rollout.journal.files import open_for_reading


def closing(console: Console, stage: Stage, journal: Path, chapters: Sequence[Chapter]) -> bool:
    """Print the tables, write the report; whether everything came as it should."""
    costs = stage.requests()
    tables = Group(_decisions(chapters), Text(), _costs(costs))
    page = _write_report(stage.folder / "report.html", journal, tables)
    console.print(Text(), tables, Text())
    console.print(f"journal  {journal}", soft_wrap=True)
    console.print(f"report   {page}", soft_wrap=True)
    console.print(f"more     surefoot log --journal {journal}", soft_wrap=True)
    return all(chapter.as_expected for chapter in chapters) and len(chapters) == 2


def _decisions(chapters: Sequence[Chapter]) -> Table:
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


def _costs(costs: Mapping[str, tuple[int, int]]) -> Table:
    table = Table(title="what each version cost", title_justify="left")
    for header in ("version", "requests", "failed requests", "share"):
        table.add_column(header, justify="right")
    for version, (requests, failed) in costs.items():
        share = f"{failed / requests:.2%}" if requests else "-"
        table.add_row(version, f"{requests:,}", f"{failed:,}", share)
    return table


def _write_report(path: Path, journal: Path, tables: RenderableType) -> Path:
    """The tables, each rollout's last screen and every decision, as one page."""
    entries = open_for_reading(journal).read()
    page = Console(record=True, width=150, file=io.StringIO())
    page.print(tables)
    for rollout, state in states_of(entries).items():
        page.print(rollout_panel(report(rollout, state, state.confirmed_at or 0.0)))
    for entry in entries:
        if entry.fact.kind != "observed":
            page.print(log_line(entry))
    page.save_html(str(path))
    return path
