"""One screen for people: weight, evidence against margin, next action, and the log as it grows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from analysis.readout import Readout
from rollout.cli.report import Line, Report
from rollout.plan.units import percent

STYLES = {
    "safe": "green",
    "harmful": "bold red",
    "undecided": "yellow",
    "blind": "magenta",
    "promoted": "bold green",
    "rolled back": "bold red",
    "reverting": "red",
    "paused": "cyan",
}


def screen(reports: Sequence[Report], log: Sequence[Text], title: str = "") -> RenderableType:
    """Every rollout that matters now, and the newest lines of the log."""
    parts: list[RenderableType] = [rollout_panel(report) for report in reports]
    if log:
        parts.append(Panel(Group(*log), title="decision log", title_align="left", style="dim"))
    if title:
        parts.insert(0, Text(title, style="bold"))
    return Group(*parts)


def rollout_panel(report: Report) -> RenderableType:
    """One rollout: the weight bar, a row per guardrail, and what comes next."""
    phase = Text(report.phase, style=STYLES.get(report.phase, "bold"))
    head = Text.assemble(
        f"{report.service}  {report.stable} -> {report.canary}  ", phase, "   ", weight_bar(report)
    )
    foot = Text(f"now   {report.said}" if report.said else "now   looking for the first time")
    parts: list[RenderableType] = [head, _guardrails(report.guardrails), foot]
    if report.next:
        parts.append(Text(f"next  {report.next}", style="bold"))
    if report.route_problem:
        parts.append(Text(f"mesh  {report.route_problem}", style="bold red"))
    return Panel(Group(*parts), title=report.name, title_align="left")


def weight_bar(report: Report, width: int = 30) -> Text:
    """The canary's share of traffic as a bar; a wanted share that is not confirmed is dotted."""
    filled = round(report.weight * width)
    filled = max(filled, 1) if report.weight else 0
    bar = Text("█" * filled, style="blue")
    ahead = max(round(report.wanted * width) - filled, 0)
    bar.append("░" * ahead, style="blue")
    bar.append("·" * (width - filled - ahead), style="dim")
    bar.append(f" {percent(report.weight)}")
    if not report.confirmed:
        bar.append(f" (wants {percent(report.wanted)})", style="dim")
    return bar


def _guardrails(lines: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for header in (
        "guardrail",
        "canary",
        "stable",
        "difference against margin",
        "",
        "harm",
        "proof",
    ):
        table.add_column(header, no_wrap=True, justify="left")
    table.add_column("verdict", overflow="ellipsis", no_wrap=True, ratio=1)
    for line in lines:
        readout, style = line.readout, STYLES.get(line.verdict, "")
        verdict = f"{line.verdict} ({line.reason})" if line.reason else line.verdict
        table.add_row(
            line.name,
            *(_counts(*arm) for arm in _arms(readout)),
            interval_bar(readout),
            interval_words(readout),
            meter(readout.harm, "red"),
            meter(readout.safe, "green"),
            Text(verdict, style=style),
        )
    return table


def _arms(readout: Readout) -> tuple[tuple[int, int], tuple[int, int]]:
    return (
        (readout.canary_bad, readout.canary),
        (readout.stable_bad, readout.stable),
    )


def _counts(bad: int, exposures: int) -> str:
    return f"{bad:,}/{exposures:,}"


def interval_words(readout: Readout) -> str:
    """The difference in percentage points and the most that is allowed."""
    if readout.estimate is None:
        return "no data"
    allowed = "" if readout.allowed is None else f" of {readout.allowed * 100:+.1f}"
    return f"{readout.estimate * 100:+.1f}{allowed} pp"


def interval_bar(readout: Readout, width: int = 25) -> Text:
    """The anytime interval `━●━` around the estimate, zero `│` and the margin `┃`."""
    cells = [" "] * width
    if readout.estimate is None or readout.low is None or readout.high is None:
        return Text("·" * width, style="dim")
    allowed = readout.allowed or 0.0
    scale = 2.5 * max(abs(allowed), 1e-3)
    if abs(readout.estimate) > scale:
        scale = abs(readout.estimate) * 1.2

    def cell(value: float) -> int:
        return min(max(round((value / scale + 1) / 2 * (width - 1)), 0), width - 1)

    for index in range(cell(readout.low), cell(readout.high) + 1):
        cells[index] = "━"
    cells[cell(0.0)] = "│"
    cells[cell(allowed)] = "┃"
    cells[cell(readout.estimate)] = "●"
    text = Text("".join(cells), style="white")
    text.stylize("bold red", cell(allowed), cell(allowed) + 1)
    return text


def meter(value: float | None, style: str, width: int = 8) -> Text:
    """Evidence as a share of what a decision needs: full is decided."""
    share = min(max(value or 0.0, 0.0), 1.0)
    filled = int(share * width + 1e-9)
    return Text("▮" * filled, style=style) + Text("▯" * (width - filled), style="dim")
