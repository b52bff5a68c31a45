"""`surefoot run`: run the controller in the foreground until every plan is decided."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.group import INTERRUPTED
from rollout.cli.options.journal import journal_option
from rollout.cli.options.metrics_server import serving
from rollout.errors import DONE, FAILED, NOT_FOLLOWED
from rollout.journal.location import JournalLocation
from rollout.redact import redact

if TYPE_CHECKING:
    from rollout.ports import Entry

_AGAIN = "`surefoot retry NAME` starts it again"
_SIGTERM_HELP = (
    "Ctrl-C stops the controller; the mesh keeps its last weights, and `run` continues later."
)


@click.command(
    short_help="Run plans until each is promoted or rolled back.",
    epilog=f"""\b
Examples:
  surefoot run plan.yaml
  surefoot run plans/*.yaml --journal ./journal.db

{_SIGTERM_HELP}
Exit codes: 0 all promoted, 1 one was not, 2 bad input, 3 one has ended and traffic does not follow
it, 130 interrupted by Ctrl-C.""",
)
@click.argument("plans", nargs=-1, required=True, type=click.Path(path_type=Path))
@journal_option()
@click.option(
    "--uncalibrated",
    is_flag=True,
    help="Start plans that lack a calibration; the journal records it.",
)
@serving
def run(
    plans: tuple[Path, ...],
    journal: JournalLocation | None,
    metrics: int | None,
    metrics_address: str,
    *,
    uncalibrated: bool,
) -> None:
    """Run PLANS until each is promoted or rolled back, and print the decision log."""
    from rollout.plan.reading.load import load_files

    accepted = load_files(plans)

    # Imported only now: a mistake in a plan is reported without waiting for these.
    from rollout.cli.inspect.log import print_entry
    from rollout.decide.state.rollout import TERMINAL
    from rollout.journal.location import default_path, shown
    from rollout.wire.controller import open_controller
    from rollout.wire.run import open_meter, pacer, stop_on_signal

    where = journal or default_path()
    with open_meter(metrics, metrics_address) as meter, open_controller(where) as controller:
        controller.on_entry = meter.note
        ids = controller.start(accepted, uncalibrated=uncalibrated)
        click.echo(
            f"journal {shown(where)}; {len(ids):,} rollout{'' if len(ids) == 1 else 's'}; "
            "Ctrl-C stops, weights stay",
            err=True,
        )

        for rollout in ids:
            if controller.states[rollout].phase in {"rolled back", "undone"}:
                click.echo(f"{rollout} has ended; {_AGAIN}", err=True)

        def on_entry(entry: Entry) -> None:
            meter.note(entry)
            print_entry(entry)

        controller.on_entry = on_entry
        pace = pacer(
            controller, ids, lambda words: click.echo(f"problem: {redact(words)}", err=True), meter
        )
        with stop_on_signal(pace) as received:
            pace.run()
        states = {rollout: controller.states[rollout] for rollout in ids}
        phases = {rollout: state.phase for rollout, state in states.items()}
    for rollout, phase in phases.items():
        click.echo(f"{rollout}: {phase}", err=True)
    if not set(phases.values()) <= TERMINAL:
        click.echo("stopped; the mesh keeps its weights, the same command continues", err=True)
        if signal.SIGINT in received:
            raise SystemExit(INTERRUPTED)
    if any(state.following and state.following.blocks_next for state in states.values()):
        raise SystemExit(NOT_FOLLOWED)
    raise SystemExit(DONE if set(phases.values()) == {"promoted"} else FAILED)
