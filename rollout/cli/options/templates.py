"""The option `--templates` of every command that reads plans."""

from __future__ import annotations

from pathlib import Path

import click

templates_option = click.option(
    "--templates",
    "templates_folder",
    metavar="DIR",
    envvar="SUREFOOT_TEMPLATES",
    show_envvar=True,
    type=click.Path(path_type=Path, readable=False),  # see `run`
    help="Folder with metric templates of your own, which plans may name (docs/metrics.md).",
)
