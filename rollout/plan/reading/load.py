"""Load plans from a text in YAML: either all of them, or every mistake at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from rollout.errors import Mistake, PlanError
from rollout.plan.model.plan import Plan, repeated, twin
from rollout.plan.reading.bounds import find_excess, too_large
from rollout.plan.reading.mistakes import cap, mistakes
from rollout.plan.reading.positions import Document, Path, compose
from rollout.plan.reading.stored import drop_stored

_GROUP, _KIND, _OTHERS = "surefoot.dev/", "RolloutPlan", {"RolloutTrigger", "MetricTemplate"}
_LISTS = {"List", f"{_KIND}List"}  # what `kubectl get -o yaml` and other tools wrap several in


def load(text: str, file: str, context: Any = None) -> list[Plan]:
    """Load the plans of a YAML text, in order; `file` is its name in messages.

    The items of a Kubernetes list are documents as well, and what an API server adds to a document
    is passed over.
    With `RECORDED` as the context, by the rules for a plan of a journal.

    Raises:
        PlanError: with every mistake of every document, each with its line and column.
    """
    if problem := too_large(len(text)):
        raise PlanError([Mistake(file, 1, 1, "P001", problem)])
    documents, problems = compose(text, file)
    opened = _open_lists(documents, problems)
    parsed = [(document, drop_stored(document.data())) for document in opened]
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


def may_hold_plan(text: str) -> bool:
    """Return whether a document of a text says of no other kind to be; also where it is no YAML."""
    if too_large(len(text)):
        return True
    documents, problems = compose(text, "")
    parts = _open_lists(documents, problems)
    filled = [data for opened in parts if (data := opened.data()) is not None]
    return bool(problems) or any(not _is_foreign(data) for data in filled)


def find_document(name: str, text: str, file: str) -> Document:
    """Return the document of the valid plan with this name in a text that was loaded."""
    documents, problems = compose(text, file)
    opened = _open_lists(documents, problems)
    return next(
        own
        for own in opened
        if _get(own.data(), "metadata", "name") == name and _get(own.data(), "kind") == _KIND
    )


def _open_lists(documents: Iterable[Document], problems: list[Mistake]) -> Iterator[Document]:
    """Yield each document, of a list each item as one; a list's own mistakes go to `problems`."""
    for document in documents:
        items = _find_items(document)
        if items is None:
            yield document
            continue
        problems += document.mistakes
        # Aliases of one item are one node: a small file must not mean endless documents.
        for node in {id(item): item for item in items}.values():
            yield Document(document.file, node, document.noun)


def _find_items(document: Document) -> list[yaml.Node] | None:
    """Return the nodes of a list's items; None for a document that is no list."""
    pairs = document.pairs(document.root) if isinstance(document.root, yaml.MappingNode) else {}
    (_, kind), (_, items) = pairs.get("kind", (None, None)), pairs.get("items", (None, None))
    is_list = isinstance(kind, yaml.ScalarNode) and kind.value in _LISTS
    return items.value if is_list and isinstance(items, yaml.SequenceNode) else None


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
