"""`surefoot mesh check`: validate mesh documents before anything is compiled."""

from __future__ import annotations

import sys
from typing import Any

import click

from rollout.cli.author.files import CheckedFiles, OutputForm, output_option, read_files
from rollout.cli.text.mesh import format_remarks
from rollout.errors import BAD_INPUT
from rollout.mesh_document.reading.load import LARGEST, MeshSource, load
from rollout.mesh_document.targets.remarks import remark_on_authorization


@click.command(
    short_help="Find every mistake in mesh documents; change nothing.",
    epilog="""\b
Examples:
  surefoot mesh check mesh.yaml
  surefoot mesh check --output json mesh.yaml | jq .mistakes""",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@output_option("meshes: [{file, name, services, plans}]")
def check(files: tuple[str, ...], output: OutputForm) -> None:
    """Find every mistake in mesh documents; change nothing.

    Prints each mistake as file:line:column code message; `-` reads standard input. The codes are
    explained in docs/plan-errors.md. Exit code 2 if there is a mistake.
    """
    checked = read_files(files, load, LARGEST)
    for _, source in checked.accepted:
        for line in format_remarks(source, remark_on_authorization(source.mesh)):
            click.echo(line, err=True)
    lines = (_describe(file, source) for file, source in checked.accepted)
    click.echo(checked.render(output, "surefoot mesh check", lines, meshes=_list_meshes(checked)))
    if checked.mistakes:
        sys.exit(BAD_INPUT)


def _describe(file: str, source: MeshSource) -> str:
    spec = source.mesh.spec
    services, plans = len(spec.services), [policy.name for policy in spec.traffic_policies]
    text = f"{services:,} service{'' if services == 1 else 's'}"
    named = f", {len(plans):,} plan{'' if len(plans) == 1 else 's'}: {', '.join(plans)}"
    return f"{file}: {source.mesh.metadata.name} has {text}{named if plans else ''}"


def _list_meshes(checked: CheckedFiles[MeshSource]) -> list[dict[str, Any]]:
    return [
        {
            "file": file,
            "name": source.mesh.metadata.name,
            "services": [service.name for service in source.mesh.spec.services],
            "plans": [policy.name for policy in source.mesh.spec.traffic_policies],
        }
        for file, source in checked.accepted
    ]
