"""`surefoot remove PLAN`: delete what its rollouts created in a cluster, after confirmation."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.errors import DONE, FAILED, InputError, RouteError
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from rollout.plan.model.plan import Plan
    from rollout.route.remove.removal import Removal
    from rollout.route.remove.remover import Remover

_COLOURS = {"delete": "red", "restore": "yellow", "keep": "cyan"}


@click.command(
    short_help="Delete the routing objects that a plan created.",
    epilog="""\b
Examples:
  surefoot remove plan.yaml --dry-run
  surefoot remove plan.yaml --yes --json

An object is deleted if it carries our marks for the plan's service and nobody else changed it,
weights and policy aside. Objects that existed before get back what a policy replaced; their weights
stay.
Exit codes: 0 nothing is left, 1 something is left or a rollout is in progress, 2 bad input.""",
)
@click.argument("file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--force", is_flag=True, help="Also while a rollout of the service is in progress.")
@journal_option(READ)
@click.option("--context", help="Context of the kubeconfig; in a pod its own cluster is used.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON: [{kind, name, age, carries, deed, why, done}].",
)
def remove(
    file: Path,
    journal: JournalLocation | None,
    context: str | None,
    *,
    dry_run: bool,
    yes: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Delete the routing objects that rollouts of PLAN's service created."""
    from rollout.wire.clock import SystemClock
    from rollout.wire.meshes import remover as connect

    plan = _load_single_plan(file)
    remover, now = connect(context), SystemClock().now()
    busy = _describe_in_progress(plan, remover, journal)
    if busy and not (force or dry_run):
        raise RouteError(f"{busy}: wait for its end or abort it, or remove anyway with --force")
    removals = remover.look(plan)
    todo = [removal for removal in removals if removal.deed != "keep"]
    _print_removals(plan, removals, busy, now, err=as_json)
    done: list[Removal] = []
    try:
        if todo and not dry_run and (yes or _ask_for_confirmation()):
            remover.remove(plan, todo, done.append)
    finally:
        # When a removal fails half-way, the user must still learn what is gone.
        if as_json:
            rows = [_build_row(removal, now, done=removal in done) for removal in removals]
            click.echo(json.dumps(rows, indent=2))
        elif done:
            click.echo(f"done: {', '.join(_format_object(plan, removal) for removal in done)}")
    # A dry run does nothing, and succeeds when a real run would leave nothing.
    left = [r for r in removals if r.deed == "keep" or not (dry_run or r in done)]
    raise SystemExit(FAILED if left else DONE)


def _load_single_plan(file: Path) -> Plan:
    """Load the only plan of a file. Raises InputError if there are more, or it has no cluster."""
    from rollout.plan.reading.files import load_file

    plans = load_file(file)
    if len(plans) > 1:
        raise InputError(f"{file} holds {len(plans)} plans: give a file for each")
    (plan,) = plans
    if plan.spec.route.envoy is not None:
        raise InputError(
            f"{plan.name} moves weights in a local Envoy's file, where nothing is created"
        )
    return plan


def _describe_in_progress(plan: Plan, remover: Remover, journal: JournalLocation | None) -> str:
    """Describe the rollouts of the service that have not ended; empty when there are none.

    Both the journal and the status of the cluster's plans are read, since either may be out of
    reach here: an unreadable cluster is a warning, a missing default journal is skipped.
    """
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading
    from rollout.operate.in_progress import of_resources, of_states
    from rollout.tick.fleet import fleet_of

    busy: list[str] = []
    where = journal or default_path()
    if journal is not None or Path(where).exists():
        busy += of_states(plan, fleet_of(open_for_reading(where)).states.values())
    try:
        busy += of_resources(plan, remover.plans(plan))
    except RouteError as error:
        click.echo(f"warning: cannot check whether a rollout is in progress: {error}", err=True)
    return "; ".join(busy)


def _print_removals(
    plan: Plan, removals: Sequence[Removal], busy: str, now: float, *, err: bool
) -> None:
    if busy:
        click.echo(f"warning: {busy}", err=True)
    for removal in removals:
        deed = click.style(f"{removal.deed:8}", fg=_COLOURS[removal.deed])
        name, age = _format_object(plan, removal), _format_age(removal, now)
        click.echo(f"{deed}{name}, {age}: {removal.carries}; {removal.why}", err=err)
    if not removals:
        click.echo(f"rollouts of {plan.spec.service} left nothing there", err=err)
    for removal in removals:
        if removal.is_route_gone:
            click.echo(_explain_lost_route(plan, removal), err=err)


def _explain_lost_route(plan: Plan, removal: Removal) -> str:
    return (
        f"Without {removal.kind.name} {removal.name} nothing separates the versions: requests to a "
        f"Service go to every pod behind it, also to those of {plan.spec.canary.version}, and no "
        f"Gateway reaches {plan.spec.service} through it."
    )


def _ask_for_confirmation() -> bool:
    """Ask the user. Raises InputError when there is no terminal to ask at and no input."""
    try:
        return click.confirm("Remove?", err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C at the prompt
        raise InputError("there is no terminal to ask for confirmation: use --yes") from None


def _format_object(plan: Plan, removal: Removal) -> str:
    return f"{removal.kind.name} {plan.metadata.namespace}/{removal.name}"


def _measure_age(removal: Removal, now: float) -> float:
    """Return the seconds since the object was created."""
    return now - datetime.fromisoformat(removal.live["metadata"]["creationTimestamp"]).timestamp()


def _format_age(removal: Removal, now: float) -> str:
    from rollout.plan.fields.units import duration

    return f"{duration(_measure_age(removal, now))} old"


def _build_row(removal: Removal, now: float, *, done: bool) -> dict[str, Any]:
    """Build the object of one removal for `--json`."""
    return {
        "kind": removal.kind.name,
        "name": removal.name,
        "age": round(_measure_age(removal, now)),
        "carries": removal.carries,
        "deed": removal.deed,
        "why": removal.why,
        "done": done,
    }
