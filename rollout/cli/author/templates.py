"""`surefoot templates`: list the metric templates, or show one as the document to copy."""

from __future__ import annotations

from pathlib import Path

import click

from rollout.cli.options.templates import templates_option


@click.command(
    short_help="List metric templates, or show one to copy.",
    epilog="""\b
Examples:
  surefoot templates
  surefoot templates istio/errors > mine/errors.yaml
  surefoot templates --templates mine
  surefoot templates --markdown | less                 with what each needs""",
)
@click.argument("name", required=False)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print all of them as a page.")
@templates_option
def templates(name: str | None, templates_folder: Path | None, *, as_markdown: bool) -> None:
    """List the shipped metric templates and those of a folder, or show the document of NAME.

    A copy with another name is a template of your own; its `counter` or `histogram` can also stand
    in a plan's guardrail itself.
    """
    from rollout.cli.text.templates import list_lines, markdown
    from rollout.errors import InputError
    from rollout.plan.model.templates import SHIPPED
    from rollout.plan.reading.suggest import did_you_mean
    from rollout.plan.reading.templates import load_templates, text_of_template

    if name is not None and as_markdown:
        raise InputError("--markdown prints all templates: leave out NAME")
    every = {**SHIPPED, **load_templates(templates_folder)}
    if name is None:
        page = markdown(every.values()) if as_markdown else "\n".join(list_lines(every.values()))
        click.echo(page)
        return
    if name not in every:
        hint = did_you_mean(name, every)
        raise InputError(f"there is no template `{name}`{f' ({hint})' if hint else ''}")
    click.echo(text_of_template(every[name]), nl=False)
