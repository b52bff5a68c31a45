"""`surefoot schema`: print the schema of plans for editors and for clusters."""

from __future__ import annotations

import click

from rollout.plan.kube.json_schema import TEMPLATE_ID, schema_text


@click.command(
    short_help="Print the JSON Schema of plans, for editors.",
    epilog="""\b
Examples:
  surefoot schema > rolloutplan.json
  surefoot schema --crd | kubectl apply -f -
  surefoot schema --crd=trigger | kubectl apply -f -
  surefoot schema --crd=template | kubectl apply -f -
  surefoot schema --template > metrictemplate.json""",
)
@click.option(
    "--crd",
    type=click.Choice(["plan", "trigger", "template"]),
    is_flag=False,
    flag_value="plan",
    help="Print the definition of plans, of their triggers or of metric templates, as resources.",
)
@click.option("--template", is_flag=True, help="Print the JSON Schema of metric templates instead.")
def schema(*, crd: str | None, template: bool) -> None:
    """Print the JSON Schema of plans, for editors.

    An editor with the YAML language server completes and checks a plan whose first line is
    `# yaml-language-server: $schema=PATH`.
    """
    if crd:
        from rollout.plan.kube import template as templates
        from rollout.plan.kube import trigger
        from rollout.plan.kube.crd import definition_text

        others = {"trigger": trigger.definition, "template": templates.definition}
        arguments = (others[crd](), f"--crd={crd}") if crd in others else ()
        click.echo(definition_text(*arguments), nl=False)
    elif template:
        from rollout.plan.model.template import MetricTemplate

        click.echo(schema_text(MetricTemplate, TEMPLATE_ID), nl=False)
    else:
        click.echo(schema_text(), nl=False)
