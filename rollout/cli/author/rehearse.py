"""`surefoot rehearse`: simulate a plan before it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.cli.options.param_types import (
    EDGES,
    MILLISECONDS,
    PAST,
    POSITIVE,
    SCORE,
    SECONDS,
    SHARE,
)
from rollout.cli.options.progress import progress
from rollout.cli.options.prometheus import prometheus_options
from rollout.cli.options.templates import templates_option
from rollout.observe.access.settings import NO_SETTINGS, PrometheusSettings
from rollout.redact import redact

if TYPE_CHECKING:
    from rollout.decide.record.facts import Learned
    from rollout.doctor.probe.missing import Query
    from rollout.plan.model.guardrail import Guardrail
    from rollout.plan.model.plan import Plan
    from rollout.rehearse.assumptions import KnownFigures
    from rollout.rehearse.measure import Measured
    from rollout.rehearse.scenario import Scenario
    from rollout.rehearse.summary import Rehearsal


_ASSUMED = "given or assumed"


@click.command(
    epilog="""\b
Examples:
  surefoot rehearse plan.yaml
  surefoot rehearse plan.yaml --rate 20 --errors 0.5% --latency 50ms --past 0s
  surefoot rehearse plan.yaml --world 'bad:errors=3x,latency=+50%' --world dead:crash
  surefoot rehearse plan.yaml --json | jq '.plans[0].worlds[] | {name, outcomes}'

\b
A world is NAME:CHANGE,... of the canary against stable:
  errors=3x | errors=+1% | errors=4%   failed requests (`fails`: summaries that a judge fails)
  latency=+50% | latency=1.5x          every request is slower by that
  score=-0.05                          every score is lower by that
  crash                                no request is answered

Where Prometheus answers, bad units come in bursts as large as in stable's past, and the tests
allow for what a rollout would learn of it. Else requests are independent.
Exit codes: 0 done, 1 a canary like stable (in an experiment, a better one) is promoted in less
than half of the runs, 2 bad input, or series that are there and cannot be read.""",
)
@click.argument("file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option(
    "--world",
    "worlds",
    multiple=True,
    help="One more world, NAME:CHANGE,... (see below); may be repeated.",
)
@click.option("--rate", type=POSITIVE, help="Requests per second.")
@click.option("--errors", type=SHARE, help="Stable's share of failed requests.")
@click.option("--fails", type=SHARE, help="Stable's share of summaries that a judge fails.")
@click.option("--latency", type=MILLISECONDS, help="Stable's median latency.")
@click.option("--sigma", type=POSITIVE, help="Standard deviation of the latency's logarithm.")
@click.option("--latency-buckets", type=EDGES, help="Bucket edges in ms: 10,25,50,100.")
@click.option("--score", type=SCORE, help="Stable's mean score.")
@click.option("--score-sd", type=POSITIVE, help="Standard deviation of the score.")
@click.option("--score-buckets", type=EDGES, help="Bucket edges of the score: 0.2,0.4,0.6,0.8,1.")
@click.option("--labelled", type=SHARE, help="Share of requests that get a score or verdict.")
@click.option(
    "--lag", type=SECONDS, help="How late a score or verdict comes.  [default: the plan's]"
)
@click.option(
    "--past",
    type=PAST,
    default="30m",
    show_default=True,
    help="How much history to read from Prometheus for what is not given (1h at most); 0s: none.",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    help="Simulated rollouts per world.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the simulation."
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Also draw the outcomes to this .svg or .png file.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: {plans: [{plan, worlds, remarks, ...}]}."
)
@templates_option
@prometheus_options
def rehearse(
    file: Path,
    worlds: tuple[str, ...],
    picture: Path | None,
    templates_folder: Path | None,
    settings: PrometheusSettings,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Simulate PLAN before it runs: how often it promotes, rolls back, is stuck or blind, how soon,
    and how many bad requests that costs.

    The production controller decides in simulated worlds. What the options do not give is read from
    the plan's Prometheus, or assumed if that does not answer.
    """
    from rollout.plan.reading.files import load_file
    from rollout.plan.reading.templates import load_templates, make_context

    plans = settings.apply(load_file(file, make_context(load_templates(templates_folder))))

    from rollout.rehearse.scenario import parse

    if picture is not None:
        _check_picture(picture, plans)
    extra = [parse(text) for text in worlds]
    rehearsals = [
        _rehearse_plan(plan, extra, quiet=as_json, settings=settings, **options) for plan in plans
    ]
    if picture is not None:
        from rollout.cli.text.rehearsal import draw

        draw(rehearsals[0], picture)
    if as_json:
        click.echo(json.dumps({"plans": [r.as_json() for r in rehearsals]}, indent=2))
    else:
        from rollout.cli.text.rehearsal import show

        show(rehearsals)
    raise SystemExit(0 if all(rehearsal.decides for rehearsal in rehearsals) else 1)


