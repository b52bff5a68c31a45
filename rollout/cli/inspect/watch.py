"""`surefoot watch`: one screen that follows the journal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.errors import InputError
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rollout.cli.console import CommandConsole
    from rollout.cli.text.live import Follower
    from rollout.wire.clock import SystemClock

_POLL = 0.5  # seconds between two frames


@click.command(
    epilog="""\b
Examples:
  surefoot watch
  surefoot watch discharge-summarizer-v2 --journal ./journal.db
  surefoot watch --once
  surefoot watch --at 42 --svg decision-42.svg""",
)
@click.argument("name", required=False)
@journal_option(READ)
@click.option("--once", is_flag=True, help="Print the screen once and exit.")
@click.option(
    "--at",
    type=click.IntRange(1),
    metavar="ID",
    help="Print the screen as it was at that entry, and exit.",
)
@click.option("--svg", type=click.Path(path_type=Path), help="Draw the screen to a file, and exit.")
def watch(
    name: str | None,
    journal: JournalLocation | None,
    at: int | None,
    svg: Path | None,
    *,
    once: bool,
) -> None:
    """Follow weight, evidence and the next step on a live screen; Ctrl-C ends it.

    NAME is a plan's name or a rollout's id; without it every rollout is shown.
    """
    from rollout.cli.console import CommandConsole
    from rollout.cli.text.live import Follower
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading
    from rollout.wire.clock import SystemClock

    source, clock, follower = open_for_reading(journal or default_path()), SystemClock(), Follower()
    follower.name = name

    def frame() -> RenderableType:
        now = clock.now()
        for entry in source.read(follower.seq):
            if at is not None and entry.seq > at:
                break
            follower.feed(entry)
            # A past screen is drawn for the time of its entry, so that its waits are right.
            now = clock.now() if at is None else entry.fact.at
        return follower.render(now)

    if svg is not None or once or at is not None:
        picture = frame()
        _check_watched(follower, at)
        if svg is None:
            CommandConsole().print(picture)
        else:
            _draw(picture, svg)
        return
    console = CommandConsole()
    if not console.is_terminal:
        console.print(frame())
        return
    _follow_live(console, follower, frame, clock)


def _check_watched(follower: Follower, at: int | None) -> None:
    """Check that there is what was asked for. Raises InputError."""
    if at is not None and at > follower.seq:
        raise InputError(f"there is no entry {at:,} yet: the record ends at {follower.seq:,}")
    if follower.name is not None and not follower.states:
        until = "" if at is None else f" up to entry {at:,}"
        raise InputError(f"there is no rollout {follower.name!r}{until}")


def _follow_live(
    console: CommandConsole,
    follower: Follower,
    frame: Callable[[], RenderableType],
    clock: SystemClock,
) -> None:
    from rich.live import Live

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while not follower.done:
            live.update(frame(), refresh=True)
            clock.sleep(_POLL)


def _draw(picture: RenderableType, path: Path) -> None:
    """Write the screen to an SVG file."""
    import io

    from rollout.cli.console import CommandConsole
    from rollout.cli.options.picture import write_picture

    console = CommandConsole(record=True, width=132, file=io.StringIO())
    console.print(picture)
    write_picture(path, console.export_svg(title="surefoot watch").encode())
