"""`surefoot mesh schema`: print the schema of mesh documents."""

from __future__ import annotations

import click

from rollout.mesh_document.schema import mesh_schema_text


@click.command(short_help="Print the JSON Schema of mesh documents, for editors.")
def schema() -> None:
    """Print the JSON Schema of mesh documents, for editors."""
    click.echo(mesh_schema_text(), nl=False)
