"""`surefoot remove PLAN`: what its rollouts made in a cluster is deleted, after a person's yes."""

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
    short_help="Delete what a plan had made, and nothing else.",
    epilog="""\b
Examples:
  surefoot remove plan.yaml --dry-run
  surefoot remove plan.yaml --yes --json

\b
Deleted is what carries our marks for the plan's service and is as we made it, but for weights and
policy. Objects that were there before get back what a policy replaced; their weights stay.
Exit codes: 0 nothing of ours is left, 1 something is or a rollout is under way, 2 bad input.""",
)
@click.argument("file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also while a rollout of the service is under way.")
@journal_option(READ)
@click.option("--context", help="Of the kubeconfig; in a pod its own cluster is used.")
@click.option(
    "--json", "as_json", is_flag=True, help="[{kind, name, age, carries, deed, why, done}]"
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
    """Delete the routing objects that rollouts of PLAN's service had made."""
    from rollout.wire.clock import SystemClock
    from rollout.wire.meshes import remover as connected

    plan = _the_plan(file)
    remover, now = connected(context), SystemClock().now()
    busy = _under_way(plan, remover, journal)
    if busy and not (force or dry_run):
        raise RouteError(f"{busy}: let it end or abort it; --force removes all the same")
    due = remover.look(plan)
    todo = [each for each in due if each.deed != "keep"]
    _show(plan, due, busy, now, err=as_json)
    done: list[Removal] = []
    try:
        if todo and not dry_run and (yes or _agreed()):
            remover.remove(plan, todo, done.append)
    finally:
        if as_json:
            click.echo(json.dumps([_row(each, now, done=each in done) for each in due], indent=2))
        elif done:
            click.echo(f"done: {', '.join(_place(plan, each) for each in done)}")
    left = [each for each in due if each.deed == "keep" or not (dry_run or each in done)]
    raise SystemExit(FAILED if left else DONE)


def _the_plan(file: Path) -> Plan:
    from rollout.plan.reading.load import load_file

    plans = load_file(file)
    if len(plans) > 1:
        raise InputError(f"{file} holds {len(plans)} plans: remove them one by one")
    (plan,) = plans
    if plan.spec.route.envoy is not None:
        raise InputError(
            f"{plan.name} moves weights in a local Envoy's file: nothing is made there"
        )
    return plan


def _under_way(plan: Plan, remover: Remover, journal: JournalLocation | None) -> str:
    """The rollouts that have not ended, as far as the journal and the cluster's plans tell."""
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
        click.echo(f"warning: whether a rollout is under way is not known: {error}", err=True)
    return "; ".join(busy)


def _show(plan: Plan, due: Sequence[Removal], busy: str, now: float, *, err: bool) -> None:
    if busy:
        click.echo(f"warning: {busy}", err=True)
    for each in due:
        told = f"{_place(plan, each)}, {_old(each, now)}: {each.carries}; {each.why}"
        click.echo(f"{click.style(f'{each.deed:8}', fg=_COLOURS[each.deed])}{told}", err=err)
    if not due:
        click.echo(f"nothing of {plan.spec.service}'s rollouts is there", err=err)
    for each in due:
        if each.is_route_gone:
            click.echo(_without(plan, each), err=err)


def _without(plan: Plan, each: Removal) -> str:
    return (
        f"Without {each.kind.name} {each.name} nothing parts the versions: requests to a Service "
        f"go to every pod behind it, those of {plan.spec.canary.version} too, and no Gateway "
        f"leads to {plan.spec.service} through it."
    )


def _agreed() -> bool:
    try:
        return click.confirm("Remove?", err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise InputError("there is nobody to ask: say --yes") from None


def _place(plan: Plan, each: Removal) -> str:
    return f"{each.kind.name} {plan.metadata.namespace}/{each.name}"


def _age(each: Removal, now: float) -> float:
    return now - datetime.fromisoformat(each.live["metadata"]["creationTimestamp"]).timestamp()


def _old(each: Removal, now: float) -> str:
    from rollout.plan.fields.units import duration

    return f"{duration(_age(each, now))} old"


def _row(each: Removal, now: float, *, done: bool) -> dict[str, Any]:
    told = {"carries": each.carries, "deed": each.deed, "why": each.why, "done": done}
    return {"kind": each.kind.name, "name": each.name, "age": round(_age(each, now)), **told}