def _rehearse_plan(
    plan: Plan,
    extra: Sequence[Scenario],
    *,
    past: float,
    runs: int,
    seed: int,
    settings: PrometheusSettings,
    quiet: bool,
    **given: Any,
) -> Rehearsal:
    from rollout.rehearse.assumptions import KnownFigures, base
    from rollout.rehearse.past import space_looks
    from rollout.rehearse.preflight import preflight
    from rollout.rehearse.runs import rehearse as run_scenarios
    from rollout.rehearse.scenario import usual_scenarios
    from rollout.rehearse.summary import Rehearsal, summarise

    figures = KnownFigures(
        # The options say buckets, the word of Prometheus; the fields say edges.
        **{
            name.replace("buckets", "edges"): value
            for name, value in given.items()
            if value is not None
        }
    )
    figures, source = _asked(plan, figures, past, settings)
    spaced = space_looks(plan)
    learnt = _learn_past(spaced, settings) if past and source != _ASSUMED else None
    start, changes = (
        base(plan, figures, learnt),
        _keep_last_of_name([*usual_scenarios(plan), *extra]),
    )
    rehearsed = plan if learnt is None else spaced
    with progress(f"rehearsing {plan.name}", runs * len(changes), quiet=quiet) as on_done:
        runs_by_name = run_scenarios(
            rehearsed, start, changes, runs=runs, seed=seed, on_done=on_done
        )
    return Rehearsal(
        plan=plan.name,
        rollout=plan.id,
        runs=runs,
        seed=seed,
        read_from=source,
        base=start,
        worlds=tuple(
            summarise(plan, start, change, runs_by_name[change.name]) for change in changes
        ),
        remarks=preflight(plan, start, changes),
        has_experiment=plan.spec.experiment is not None,
    )


def _asked(
    plan: Plan, given: KnownFigures, past: float, settings: PrometheusSettings = NO_SETTINGS
) -> tuple[KnownFigures, str]:
    """Complete the given figures from Prometheus; return them and a description of the source."""
    from rollout.rehearse.assumptions import KnownFigures, unknown

    if not past or not any(unknown(plan, given)):
        return given, _ASSUMED
    from rollout.plan.fields.units import duration
    from rollout.rehearse.measure import measure
    from rollout.wire.clock import SystemClock
    from rollout.wire.doctor_tools import instant_query, observer

    measured = measure(plan, observer(settings), SystemClock().now(), past)
    _refuse_unreadable(plan, measured, instant_query(settings))
    for problem in dict.fromkeys(measured.problems.values()):
        # One line for all figures with the same problem, such as a refused connection.
        names = [name for name, other in measured.problems.items() if other == problem]
        click.echo(f"not read: {', '.join(names)}: {problem}", err=True)
    if measured.figures == KnownFigures():
        return given, _ASSUMED
    source = f"read from the last {duration(past)} at {_name_servers(plan)}"
    return given.over(measured.figures), source


def _learn_past(plan: Plan, settings: PrometheusSettings) -> Learned | None:
    """Return what stable's past says of how bad units come; None where the plan forbids it."""
    from rollout.rehearse.past import learn_past
    from rollout.wire.clock import SystemClock
    from rollout.wire.doctor_tools import observer

    return learn_past(plan, observer(settings), SystemClock().now())


def _refuse_unreadable(plan: Plan, measured: Measured, query: Query) -> None:
    """Raise InputError for series that are there and cannot be read: a rollout would be blind."""
    from rollout.errors import InputError

    described = {
        guardrail.name: _find_unreadable(plan, guardrail, measured, query)
        for guardrail in plan.spec.guardrails
    }
    problems = [f"{name}: {problem}" for name, problem in described.items() if problem]
    if problems:
        raise InputError(f"{plan.name} would be blind: {'; '.join(problems)}")


def _find_unreadable(plan: Plan, guardrail: Guardrail, measured: Measured, query: Query) -> str:
    """Return why a guardrail's series cannot be read; empty where they can, or nobody answers."""
    from rollout.doctor.series import find_unreadable
    from rollout.errors import ObserveError
    from rollout.observe.selectors.source import source_of

    try:
        query(source_of(plan, guardrail).server, "vector(1)")
        if guardrail.name in measured.unread:
            return measured.problems[guardrail.name]
        return find_unreadable(plan, guardrail, query)
    except ObserveError:
        return ""  # what is not known is assumed


def _name_servers(plan: Plan) -> str:
    from rollout.observe.selectors.source import list_servers

    return redact(" and ".join(dict.fromkeys(server.url for server in list_servers(plan))))


def _keep_last_of_name(changes: Sequence[Scenario]) -> list[Scenario]:
    """Drop all but the last scenario of each name.

    Runs are looked up by name. So a user's `--world` replaces a default one of the same name.
    """
    return [*{change.name: change for change in changes}.values()]


def _check_picture(path: Path, plans: Sequence[Plan]) -> None:
    """Check that the picture can be drawn, before minutes of simulation. Raises InputError."""
    from importlib.util import find_spec

    from rollout.cli.options.picture import check_place
    from rollout.errors import InputError

    if path.suffix not in {".svg", ".png"}:
        raise InputError(f"--picture {path}: only .svg and .png can be drawn")
    check_place(path)
    if len(plans) > 1:
        raise InputError("--picture draws one plan, and the file holds several")
    if find_spec("matplotlib") is None:
        raise InputError("--picture needs matplotlib: pip install 'surefoot[notebook]'")
