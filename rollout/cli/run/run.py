"""`surefoot run`: run the controller in the foreground until every plan is decided."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.group import Refusal
from rollout.cli.options.authority import authority_option
from rollout.cli.options.journal import journal_option
from rollout.cli.options.key_file import key_file_option
from rollout.cli.options.metrics_server import serving
from rollout.cli.options.page import page_beside, page_option
from rollout.cli.options.prometheus import prometheus_options
from rollout.cli.options.reach import limited
from rollout.cli.options.templates import templates_option
from rollout.errors import BAD_INPUT, DONE, FAILED, INTERRUPTED, NOT_FOLLOWED, SurefootError
from rollout.journal.location import JournalLocation, default_path, shown
from rollout.redact import redact

if TYPE_CHECKING:
    from rollout.observe.access.settings import PrometheusSettings
    from rollout.plan.model.plan import Plan
    from rollout.plan.model.terms import Authority
    from rollout.ports import Entry
    from rollout.tick.agenda import Agenda
    from rollout.tick.fleet import Fleet

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
Exit codes: 0 all promoted or observed, 1 one was not, 2 bad input, 3 one has ended and traffic does
not follow it, 130 interrupted by Ctrl-C.""",
)
# A plan that cannot be read is refused by us: what is open does not wait for it.
@click.argument("plans", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@journal_option()
@key_file_option
@click.option(
    "--uncalibrated",
    is_flag=True,
    help="Start plans that lack a calibration; the journal records it.",
)
@authority_option
@limited
@serving
@page_option
@templates_option
@prometheus_options
def run(
    plans: tuple[Path, ...],
    journal: JournalLocation | None,
    key_file: Path | None,
    metrics: int | None,
    metrics_address: str,
    *,
    page: int | None,
    page_token: Path | None,
    allow: Path | None,
    templates_folder: Path | None,
    settings: PrometheusSettings,
    uncalibrated: bool,
    authority: Authority,
) -> None:
    """Run PLANS until each is promoted or rolled back, and print the decision log.

    What the journal has open is carried out first, also where its plan was edited or deleted since.
    """
    where = journal or default_path()
    accepted, refusal = _load(plans, where, templates_folder)

    # Imported only now: a mistake in a plan is reported without waiting for these.
    from rollout.cli.inspect.log import print_entry
    from rollout.reach import load_reach
    from rollout.tick.agenda import Agenda
    from rollout.wire.controller import open_controller
    from rollout.wire.run import open_meter, pacer, stop_on_signal

    reach = load_reach(allow)
    with (
        stop_on_signal() as stops,
        open_meter(metrics, metrics_address) as meter,
        open_controller(
            where,
            on_problem=_tell,
            key_file=key_file,
            settings=settings,
            reach=reach,
            authority=authority,
        ) as controller,
        page_beside(page, where, page_token),
    ):
        controller.on_entry = meter.note
        agenda = Agenda(controller, refusal is not None, uncalibrated, _tell)
        agenda.begin(accepted)
        _describe_begin(agenda, shown(where))

        def on_entry(entry: Entry) -> None:
            meter.note(entry)
            print_entry(entry)

        controller.on_entry = on_entry
        pace = pacer(agenda, _tell, meter)
        stops.end(pace)
        pace.run()
        states = dict(agenda.states)
        is_left = agenda.is_open
    for rollout, state in states.items():
        click.echo(f"{rollout}: {state.phase}", err=True)
    if is_left:
        click.echo("stopped; the mesh keeps its weights, the same command continues", err=True)
        if signal.SIGINT in stops.received:
            raise SystemExit(INTERRUPTED)
    if any(state.following and state.following.blocks_next for state in states.values()):
        raise SystemExit(NOT_FOLLOWED)
    if agenda.is_refused or refusal is not None:
        raise SystemExit(BAD_INPUT)
    ends = {state.phase for state in states.values()}
    is_done = not is_left and bool(ends) and ends <= {"promoted", "observed"}
    raise SystemExit(DONE if is_done else FAILED)


def _load(
    paths: Sequence[Path], where: JournalLocation, folder: Path | None
) -> tuple[list[Plan], SurefootError | None]:
    """Return the plans; none, and what is wrong with them, where the journal has rollouts open.

    Rules that are newer than a rollout of the journal do not stop it. Raises PlanError and
    InputError where it has none: then there is nothing to do.
    """
    from rollout.plan.reading.files import load_files
    from rollout.plan.reading.templates import load_templates, make_context

    try:
        return load_files(paths, make_context(load_templates(folder))), None
    except SurefootError as error:
        fleet = _read_fleet(where)
        if fleet is not None and (plans := _load_recorded(paths, fleet, folder)):
            return plans, None
        if fleet is None or not fleet.active:
            raise
        Refusal(error).show()
        click.echo("what the journal has open is carried out; no plan is taken up", err=True)
        return [], error


def _read_fleet(where: JournalLocation) -> Fleet | None:
    """Return the rollouts of a journal; None where it cannot be read."""
    from rollout.journal.open import open_for_reading
    from rollout.tick.fleet import fleet_of

    try:
        with closing(open_for_reading(where)) as journal:
            return fleet_of(journal)
    except SurefootError:
        return None


def _load_recorded(paths: Sequence[Path], fleet: Fleet, folder: Path | None) -> list[Plan]:
    """Load plans by the rules of recorded ones; none unless the journal has all of them."""
    from rollout.plan.reading.files import load_files
    from rollout.plan.reading.templates import load_templates, make_context

    try:
        plans = load_files(paths, make_context(load_templates(folder), recorded=True))
    except SurefootError:
        return []
    return plans if all(plan.id in fleet.states for plan in plans) else []


def _describe_begin(agenda: Agenda, journal: str) -> None:
    """Say what is carried out, and what waits for what."""
    count = len(agenda.rollouts)
    click.echo(
        f"journal {journal}; {count:,} rollout{'' if count == 1 else 's'}; "
        "Ctrl-C stops, weights stay",
        err=True,
    )
    for rollout, state in agenda.states.items():
        if state.phase in {"rolled back", "undone"}:
            click.echo(f"{rollout} has ended; {_AGAIN}", err=True)
    for plan in agenda.waiting:
        holder = agenda.holder_of(plan)
        click.echo(f"{plan.id} begins once {holder}, which is open, has ended", err=True)


def _tell(problem: str) -> None:
    click.echo(f"problem: {redact(problem)}", err=True)
