"""`surefoot mesh diff`: say what a change of a mesh document would do to traffic."""

from __future__ import annotations

import click

from rollout.cli.author.files import read_text
from rollout.mesh_document.difference import describe_changes
from rollout.mesh_document.reading.load import LARGEST, load_mesh


@click.command(
    short_help="Say what a change would do to traffic.",
    epilog="""\b
Example:
  surefoot mesh diff <(git show HEAD:mesh.yaml) mesh.yaml""",
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
def diff(old: str, new: str) -> None:
    """Say in words what traffic would meet with NEW instead of OLD; apply nothing."""
    before, after = (load_mesh(read_text(file, LARGEST), file).mesh for file in (old, new))
    changes = describe_changes(before, after)
    click.echo("\n".join(changes) or "nothing changes for traffic")
