"""`--journal`: a file or a PostgreSQL database, the same words for every command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from rollout.cli.options.param_types import Quantity
from rollout.journal.location import from_words

_PLACE = "a file, or postgresql://USER@HOST/DB (password: PGPASSWORD, ~/.pgpass)"
VARIABLE = "SUREFOOT_JOURNAL"  # so that commands in a controller's pod mean its journal
READ = f"Journal: {_PLACE}, or an export (.jsonl)."


def journal_option(
    what: str = f"Journal: {_PLACE}.", variable: str | None = VARIABLE
) -> Callable[[Any], Any]:
    """The option; the command gets None where neither the user nor the environment says."""
    place = Quantity("path|url", from_words)
    return click.option("--journal", envvar=variable, type=place, show_envvar=True, help=what)
