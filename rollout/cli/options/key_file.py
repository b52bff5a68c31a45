"""The option `--key-file`, for commands that run a controller and for those that check one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import click

VARIABLE = "SUREFOOT_KEY_FILE"  # set where a Secret is mounted, as replicas need it
_Command = TypeVar("_Command", bound=Any)


def key_file_option(command: _Command) -> _Command:
    """Add the option to a command, which gets None when neither option nor variable is set."""
    option: Any = click.option(
        "--key-file",
        envvar=VARIABLE,
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="Key of the digests that stand for series in the journal; replicas share it. "
        "Without it a file beside the journal, made with mode 0600.",
    )
    decorated: _Command = option(command)
    return decorated
