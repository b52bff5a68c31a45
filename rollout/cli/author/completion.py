"""`surefoot completion`: print or install what lets a shell complete commands and options."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import click
from click.shell_completion import get_completion_class

from rollout.cli.options.picture import write_picture
from rollout.errors import InputError

Shell = Literal["bash", "zsh", "fish"]

# Where each shell looks; zsh needs to be told of its folder in a start-up file.
_PLACES: Mapping[Shell, str] = {
    "bash": "bash-completion/completions/surefoot",
    "fish": "fish/vendor_completions.d/surefoot.fish",
    "zsh": "zsh/site-functions/_surefoot",
}


@click.command(
    short_help="Let the shell complete commands and options.",
    epilog="""\b
Examples:
  surefoot completion bash --install
  surefoot completion zsh --install     then add the line that it prints to ~/.zshrc""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--install", is_flag=True, help="Write it where the shell looks for it.")
@click.pass_context
def completion(ctx: click.Context, shell: Shell, *, install: bool) -> None:
    """Print the completion script of a shell, or install it for this user."""
    script = _make_script(ctx.find_root(), shell)
    if not install:
        click.echo(script)
        return
    path = _find_data_folder() / _PLACES[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, f"{script}\n".encode())
    needed = {
        "bash": " that loads the package bash-completion",
        "zsh": f" whose ~/.zshrc has, before compinit: fpath+=({shlex.quote(str(path.parent))})",
    }
    click.echo(f"{path} is written; it works in a new {shell}{needed.get(shell, '')}")


def _find_data_folder() -> Path:
    """Return the user's data folder. Source: XDG Base Directory, which ignores relative ones."""
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    return named if named.is_absolute() else Path.home() / ".local" / "share"


def _make_script(root: click.Context, shell: Shell) -> str:
    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise InputError(f"this version of click has no completion for {shell}")
    name = "surefoot"
    return completion_class(root.command, {}, name, f"_{name.upper()}_COMPLETE").source()
