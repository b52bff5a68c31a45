"""`surefoot diff`: say what differs between two plans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.cli.options.templates import templates_option
from rollout.errors import InputError
from rollout.journal.index import find_matching, list_newest
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from rollout.decide.state.rollout import RolloutState
    from rollout.plan.model.plan import Plan

_LEAST = 6  # digits of a digest


@click.command(
    epilog="""\b
Examples:
  surefoot diff 7c1f2a 09be44
  surefoot diff discharge-summarizer-v3 plan.yaml

A plan is named by the beginning of its digest (6 digits or more; `surefoot status`, `log` and the
page show it), by a rollout, by a plan's name (its newest rollout), or by a file that ends in .yaml
or .yml.""",
)
@click.argument("old")
@click.argument("new")
@journal_option(READ)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: {changes: [{path, old, new}]}.")
@templates_option
def diff(
    old: str,
    new: str,
    journal: JournalLocation | None,
    templates_folder: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say which fields differ between the plans OLD and NEW, of rollouts or files."""
    from rollout.explain.difference import compare_plans

    names = [name for name in (old, new) if not _is_file(name)]
    recorded = _read_states(journal) if names else {}
    plans = [
        _load_plan(name, templates_folder) if _is_file(name) else _find_plan(name, recorded)
        for name in (old, new)
    ]
    changes = compare_plans(*plans)
    if as_json:
        click.echo(json.dumps({"changes": [asdict(change) for change in changes]}, indent=2))
        return
    click.echo("\n".join(map(str, changes)) or "the plans are the same")


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _read_states(journal: JournalLocation | None) -> Mapping[str, RolloutState]:
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading
    from rollout.tick.fleet import fleet_of

    return fleet_of(open_for_reading(journal or default_path())).states


def _load_plan(name: str, templates_folder: Path | None) -> Plan:
    """Return the plan of a file. Raises InputError where it holds several."""
    from rollout.plan.reading.files import load_file
    from rollout.plan.reading.templates import load_templates, make_context

    plans = load_file(Path(name), make_context(load_templates(templates_folder)))
    if len(plans) != 1:
        raise InputError(f"{name} holds {len(plans)} plans, and one is compared")
    return plans[0]


def _find_plan(name: str, states: Mapping[str, RolloutState]) -> Plan:
    """Return the plan that a journal has under this name. Raises InputError, with what it has."""
    names = {rollout: state.plan.name for rollout, state in states.items()}
    own = [states[rollout] for rollout in find_matching(names, name)]
    if not own and len(name) >= _LEAST:
        own = [state for state in states.values() if state.plan.digest.startswith(name)]
        if len({state.plan.digest for state in own}) > 1:
            raise InputError(f"several plans have a digest that begins with {name!r}")
    if not own:
        listed = list_newest(f"{own.plan.digest[:12]} {rollout}" for rollout, own in states.items())
        raise InputError(
            f"no plan {name!r} (a name, or {_LEAST} digits of a digest or more) is in the journal; "
            f"it has: {listed}"
        )
    return own[-1].plan
