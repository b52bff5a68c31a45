"""Draw the screen: weight, evidence against margin, next action, and the newest log lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from analysis.verdict.readout import Readout
from rollout.explain.forecast import Timer
from rollout.explain.status import GoalLine, Line, Report, SegmentLine
from rollout.plan.fields.units import duration, percent

_TODAY = 12 * 3600.0  # seconds from which on a time needs its date
_SHARE, _INTERVAL, _EVIDENCE = 24, 29, 6  # width of each bar in characters
STYLES = {
    "safe": "green",
    "harmful": "bold red",
    "undecided": "yellow",
    "blind": "magenta",
    "shown": "dim",
    "promoted": "bold green",
    "rolled back": "bold red",
    "holding back": "green",
    "reverting": "red",
    "undoing": "red",
    "undone": "bold red",
    "paused": "cyan",
    "observing": "cyan",
    "observed": "cyan",
}


def utc(at: float) -> str:
    """Format a unix time as the screen shows it: with its zone."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")


def screen(reports: Sequence[Report], log: Sequence[Text], title: str = "") -> RenderableType:
    """Draw the given rollouts and the newest lines of the log."""
    parts: list[RenderableType] = [rollout_panel(report) for report in reports]
    if log:
        parts.append(
            Panel(Group(*log), title="decision log", title_align="left", border_style="dim")
        )
    if title:
        parts.insert(0, Text(title, style="bold"))
    return Group(*parts)


def rollout_panel(report: Report) -> RenderableType:
    """Draw one rollout: the weight bar, a row per guardrail, and the next action."""
    wish = f", would {report.would}" if report.would else ""
    phase = Text(f"{report.phase}{wish}", style=STYLES.get(report.phase, "bold"))
    step = f"  {report.step}" if report.step else ""
    versions = f"{report.service}  {report.stable} -> {report.canary}  "
    head = Text.assemble(versions, phase, "   ", weight_bar(report), step)
    foot = Text(f"now   {report.said}" if report.said else "now   waiting for the first look")
    parts: list[RenderableType] = [head, Guardrails(report.guardrails), foot]
    parts += [Text(_describe_segment(segment)) for segment in report.segments]
    parts += [Text(_describe_goal(goal)) for goal in report.goals]
    if report.observational:
        parts.append(Text(f"basis {report.basis}", style="yellow"))
    if report.next:
        parts.append(Text(f"next  {report.next}", style="bold"))
    parts += [Text(_describe_timer(timer)) for timer in report.timers]
    if report.traffic:
        style = "bold red" if report.traffic.state == "not followed" else ""
        parts.append(Text(f"sent  {report.traffic.said}", style=style))
    if report.hooks:
        parts.append(Text(f"hooks {', '.join(report.hooks)}"))
    if report.release:
        parts.append(Text(f"release {report.release['digest']}", style="dim"))
    if report.recorded_stable:
        parts.append(Text(f"stable version now: {report.recorded_stable}", style="dim"))
    if report.route_problem:
        parts.append(Text(f"mesh  {report.route_problem}", style="bold red"))
    return Panel(Group(*parts), title=report.name, title_align="left")


def _describe_goal(goal: GoalLine) -> str:
    """Say what is known of a goal on one line."""
    condition = f" {goal.condition}" if goal.condition else ""
    return f"goal  {goal.name}, {goal.conclusion}{condition}: {goal.said}"


def _describe_segment(segment: SegmentLine) -> str:
    """Say what is known of a segment on one line."""
    return f"of    {segment.name}, {segment.verdict}: {segment.said}"


def weight_bar(report: Report) -> Text:
    """Draw the canary's share of traffic as a bar, with the wanted but unconfirmed share dotted.

    Any traffic at all fills at least one cell: 0.1 % must not look like none.
    """
    filled = round(report.weight * _SHARE)
    filled = max(filled, 1) if report.weight else 0
    bar = Text("█" * filled, style="blue")
    ahead = max(round(report.wanted * _SHARE) - filled, 0)
    bar.append("░" * ahead, style="blue")
    bar.append("·" * (_SHARE - filled - ahead), style="dim")
    bar.append(f" {report.shown}")
    if not report.confirmed:
        bar.append(f" (going to {percent(report.wanted)})", style="dim")
    return bar


