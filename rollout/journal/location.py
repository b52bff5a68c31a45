"""Where a journal is stored: in a file, or in a database that a URL names."""

from __future__ import annotations

import os
from pathlib import Path

from rollout.errors import InputError
from rollout.redact import redact

JournalLocation = Path | str  # a path, or a string that may be a URL or a path


def default_path() -> Path:
    """The default journal: `surefoot/journal.db` in the user's state folder.

    The folder is that of the XDG base directory specification 0.8, which says to ignore a relative
    path in `XDG_STATE_HOME`. Raises InputError where there is no home folder.
    """
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        folder = state if state.is_absolute() else Path.home() / ".local" / "state"
    except RuntimeError:
        raise InputError("there is no home folder for a journal: name one") from None
    return folder / "surefoot" / "journal.db"


def resolve(path: Path) -> Path:
    """Return a path without symbolic links; a loop of them stays, and is no file that opens.

    `Path.resolve` raises RuntimeError for a loop before Python 3.13.
    """
    return Path(os.path.realpath(path))


def is_url(where: JournalLocation) -> bool:
    """Whether a location is a database URL and not a path."""
    return isinstance(where, str) and "://" in where


def from_words(words: str) -> JournalLocation:
    """Parse a location that a user gave: a URL stays a string, anything else is a path."""
    return words if is_url(words) else Path(words)


def shown(where: JournalLocation) -> str:
    """Format a location for printing, with `***` in place of every password."""
    return redact(where) if isinstance(where, str) else str(where)
