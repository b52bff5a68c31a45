"""Loads metric templates from a folder of YAML files: all of them, or every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rollout.errors import InputError, Mistake, PlanError
from rollout.plan.fields.base import RECORDED
from rollout.plan.model.template import MetricTemplate
from rollout.plan.model.templates import SHIPPED
from rollout.plan.reading.bounds import too_large
from rollout.plan.reading.files import read
from rollout.plan.reading.mistakes import cap, mistakes
from rollout.plan.reading.positions import Document, compose
from rollout.plan.reading.stored import drop_stored

Templates = Mapping[str, MetricTemplate]

_MOST = 256  # files of a folder


def load_templates(folder: Path | None) -> Templates:
    """Load the templates of a folder's `.yaml` and `.yml` files; none without a folder.

    Raises InputError for a folder that cannot be read, PlanError with every mistake.
    """
    templates: dict[str, MetricTemplate] = {}
    problems: list[Mistake] = []
    for path in _list_files(folder) if folder is not None else ():
        for document, template in _load_file(path, problems):
            if template.name in templates or template.name in SHIPPED:
                owner = "shipped" if template.name in SHIPPED else "defined already"
                _, node = document.find(("metadata", "name"))
                message = f"the template `{template.name}` is {owner}"
                problems.append(document.mistake(node, "P025", message, "give it another name"))
            templates[template.name] = template
    if problems:
        raise PlanError(cap(problems))
    return templates


def make_context(templates: Templates, *, recorded: bool = False) -> dict[str, Any]:
    """Return the validation context of plans that may name these templates."""
    return {"templates": templates, **(RECORDED if recorded else {})}


def text_of_template(template: MetricTemplate) -> str:
    """Return a template as the text of a file."""
    return str(yaml.safe_dump(template.document(), sort_keys=False, width=100, allow_unicode=True))


def _list_files(folder: Path) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
    except OSError as error:
        raise InputError(f"--templates {folder}: {error.strerror}") from None
    if len(paths) > _MOST:
        raise InputError(f"--templates {folder}: more than {_MOST} files")
    return paths


def _load_file(path: Path, problems: list[Mistake]) -> list[tuple[Document, MetricTemplate]]:
    """Return the templates of a file; add its mistakes to `problems`."""
    text = read(path)
    if problem := too_large(len(text)):
        problems.append(Mistake(str(path), 1, 1, "P001", problem))
        return []
    documents, errors = compose(text, str(path), "template")
    problems += errors
    loaded = []
    for document in documents:
        data = drop_stored(document.data())
        problems += document.mistakes
        if data is None:
            continue
        try:
            loaded.append((document, MetricTemplate.model_validate(data)))
        except ValidationError as error:
            problems += mistakes(error, document, MetricTemplate)
    return loaded
