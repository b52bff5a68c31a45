"""`surefoot backtest`: what would have been decided on recorded samples of the past."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.options.param_types import MOMENT
from rollout.cli.options.progress import progress
from rollout.cli.options.prometheus import prometheus_options
from rollout.cli.options.templates import templates_option
from rollout.errors import DONE, InputError

if TYPE_CHECKING:
    from rollout.explain.moment import Moment
    from rollout.observe.access.settings import PrometheusSettings
    from rollout.plan.model.plan import Plan
    from rollout.rehearse.backtest import Backtest

_CODES = {"promotion": DONE, "harm": 4, "deadline": 6, "blind": 7, "other": 8, "none": 8}


@click.command(
    epilog="""\b
Examples:
  surefoot backtest plan.yaml --from 2026-06-01T08:00 --to 2026-06-01T12:00
  surefoot backtest plan.yaml --from 3d --to 2d --json | jq .outcome

Both versions must have had traffic then. The split is read from the counted requests. Each line is
what `surefoot log` would have shown with `authority: observe`, where it says something new.

\b
Exit codes: 0 it would have been promoted; otherwise 4 for harm, 6 at its deadline without proof,
7 because data lacked for too long, 8 in another way or not at all; 2 bad input, or no data.""",
)
@click.argument("file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option(
    "--from", "since", type=MOMENT, required=True, help="When it begins, or how long ago."
)
@click.option("--to", "until", type=MOMENT, required=True, help="When it ends, or how long ago.")
@click.option("--all", "everything", is_flag=True, help="Print every look, also without news.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: {rollout, outcome, decisive, decisions}."
)
@templates_option
@prometheus_options
def backtest(
    file: Path,
    since: Moment,
    until: Moment,
    templates_folder: Path | None,
    settings: PrometheusSettings,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """Decide on what Prometheus recorded: what PLAN would have led to between two past times."""
    from rollout.plan.reading.files import load_file
    from rollout.plan.reading.templates import load_templates, make_context
    from rollout.rehearse.backtest import count_ticks, run_backtest
    from rollout.wire.clock import SystemClock
    from rollout.wire.prometheus import open_prometheus

    now = SystemClock().now()
    start, end = since(now), until(now)
    if not start < end <= now:
        raise InputError("--from is before --to, and neither in the future")
    plans = settings.apply(load_file(file, make_context(load_templates(templates_folder))))
    if len(plans) != 1:
        raise InputError(f"{file} holds {len(plans)} plans, and one is looked back at")
    observer = open_prometheus(settings)
    try:
        text = f"looking back at {plans[0].name}"
        ticks = count_ticks(plans[0], start, end)
        with progress(text, ticks, quiet=as_json) as on_tick:
            tested = run_backtest(plans[0], observer, start, end, on_tick)
    finally:
        observer.close()
    _print(plans[0], tested, everything=everything, as_json=as_json)
    raise SystemExit(_CODES[tested.outcome])


def _print(plan: Plan, tested: Backtest, *, everything: bool, as_json: bool) -> None:
    from rollout.cli.inspect.log import print_entry
    from rollout.explain.log import as_document

    entries = tested.entries if everything else tested.news
    if not as_json:
        for entry in entries:
            print_entry(entry)
        canary, stable = tested.units
        counted = f"{canary:,} requests of {plan.spec.canary.version}, {stable:,} of"
        click.echo(f"{counted} {plan.spec.stable.version}; outcome: {tested.outcome}", err=True)
        return
    decisions = [as_document(entry) for entry in entries if entry.fact.kind == "decided"]
    decisive = as_document(tested.decisive) if tested.decisive else None
    report = {
        "rollout": plan.id,
        "outcome": tested.outcome,
        "requests": {"canary": tested.units[0], "stable": tested.units[1]},
        "decisive": decisive,
        "decisions": decisions,
    }
    click.echo(json.dumps(report, indent=2))
