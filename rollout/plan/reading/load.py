"""Plans from YAML: all of them, or every mistake at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from rollout.errors import InputError, Mistake, PlanError
from rollout.plan.model.plan import Plan, repeated, twin
from rollout.plan.reading.mistakes import mistakes
from rollout.plan.reading.positions import Document, Path, compose


def load(text: str, file: str) -> list[Plan]:
    """The plans of a text, in order; `file` is its name in messages.

    Raises:
        PlanError: with every mistake of every document, each with its line and column.
    """
    documents, found = compose(text, file)
    parsed = [(document, document.data()) for document in documents]
    filled = [(document, data) for document, data in parsed if data is not None]
    if not filled and not found:
        found.append(Mistake(file, 1, 1, "P001", "the file holds no plan"))
    plans = [plan for document, data in filled if (plan := _plan(document, data, found))]
    found += _same_names(filled)
    if found:
        raise PlanError(list(set(found)))
    return plans


def load_file(path: str | FilePath) -> list[Plan]:
    """The plans of a file. Raises PlanError, and InputError for a file that cannot be read."""
    return load(read(path), str(path))


def load_files(paths: Iterable[str | FilePath]) -> list[Plan]:
    """The plans of several files, or one PlanError with the mistakes of all of them."""
    plans: list[Plan] = []
    found: list[Mistake] = []
    for path in paths:
        try:
            plans += load_file(path)
        except PlanError as error:
            found += error.mistakes
    if found:
        raise PlanError(found)
    return plans


def read(path: str | FilePath) -> str:
    """A plan file's text. Raises InputError with the reason."""
    try:
        return FilePath(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None


def _plan(document: Document, data: Any, found: list[Mistake]) -> Plan | None:
    found += document.mistakes
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        found += mistakes(error, document)
    found += _twin_guardrails(document, data)
    return None


def _twin_guardrails(document: Document, data: Any) -> list[Mistake]:
    """Seen here as well, because the model looks for twins only among sound guardrails."""
    items = _at(data, "spec", "guardrails")
    names = [_at(item, "name") for item in items] if isinstance(items, list) else []
    return [
        _twin(document, ("spec", "guardrails", place, "name"))
        for place in repeated(names)
        if isinstance(names[place], str)
    ]


def _same_names(documents: list[tuple[Document, Any]]) -> list[Mistake]:
    names = [_at(data, "metadata", "name") for _, data in documents]
    return [
        _twin(documents[place][0], ("metadata", "name"))
        for place in repeated(names)
        if isinstance(names[place], str)
    ]


def _twin(document: Document, path: Path) -> Mistake:
    error = twin(document.find(path)[1].value)
    return document.mistake(document.find(path)[1], error.type, error.message())


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
