"""Load plans from YAML: either all of them, or every mistake at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any, BinaryIO

from pydantic import ValidationError

from rollout.errors import InputError, Mistake, PlanError
from rollout.plan.model.plan import Plan, repeated, twin
from rollout.plan.reading.bounds import LARGEST, find_excess, too_large
from rollout.plan.reading.mistakes import cap, mistakes
from rollout.plan.reading.positions import Document, Path, compose

_GROUP, _KIND, _OTHERS = "surefoot.dev/", "RolloutPlan", {"RolloutTrigger", "MetricTemplate"}


def load(text: str, file: str, context: Any = None) -> list[Plan]:
    """Load the plans of a YAML text, in order; `file` is its name in messages.

    With `RECORDED` as the context, by the rules for a plan of a journal.

    Raises:
        PlanError: with every mistake of every document, each with its line and column.
    """
    if problem := too_large(len(text)):
        raise PlanError([Mistake(file, 1, 1, "P001", problem)])
    documents, problems = compose(text, file)
    parsed = [(document, document.data()) for document in documents]
    filled = [(document, data) for document, data in parsed if data is not None]
    # Manifests of other kinds stand beside plans; alone, one is a plan with a wrong head.
    filled = [pair for pair in filled if not _is_foreign(pair[1])] or filled
    if not filled and not problems:
        problems.append(Mistake(file, 1, 1, "P001", "the file holds no plan"))
    plans = [
        plan for document, data in filled if (plan := _validate(document, data, problems, context))
    ]
    problems += _find_twin_plans(filled)
    if problems:
        # A set, because the model and `_find_twin_guardrails` may report the same twin.
        raise PlanError(cap(set(problems)))
    return plans


def load_file(path: str | FilePath, context: Any = None) -> list[Plan]:
    """Load the plans of a file.

    Raises PlanError, and InputError for a file that cannot be read.
    """
    return load(read(path), str(path), context)


def load_files(paths: Iterable[str | FilePath], context: Any = None) -> list[Plan]:
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


def read(path: str | FilePath, largest: int = LARGEST) -> str:
    """Read the text of a file of at most `largest` bytes. Raises InputError with the reason."""
    try:
        with FilePath(path).open("rb") as file:
            return read_stream(file, str(path), largest)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def read_stream(stream: BinaryIO, file: str, largest: int = LARGEST) -> str:
    """Read a text of at most `largest` bytes; `file` is its name. Raises InputError, OSError."""
    content = stream.read(largest + 1)
    if len(content) > largest:
        raise InputError(f"{file}: more than {largest // 1024:,} KB are too much for such a file")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a text file in UTF-8") from None


def _validate(document: Document, data: Any, problems: list[Mistake], context: Any) -> Plan | None:
    """Validate one document; add its mistakes to `problems` and return None if it has any."""
    problems += document.mistakes
    try:
        plan = Plan.model_validate(data, context=context)
    except ValidationError as error:
        problems += mistakes(error, document, Plan)
    else:
        problems += [
            document.mistake(document.find(path)[1], "P006", message)
            for path, message in find_excess(data)
        ]
        return plan
    problems += _find_twin_guardrails(document, data)
    return None


def _is_foreign(data: Any) -> bool:
    """Return whether a document says that it is of another kind, of our own group or not."""
    kind, version = _get(data, "kind"), _get(data, "apiVersion")
    is_headed = isinstance(kind, str) and isinstance(version, str)
    return is_headed and kind != _KIND and (kind in _OTHERS or not version.startswith(_GROUP))


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
