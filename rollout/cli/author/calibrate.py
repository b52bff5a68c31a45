"""`surefoot calibrate`: how often would the engine have rolled back stable's own pods?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.cli.options.journal import journal_option
from rollout.cli.options.param_types import SECONDS
from rollout.cli.options.progress import progress
from rollout.cli.options.prometheus import prometheus_options
from rollout.cli.options.templates import templates_option
from rollout.errors import DONE, FAILED, InputError
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from rollout.calibrate.draw import Recording
    from rollout.observe.access.settings import PrometheusSettings
    from rollout.plan.model.plan import Plan
    from rollout.ports import PodHistory


@click.command(
    epilog="""\b
Examples:
  surefoot calibrate plan.yaml
  surefoot calibrate plan.yaml --history 3d --runs 2000
  surefoot calibrate plan.yaml --journal ./journal.db
  surefoot calibrate plan.yaml --json | jq '.plans[0] | {rate, bound, holds}'

The label of the pods is found, or named by `pods: {label: ...}`. In each replay some of stable's
pods act as the canary for a random stretch of their history, and the production controller decides
at every look. Nothing was rolled out then, so every rollback is a false one.
Exit codes: 0 the upper bound is within the plan's falseRollback, 1 it is above, 2 bad input.""",
)
@click.argument("file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option("--history", type=SECONDS, help="How much history to read.  [default: the plan's]")
@click.option(
    "--runs",
    type=click.IntRange(1),
    help="Number of replays.  [default: 10 / falseRollback, 200 to 2,000]",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the replays."
)
@journal_option(
    "Record the outcome in this journal: a file, or a postgresql:// URL.", variable=None
)
@templates_option
@prometheus_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: {plans: [{plan, runs, rate, bound, ...}]}."
)
def calibrate(
    file: Path,
    history: float | None,
    runs: int | None,
    seed: int,
    journal: JournalLocation | None,
    *,
    templates_folder: Path | None,
    settings: PrometheusSettings,
    as_json: bool,
) -> None:
    """Measure how often PLAN would falsely roll back, by replays on stable's own pods."""
    from rollout.cli.text.calibration import text
    from rollout.plan.reading.files import load_file
    from rollout.plan.reading.templates import load_templates, make_context

    context = make_context(load_templates(templates_folder))
    documents = [
        _calibrate_plan(plan, history, runs, seed, journal, settings=settings, quiet=as_json)
        for plan in settings.apply(load_file(file, context))
    ]
    if as_json:
        click.echo(json.dumps({"plans": documents}, indent=2))
    else:
        for document in documents:
            click.echo(text(document))
    raise SystemExit(DONE if all(document["holds"] for document in documents) else FAILED)


def _calibrate_plan(
    plan: Plan,
    history: float | None,
    runs: int | None,
    seed: int,
    journal: JournalLocation | None,
    *,
    settings: PrometheusSettings,
    quiet: bool,
) -> dict[str, Any]:
    from rollout.calibrate.runs import calibrate as run_replays
    from rollout.cli.text.calibration import as_document, usual_runs
    from rollout.wire.clock import SystemClock
    from rollout.wire.controller import record

    past = _read_history(plan, history, settings)
    count = runs or usual_runs(plan.spec.confidence.false_rollback)
    with progress(f"calibrating {plan.name}", count, quiet=quiet) as on_done:
        calibration = run_replays(past, count, seed, on_done)
    document = as_document(past, calibration, seed)
    if journal is not None:
        entry = record(journal, calibration.fact(past, SystemClock().now(), seed))
        document["entry"] = entry.seq
    return document


def _read_history(plan: Plan, history: float | None, settings: PrometheusSettings) -> Recording:
    """Read stable's past from the plan's Prometheus.

    Raises InputError when it cannot be read, or is too short to replay.
    """
    from analysis.dispersion.estimate import LEAST_TICKS
    from rollout.calibrate.draw import leave_out_unweighed, recorded
    from rollout.plan.fields.units import duration
    from rollout.ports import Ask
    from rollout.wire.clock import SystemClock
    from rollout.wire.doctor_tools import history_source

    pods = plan.spec.declared_pods
    if pods is None:
        return _read_found(plan, history, settings)
    wanted, least = pods.history if history is None else history, LEAST_TICKS * plan.spec.interval
    if wanted < least:
        raise InputError(
            f"--history {duration(wanted)} holds fewer than {LEAST_TICKS:,} looks of {plan.name}: "
            f"write {duration(least)} or more"
        )
    # The source reads as much as the plan declares: --history needs a plan that declares that.
    wanted_pods = pods.model_copy(update={"history": wanted})
    spec = plan.spec.model_copy(update={"pods": wanted_pods})
    wanted_plan = leave_out_unweighed(plan.model_copy(update={"spec": spec}))
    source = history_source(settings)
    past = source.history(Ask(plan.id, wanted_plan, {}), SystemClock().now())
    _check_read(plan, past)
    return recorded(plan, past.pods)


def _read_found(plan: Plan, history: float | None, settings: PrometheusSettings) -> Recording:
    """Read the past of pods that a label tells apart in every guardrail's series.

    Raises InputError as `_read_history`, and where there is no such label.
    """
    from rollout.calibrate.draw import leave_out_unweighed, recorded
    from rollout.ports import Ask
    from rollout.wire.clock import SystemClock
    from rollout.wire.doctor_tools import history_source

    cure = "name the label of the pod, `pods: {label: pod}`"
    if history is not None or not plan.spec.finds_pods:
        raise InputError(f"{plan.name} declares no pods: {cure}")
    ask = Ask(plan.id, leave_out_unweighed(plan), {}, finds_pods=True)
    past = history_source(settings).history(ask, SystemClock().now())
    _check_read(plan, past)
    names = [g.name for g in plan.spec.guardrails if g.has_past]
    if lacking := [name for name in names if name not in past.labels]:
        which = ", ".join(lacking)
        raise InputError(f"{plan.name} declares no pods: {cure}; none are found for {which}")
    return recorded(plan, past.pods, past.labels)


def _check_read(plan: Plan, past: PodHistory) -> None:
    """Raise InputError with the problems of a past that cannot be read."""
    if past.problems:
        words = dict.fromkeys(past.problems.values())
        raise InputError(f"the history of {plan.name} cannot be read: {'; '.join(words)}")
