"""Load mesh documents from YAML: either all of them, or every mistake at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from rollout.errors import InputError, Mistake, PlanError
from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.names import Fault, Path, find_faults, find_home, spell_services
from rollout.plan.reading.bounds import MOST_MISTAKES
from rollout.plan.reading.mistakes import cap, mistakes
from rollout.plan.reading.positions import Document, compose, shown
from rollout.plan.reading.suggest import did_you_mean


@dataclass(frozen=True)
class MeshSource:
    """A mesh as it was read, and where each of its values is in the file."""

    mesh: ServiceMesh
    document: Document

    def position(self, path: Path) -> tuple[int, int]:
        """Return the line and column of the value at a path, or of the last key before it."""
        _, node = self.document.find(path)
        return node.start_mark.line + 1, node.start_mark.column + 1

    def mistake(self, fault: Fault) -> Mistake:
        """Return the mistake of what a target refuses."""
        return _to_mistake(self.document, fault)


LARGEST = 4 * 1024 * 1024
"""Bytes of a file: thousands of services."""

_MOST_VALUES = 1_000_000  # with what aliases stand for: more than a file without any can hold


@contextmanager
def _collected_later() -> Iterator[None]:
    """Look for no garbage meanwhile: a document's nodes are none, and looking takes half the time.

    It is bounded, since a document is.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_collected_later()
def load(text: str, file: str, home: str | None = None) -> list[MeshSource]:
    """Load the mesh documents of a YAML text, in order; `file` is its name in messages.

    `home` is the namespace of their services, else each document's own is.

    Raises:
        PlanError: with every mistake of every document, each with its line and column.
    """
    documents, problems = compose(text, file, "mesh document", fast=True)
    filled = [(document, data) for document in documents if (data := document.data()) is not None]
    if not filled and not problems:
        problems.append(Mistake(file, 1, 1, "P001", "the file holds no mesh document"))
    sources = [
        MeshSource(mesh, document)
        for document, data in filled
        if (mesh := _validate(document, data, home, problems)) is not None
    ]
    if problems:
        raise PlanError(problems)
    return sources


def load_mesh(text: str, file: str, home: str | None = None) -> MeshSource:
    """Load the one mesh document of a text.

    Raises PlanError, and InputError where there are several.
    """
    sources = load(text, file, home)
    if len(sources) > 1:
        raise InputError(f"{file} holds {len(sources)} mesh documents: give each a file of its own")
    return sources[0]


def _validate(
    document: Document, data: Any, home: str | None, problems: list[Mistake]
) -> ServiceMesh | None:
    """Validate one document; add its mistakes to `problems`."""
    if _count_values(data, {}) > _MOST_VALUES:
        message = f"with what its aliases stand for it holds more than {_MOST_VALUES:,} values"
        problems += [*document.mistakes, document.mistake(document.root, "P001", message)]
        return None
    spell_services(data, home or find_home(data))
    faults = [*find_faults(data)]
    searched = faults[:MOST_MISTAKES]  # each costs a search for what was meant
    its_own = [*document.mistakes, *(_to_mistake(document, fault) for fault in searched)]
    mesh = None
    try:
        mesh = ServiceMesh.model_validate(data)
    except ValidationError as error:
        its_own += mistakes(error, document, ServiceMesh)
    problems += cap(dict.fromkeys(its_own), len(faults) - len(searched))
    return mesh


def _count_values(data: Any, counts: dict[int, int]) -> int:
    """Return how many values there are; what an alias stands for is looked at once."""
    if not isinstance(data, dict | list):
        return 1
    if id(data) not in counts:
        values = data.values() if isinstance(data, dict) else data
        counts[id(data)] = 1 + sum(_count_values(value, counts) for value in values)
    return counts[id(data)]


def _to_mistake(document: Document, fault: Fault) -> Mistake:
    path, error = fault
    _, node = document.find(path)
    context = error.context or {}
    given = shown(str(node.value))
    hint = context.get("hint") or did_you_mean(given, context.get("choices", []))
    return document.mistake(node, error.type, error.message(), hint)
