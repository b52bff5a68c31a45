"""A progress bar for commands that run for minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(doing: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, and nothing elsewhere.

    Yields a function that the work calls with the number of items done since the last call. The
    bar goes to standard error, so that it never mixes with `--json` output.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from rollout.cli.console import CommandConsole

    console = CommandConsole(stderr=True)
    columns = (doing, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_visible = console.is_terminal and not quiet
    with Progress(*columns, console=console, transient=True, disable=not is_visible) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)
