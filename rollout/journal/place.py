"""Where the journal lies when the user does not say."""

from __future__ import annotations

import os
from pathlib import Path


def default_path() -> Path:
    """`surefoot/journal.db` in the user's state folder (XDG base directory specification 0.8)."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    folder = state if state.is_absolute() else Path.home() / ".local" / "state"
    return folder / "surefoot" / "journal.db"
