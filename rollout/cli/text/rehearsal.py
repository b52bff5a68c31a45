"""A rehearsal as a table for people, and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rollout.plan.fields.units import duration, percent
from rollout.rehearse.runs import OUTCOMES, Outcome
from rollout.rehearse.summary import Rehearsal, ScenarioResult

_HEADERS = (
    *("promoted", "rolled\nback", "stuck", "blind"),
    *("median\ntime", "canary\nrequests", "excess\nbad requests"),
)
_STYLES = {"promoted": "green", "rolled back": "red", "stuck": "yellow", "blind": "magenta"}


def show(rehearsals: Sequence[Rehearsal]) -> None:
    """Print one table per plan, with what is to be said of it."""
    console = Console()
    for rehearsal in rehearsals:
        console.print(page(rehearsal))


def page(rehearsal: Rehearsal) -> RenderableType:
    """One plan's operating characteristics."""
    head = Text.assemble(
        (rehearsal.plan, "bold"), f"  {rehearsal.runs} runs per world, seed {rehearsal.seed}"
    )
    parts: list[RenderableType] = [head, Text(based_on(rehearsal)), _table(rehearsal)]
    if any(world.harmful for world in rehearsal.worlds):
        parts.append(Text("* worse than the plan allows", style="dim"))
    return Group(*parts, *_remarks(rehearsal))


def based_on(rehearsal: Rehearsal) -> str:
    """Traffic and stable's rates in one line."""
    base = rehearsal.base
    traffic = f"{base.rate:.4g} requests/s, {percent(base.stable.errors)} errors"
    return f"{traffic}; {rehearsal.read_from}"


def _table(rehearsal: Rehearsal) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("world", no_wrap=True)
    for header in _HEADERS:
        table.add_column(header, justify="right", vertical="bottom")
    for world in rehearsal.worlds:
        table.add_row(
            _name(world),
            *(_share(world, outcome) for outcome in OUTCOMES),
            duration(world.seconds[1]),
            f"{world.canary_requests:,.0f}",
            excess(world),
        )
    return table


def _name(world: ScenarioResult) -> str:
    return world.name + (" *" if world.harmful else "")


def _share(world: ScenarioResult, outcome: Outcome) -> Text:
    share = world.outcomes[outcome]
    return Text(f"{share * 100:.0f} %", style=_STYLES[outcome] if share else "dim")


def excess(world: ScenarioResult) -> str:
    """The worst guardrail's expected excess of bad requests."""
    name, most = max(world.excess_bad.items(), key=lambda item: item[1])
    return f"{most:,.0f} {name}" if most >= 0.5 else "0"


def _remarks(rehearsal: Rehearsal) -> Iterator[Text]:
    for remark in rehearsal.remarks:
        style = "bold yellow" if remark.level == "warning" else "dim"
        yield Text.assemble((f"{remark.level} {remark.code}", style), f"  {remark.text}")


def draw(rehearsal: Rehearsal, path: Path) -> None:
    """Outcomes and times per world; .svg or .png by the suffix."""
    from analysis.charts.operating_characteristics import characteristics

    worlds = rehearsal.worlds
    figure = characteristics(
        [_name(world) for world in worlds],
        {outcome: [world.outcomes[outcome] for world in worlds] for outcome in OUTCOMES},
        [world.seconds for world in worlds],
        duration,
        f"{rehearsal.plan}: {rehearsal.runs} rehearsals per world (*: worse than it allows)",
    )
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
