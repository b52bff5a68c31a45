"""The option `--journal`, which takes a file or a PostgreSQL URL in every command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from rollout.cli.options.param_types import Quantity
from rollout.journal.location import from_words

_LOCATION = "a file, or postgresql://USER@HOST/DB (password in PGPASSWORD or ~/.pgpass)"
VARIABLE = "SUREFOOT_JOURNAL"  # set in a controller's pod, so that commands there use its journal
READ = f"Journal: {_LOCATION}, or an export (.jsonl)."


def journal_option(
    what: str = f"Journal: {_LOCATION}.", variable: str | None = VARIABLE
) -> Callable[[Any], Any]:
    """Build the option; the command gets None when neither option nor variable is set."""
    location = Quantity("path|url", from_words)
    return click.option("--journal", envvar=variable, type=location, show_envvar=True, help=what)
