"""Load plans from files, and read the text of a file that somebody names, within bounds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from rollout.answers.input_file import read_input
from rollout.errors import InputError, Mistake, PlanError
from rollout.plan.model.plan import Plan
from rollout.plan.reading.bounds import LARGEST
from rollout.plan.reading.load import load


def load_file(path: str | Path, context: Any = None) -> list[Plan]:
    """Load the plans of a file.

    Raises PlanError, and InputError for a file that cannot be read.
    """
    return load(read(path), str(path), context)


def load_single(path: str | Path) -> Plan:
    """Load the one plan of a file. Raises PlanError, and InputError for any other number."""
    plans = load_file(path)
    if len(plans) != 1:
        raise InputError(f"{path} holds {len(plans):,} plans: give one")
    return plans[0]


def load_files(paths: Iterable[str | Path], context: Any = None) -> list[Plan]:
    """Load the plans of several files. Raises one PlanError with the mistakes of all files."""
    plans: list[Plan] = []
    problems: list[Mistake] = []
    for path in paths:
        try:
            plans += load_file(path, context)
        except PlanError as error:
            problems += error.mistakes
    if problems:
        raise PlanError(problems)
    return plans


def read(path: str | Path, largest: int = LARGEST) -> str:
    """Read the text of a file of at most `largest` bytes. Raises InputError with the reason."""
    try:
        return _decode(read_input(path, largest), str(path), largest)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def read_stream(stream: BinaryIO, file: str, largest: int = LARGEST) -> str:
    """Read a text of at most `largest` bytes; `file` is its name. Raises InputError, OSError."""
    return _decode(stream.read(largest + 1), file, largest)


def _decode(content: bytes, file: str, largest: int) -> str:
    if len(content) > largest:
        raise InputError(f"{file}: more than {largest // 1024:,} KB are too much for such a file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a text file in UTF-8") from None
