"""The notebooks that come with Surefoot: they are data of the package, beside a small recording."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rollout.errors import InputError

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")
"""Where they are: inside an installed package, or beside it in a checkout."""

_SUFFIXES = {".ipynb", ".jsonl", ".md"}


def copy_notebooks(folder: Path) -> tuple[list[str], list[str]]:
    """Copy the notebooks and their recording to a folder; return the names of copied and left ones.

    A file that is there already is left. Raises InputError where the package lacks them.
    """
    source = next((path for path in _PLACES if any(path.glob("*.ipynb"))), None)
    if source is None:
        raise InputError("this installation has no notebooks")
    copied: list[str] = []
    left: list[str] = []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.suffix not in _SUFFIXES or name.parts[0].startswith("."):
            continue
        target = folder / name
        if os.path.lexists(target):  # a link that leads nowhere would be written through
            left.append(str(name))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        copied.append(str(name))
    return copied, left
