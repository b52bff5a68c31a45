"""Load plans from YAML: either all of them, or every mistake at once."""

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
    """Load the plans of a YAML text, in order; `file` is its name in messages.

    Raises:
        PlanError: with every mistake of every document, each with its line and column.
    """
    documents, problems = compose(text, file)
    parsed = [(document, document.data()) for document in documents]
    filled = [(document, data) for document, data in parsed if data is not None]
    if not filled and not problems:
        problems.append(Mistake(file, 1, 1, "P001", "the file holds no plan"))
    plans = [plan for document, data in filled if (plan := _validate(document, data, problems))]
    problems += _find_twin_plans(filled)
    if problems:
        # A set, because the model and `_find_twin_guardrails` may report the same twin.
        raise PlanError(list(set(problems)))
    return plans


def load_file(path: str | FilePath) -> list[Plan]:
    """Load the plans of a file.

    Raises PlanError, and InputError for a file that cannot be read.
    """
    return load(read(path), str(path))


def load_files(paths: Iterable[str | FilePath]) -> list[Plan]:
    """Load the plans of several files. Raises one PlanError with the mistakes of all files."""
    plans: list[Plan] = []
    problems: list[Mistake] = []
    for path in paths:
        try:
            plans += load_file(path)
        except PlanError as error:
            problems += error.mistakes
    if problems:
        raise PlanError(problems)
    return plans


def read(path: str | FilePath) -> str:
    """Read a plan file's text. Raises InputError with the reason."""
    try:
        return FilePath(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None


def _validate(document: Document, data: Any, problems: list[Mistake]) -> Plan | None:
    """Validate one document; add its mistakes to `problems` and return None if it has any."""
    problems += document.mistakes
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        problems += mistakes(error, document)
    problems += _find_twin_guardrails(document, data)
    return None


def _find_twin_guardrails(document: Document, data: Any) -> list[Mistake]:
    """Find guardrails with the same name, even if other mistakes stop the model from looking."""
    items = _get(data, "spec", "guardrails")
    names = [_get(item, "name") for item in items] if isinstance(items, list) else []
    return [
        _report_twin(document, ("spec", "guardrails", index, "name"))
        for index in repeated(names)
        if isinstance(names[index], str)
    ]


def _find_twin_plans(documents: list[tuple[Document, Any]]) -> list[Mistake]:
    names = [_get(data, "metadata", "name") for _, data in documents]
    return [
        _report_twin(documents[index][0], ("metadata", "name"))
        for index in repeated(names)
        if isinstance(names[index], str)
    ]


def _report_twin(document: Document, path: Path) -> Mistake:
    error = twin(document.find(path)[1].value)
    return document.mistake(document.find(path)[1], error.type, error.message())


def _get(data: Any, *keys: str) -> Any:
    """The value at a path of keys, or None where the data has no such path."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
