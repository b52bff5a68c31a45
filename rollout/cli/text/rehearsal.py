"""Print a rehearsal as a table, and draw it as a picture."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rollout.cli.options.picture import write_picture
from rollout.decide.text.numbers import decimal
from rollout.plan.fields.units import duration, percent
from rollout.rehearse.runs import OUTCOMES, Outcome
from rollout.rehearse.summary import Rehearsal, ScenarioResult

_HEADERS = ("median\ntime", "canary\nrequests", "excess\nbad requests")
_STYLES = {"promoted": "green", "rolled back": "red", "no winner": "cyan", "stuck": "yellow"}
_STYLES |= {"blind": "magenta"}


def show(rehearsals: Sequence[Rehearsal]) -> None:
    """Print one table per plan, with its remarks."""
    console = Console()
    for rehearsal in rehearsals:
        console.print(page(rehearsal))


def page(rehearsal: Rehearsal) -> RenderableType:
    """Build the page of one plan: its operating characteristics and remarks."""
    head = Text.assemble(
        (rehearsal.plan, "bold"), f"  {rehearsal.runs:,} runs per world, seed {rehearsal.seed}"
    )
    parts: list[RenderableType] = [head, Text(based_on(rehearsal)), _build_table(rehearsal)]
    if any(world.harmful for world in rehearsal.worlds):
        parts.append(Text("* worse than the plan allows: rolled back is right", style="dim"))
    return Group(*parts, *_format_remarks(rehearsal))


def based_on(rehearsal: Rehearsal) -> str:
    """Describe the traffic and stable's error rate in one line."""
    base = rehearsal.base
    traffic = f"{decimal(base.rate)} requests/s, {percent(base.stable.errors)} errors of stable"
    return f"{traffic}; {rehearsal.read_from}"


def _build_table(rehearsal: Rehearsal) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("world", no_wrap=True)
    outcomes = _list_outcomes(rehearsal)
    for header in (*(name.replace(" ", "\n") for name in outcomes), *_HEADERS):
        table.add_column(header, justify="right", vertical="bottom")
    for world in rehearsal.worlds:
        table.add_row(
            _label_world(world),
            *(_format_share(world, outcome) for outcome in outcomes),
            duration(world.seconds[1]),
            f"{world.canary_requests:,.0f}",
            excess(world),
        )
    return table


def _list_outcomes(rehearsal: Rehearsal) -> list[Outcome]:
    """Return the outcomes that a plan can have: only an experiment ends without a winner."""
    return [name for name in OUTCOMES if rehearsal.has_experiment or name != "no winner"]


def _label_world(world: ScenarioResult) -> str:
    return world.name + (" *" if world.harmful else "")


def _format_share(world: ScenarioResult, outcome: Outcome) -> Text:
    share = world.outcomes[outcome]
    return Text(f"{share * 100:.0f} %", style=_STYLES[outcome] if share else "dim")


def excess(world: ScenarioResult) -> str:
    """Return the expected excess of bad requests of the worst guardrail."""
    name, most = max(world.excess_bad.items(), key=lambda item: item[1])
    return f"{most:,.0f} {name}" if most >= 0.5 else "0"


def _format_remarks(rehearsal: Rehearsal) -> Iterator[Text]:
    for remark in rehearsal.remarks:
        style = "bold yellow" if remark.level == "warning" else "dim"
        yield Text.assemble((f"{remark.level} {remark.code}", style), f"  {remark.text}")


def draw(rehearsal: Rehearsal, path: Path) -> None:
    """Draw outcomes and times per world; the suffix of the path chooses SVG or PNG."""
    from analysis.charts.operating_characteristics import characteristics

    worlds = rehearsal.worlds
    figure = characteristics(
        [_label_world(world) for world in worlds],
        {
            outcome: [world.outcomes[outcome] for world in worlds]
            for outcome in _list_outcomes(rehearsal)
        },
        [world.seconds for world in worlds],
        duration,
        f"{rehearsal.plan}: {rehearsal.runs:,} rehearsals per world (*: worse than it allows)",
    )
    # Without a date, the same rehearsal writes the same bytes.
    picture, kind = io.BytesIO(), path.suffix.removeprefix(".")
    figure.savefig(picture, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_picture(path, picture.getvalue())
