"""`--journal`: a file or a PostgreSQL database, the same words for every command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from rollout.cli.quantities import Quantity
from rollout.journal.place import from_words

_PLACE = "a file, or postgresql://USER@HOST/DB (password: PGPASSWORD, ~/.pgpass)"
READ = f"Journal: {_PLACE}, or an export (.jsonl)."


def journal_option(what: str = f"Journal: {_PLACE}.") -> Callable[[Any], Any]:
    """The option; the command gets None where the user does not say."""
    return click.option("--journal", type=Quantity("path|url", from_words), help=what)
