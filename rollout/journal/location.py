"""Where the journal lies: a file, or a database named by a URL."""

from __future__ import annotations

import os
import re
from pathlib import Path

JournalLocation = Path | str  # a path; or a text, which may be a URL

_PASSWORDS = re.compile(r"(?<=://)([^:/@]*:)[^@]*(?=@)|([?&]password=)[^&]*")


def default_path() -> Path:
    """`surefoot/journal.db` in the user's state folder (XDG base directory specification 0.8)."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    folder = state if state.is_absolute() else Path.home() / ".local" / "state"
    return folder / "surefoot" / "journal.db"


def is_url(where: JournalLocation) -> bool:
    """Whether it names a database and not a path."""
    return isinstance(where, str) and "://" in where


def from_words(words: str) -> JournalLocation:
    """What a user gave: a URL stays a text, everything else is a path."""
    return words if is_url(words) else Path(words)


def shown(where: JournalLocation) -> str:
    """A path or URL as it may be printed: every password in it is `***`."""
    if not is_url(where):
        return str(where)
    return _PASSWORDS.sub(lambda found: f"{found[1] or found[2]}***", str(where))
