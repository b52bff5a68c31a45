"""Write a folder of files: all of them or none, and never over others."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rollout.errors import InputError


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write new files into a folder that is not there yet, or is empty.

    Raises InputError where something is there, or nothing can be written.
    """
    try:
        if folder.is_symlink() or (folder.exists() and not _is_empty(folder)):
            raise InputError(f"{folder} is there already: name a new folder, or remove that one")
        folder.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(folder, files)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _write_whole(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files beside the folder, and move them into place. Raises OSError."""
    new = Path(tempfile.mkdtemp(prefix=".surefoot-", dir=folder.parent))
    try:
        new.chmod(0o755)
        for name, text in files.items():
            file = new / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        new.replace(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
