"""The option that bounds what a controller may do in every plan."""

from __future__ import annotations

import click

from rollout.plan.model.terms import AUTHORITIES, FULL

authority_option = click.option(
    "--authority",
    type=click.Choice(AUTHORITIES),
    default=FULL,
    show_default=True,
    help="What is ours to do in any plan, at most: observe writes nothing to the mesh and records "
    "what it would do, abort-only writes rollbacks alone, advance asks a person to promote.",
)
"""Adds `--authority`; the narrower of it and a plan's own holds."""
