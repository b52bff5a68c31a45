"""Check the key of the digests in the journal: that it is there, and nobody else's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rollout.doctor.finding import Finding
from rollout.errors import InputError
from rollout.journal.key_file import default_key_file, read_key
from rollout.journal.location import JournalLocation, shown


def of_key(where: JournalLocation, named: Path | None, lease: str) -> Iterator[Finding]:
    """Yield what is wrong with the key file, without creating or changing anything."""
    try:
        path = named or default_key_file(where)
        if named is None and lease:
            fix = "mount one Secret into all replicas and name it: --key-file"
            message = "each replica has a key of its own: a new leader counts from a baseline"
            yield Finding("journal", str(path), "warn", message, fix)
        elif named is not None or os.path.lexists(path):
            read_key(path, 0 if named else os.O_NOFOLLOW)
    except InputError as error:
        fix = "with another key every series is a baseline once, and nothing else is lost"
        yield Finding("journal", str(named or shown(where)), "fail", str(error), fix)
