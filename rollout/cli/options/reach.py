"""The option `--allow FILE`: what plans may name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def limited(command: _Command) -> _Command:
    """Add `--allow FILE` to a command that follows what plans name."""
    option = click.option(
        "--allow",
        type=click.Path(path_type=Path),
        envvar="SUREFOOT_ALLOW",
        show_envvar=True,
        metavar="FILE",
        help="Limit the hosts and files that plans may name to those of this YAML file.",
    )
    return option(command)