@dataclass(frozen=True)
class Guardrails:
    """A table with a row per guardrail; a narrow screen drops the counts, then the picture."""

    lines: Sequence[Line]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        roomy, wide = options.max_width >= 100, options.max_width >= 124
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("guardrail", no_wrap=True)
        for arm in ("canary", "stable") if wide else ():
            table.add_column(f"bad in {arm}", no_wrap=True, justify="right")
        if roomy:
            table.add_column("canary - stable  │ 0  ┃ allowed", no_wrap=True)
        for header in ("points worse", "harm", "safety"):
            table.add_column(header, no_wrap=True)
        table.add_column("verdict")
        for line in self.lines:
            table.add_row(*_build_cells(line, roomy=roomy, wide=wide))
        yield table


def _build_cells(line: Line, *, roomy: bool, wide: bool) -> list[RenderableType]:
    readout = line.readout
    verdict = _describe_verdict(line)
    arms = ((readout.canary_bad, readout.canary), (readout.stable_bad, readout.stable))
    return [
        line.name,
        *([f"{bad:,}/{units:,}" for bad, units in arms] if wide else []),
        *([interval_bar(readout)] if roomy else []),
        interval_words(readout),
        meter(readout.harm, "red"),
        meter(readout.safe, "green"),
        Text(verdict, style=STYLES.get(line.verdict, "")),
    ]


def _describe_timer(timer: Timer) -> str:
    """Say what acts by itself, in how long, and when: far from now with the date."""
    form = "%H:%M:%SZ" if timer.seconds < _TODAY else "%Y-%m-%d %H:%MZ"
    at = datetime.fromtimestamp(timer.at, UTC).strftime(form)
    return f"acts  {timer.acts}: in {duration(timer.seconds)} ({at})"


def _describe_verdict(line: Line) -> str:
    """Return the verdict; of a blind guardrail since when, of an open one what it still takes."""
    if line.verdict == "blind":
        since = "" if line.blind_since is None else f" since {utc(line.blind_since)}"
        return f"blind{since}: {line.reason}"
    return f"{line.verdict}: {line.forecast.words}" if line.forecast else line.verdict


def interval_words(readout: Readout) -> str:
    """Format the difference of bad shares and what is allowed, in percentage points.

    Of a ratio of sums: how many times stable's it is.
    """
    if readout.ratio is not None:
        return f"{readout.ratio:.2f} times"
    if readout.estimate is None:
        return "no data"
    allowed = "" if readout.allowed is None else f", allowed {readout.allowed * 100:.1f}"
    return f"{readout.estimate * 100:+.1f}{allowed}"


def interval_bar(readout: Readout) -> Text:
    """Draw the anytime interval `━●━` around the estimate, zero `│` and the margin `┃`.

    Zero is in the middle and the scale is 2.5 margins, so that rows of different units compare.
    """
    cells = [" "] * _INTERVAL
    if readout.estimate is None or readout.low is None or readout.high is None:
        return Text("·" * _INTERVAL, style="dim")
    allowed = readout.allowed or 0.0
    scale = 2.5 * max(abs(allowed), 1e-3)
    if abs(readout.estimate) > scale:
        scale = abs(readout.estimate) * 1.2

    def cell(value: float) -> int:
        return min(max(round((value / scale + 1) / 2 * (_INTERVAL - 1)), 0), _INTERVAL - 1)

    # Drawn from back to front: the estimate covers the margin, which covers zero.
    for index in range(cell(readout.low), cell(readout.high) + 1):
        cells[index] = "━"
    cells[cell(0.0)] = "│"
    cells[cell(allowed)] = "┃"
    cells[cell(readout.estimate)] = "●"
    text = Text("".join(cells), style="white")
    text.stylize("bold red", cell(allowed), cell(allowed) + 1)
    return text


def meter(value: float | None, style: str) -> Text:
    """Draw evidence as a share of what a decision needs; a full meter decides."""
    share = min(max(value or 0.0, 0.0), 1.0)
    filled = int(share * _EVIDENCE + 1e-9)  # rounded down: only decisive evidence looks full
    return Text("█" * filled, style=style) + Text("░" * (_EVIDENCE - filled), style="dim")
