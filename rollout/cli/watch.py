"""`surefoot watch`: one screen that follows the journal."""

from __future__ import annotations

from pathlib import Path

import click

_POLL = 0.5


@click.command(
    epilog="""\b
Examples:
  surefoot watch
  surefoot watch discharge-summarizer-v2 --journal ./journal.db
  surefoot watch --once""",
)
@click.argument("name", required=False)
@click.option("--journal", type=click.Path(path_type=Path), help="Journal, or its .jsonl export.")
@click.option("--once", is_flag=True, help="Print the screen once and end.")
def watch(name: str | None, journal: Path | None, *, once: bool) -> None:
    """Show weight, evidence against margin and the next action, live; Ctrl-C ends it.

    NAME is a plan's name or a rollout's id; without it every rollout is shown.
    """
    from rich.console import Console
    from rich.live import Live

    from rollout.cli.follow import Follower
    from rollout.journal.files import open_for_reading
    from rollout.journal.place import default_path
    from rollout.wire import SystemClock

    source, clock, console = open_for_reading(journal or default_path()), SystemClock(), Console()
    follower = Follower(name)

    def frame() -> object:
        for entry in source.read(follower.seq):
            follower.feed(entry)
        return follower.render(clock.now())

    if once or not console.is_terminal:
        console.print(frame())
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while not follower.done:
            live.update(frame(), refresh=True)  # type: ignore[arg-type]
            clock.sleep(_POLL)
