"""`surefoot init`: draft a plan for a running service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.options.prometheus import prometheus_options
from rollout.errors import InputError
from rollout.observe.access.settings import PrometheusSettings
from rollout.plan.model.terms import AUTHORITIES, FULL, Authority

if TYPE_CHECKING:
    from rollout.doctor.draft.survey import FoundService


@click.command(
    short_help="Draft a plan for a running service.",
    epilog="""\b
Examples:
  surefoot init --prometheus http://prometheus:9090
  surefoot init discharge-summarizer --prometheus http://prometheus:9090 > plan.yaml
  surefoot init discharge-summarizer --route gateway:summaries -o plan.yaml

It asks Prometheus which of the shipped templates read the service, which versions have series, and
where most of its values lie. Without SERVICE it lists the services. What it cannot know stands in
capitals or behind a #.""",
)
@click.argument("service", required=False)
@click.option("--stable", help="Stable's version.  [default: the one with most series]")
@click.option("--canary", help="The next version.  [default: the other one, if there is one]")
@click.option(
    "--route",
    metavar="KIND:NAME",
    help="What splits the traffic: istio:VIRTUALSERVICE or gateway:HTTPROUTE.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write to this file, a new one."
)
@click.option(
    "--authority",
    type=click.Choice(AUTHORITIES),
    default=FULL,
    help="What is ours to do, such as observe to begin with.  [default: full]",
)
@prometheus_options
def init(
    service: str | None,
    *,
    stable: str | None,
    canary: str | None,
    route: str | None,
    output: Path | None,
    authority: Authority,
    settings: PrometheusSettings,
) -> None:
    """Draft a plan for SERVICE from the series that it has in Prometheus."""
    from rollout.doctor.draft.plan import (
        ChosenGuardrail,
        Draft,
        choose_templates,
        write_plan,
        write_route,
    )
    from rollout.doctor.draft.survey import find_edge, find_services
    from rollout.plan.model.templates import METRICS
    from rollout.wire.doctor_tools import instant_query

    server, query = settings.default, instant_query(settings)
    if server is None:
        raise InputError("name the Prometheus that has the series: --prometheus http://HOST:PORT")
    services = find_services(server, query)
    if service is None:
        click.echo("\n".join(map(_describe, services.values())) or _NOTHING)
        return
    if service not in services:
        raise InputError(
            f"no shipped template finds a service {service!r}; there is: "
            f"{', '.join(services) or 'none'}. A metric of your own is declared in the plan: "
            "docs/metrics.md"
        )
    own = services[service]
    names = choose_templates(own)
    old = stable or own.versions[0]
    if old not in own.versions:
        having = ", ".join(own.versions)
        raise InputError(f"{service} has no series of a version {old!r}, it has {having}")
    if canary == old:
        raise InputError(f"--canary {old} is stable's version: name the next one")
    new = canary or next((version for version in own.versions if version != old), "")
    guardrails = [
        ChosenGuardrail(
            name, find_edge(server, query, name, own) if METRICS[name].kind == "shape" else None
        )
        for name in names
    ]
    draft = Draft(
        service=service,
        stable=old,
        canary=new,
        guardrails=guardrails,
        route=write_route(route or "", service, old, new),
        namespace=own.namespace,
        prometheus=str(server.url),
        access=server.access or "",
        authority=authority,
    )
    text = write_plan(draft)
    if output is None:
        click.echo(text, nl=False)
        return
    with output.open("x", encoding="utf-8") as file:
        file.write(text)
    click.echo(f"{output}: surefoot check {output}")


_NOTHING = (
    "no shipped template finds a service there; a metric of your own is declared in the plan: "
    "docs/metrics.md"
)


def _describe(service: FoundService) -> str:
    return f"{service.name}: versions {', '.join(service.versions)}; {', '.join(service.templates)}"
