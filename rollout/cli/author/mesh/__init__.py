"""`surefoot mesh`: check a platform's mesh document, compile it, and say what a change does."""

from __future__ import annotations

import click

from rollout.cli.group import CommandEntry, LazyGroup

COMMANDS = {
    "check": CommandEntry(
        "rollout.cli.author.mesh.check:check", "Find every mistake in mesh documents."
    ),
    "compile": CommandEntry(
        "rollout.cli.author.mesh.compile:compile_", "Turn one into what runs, and into plans."
    ),
    "diff": CommandEntry(
        "rollout.cli.author.mesh.diff:diff", "Say what a change would do to traffic."
    ),
    "schema": CommandEntry(
        "rollout.cli.author.mesh.schema:schema", "Print their JSON Schema, for editors."
    ),
}


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    short_help="Check, compile and compare a platform's mesh documents.",
    epilog="""\b
Examples:
  surefoot mesh check mesh.yaml
  surefoot mesh compile mesh.yaml --to istio --write mesh/
  surefoot mesh diff old.yaml new.yaml""",
)
def mesh() -> None:
    """Check, compile and compare a platform's mesh documents.

    One document (mesh.ai/v1, kind ServiceMesh) says how services are balanced, split and secured.
    docs/mesh-document.md says what each key becomes on each target.
    """
