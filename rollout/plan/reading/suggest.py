"""Suggest what a user meant: the keys that are valid at a path, and the nearest word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from rollout.plan.model.pods import TAGS
from rollout.plan.model.ramp import KINDS
from rollout.plan.reading.positions import Path


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Find the most similar of `words`, or None if none is similar.

    Case and separators do not count.
    """
    plain = {_simplify(candidate): candidate for candidate in words}
    matches = get_close_matches(_simplify(word)[:80], plain, n=1, cutoff=0.6)
    return plain[matches[0]] if matches else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    suggestion = nearest(word, words)
    return f"did you mean `{suggestion}`?" if suggestion else ""


def keys_at(path: Path, root: type[BaseModel]) -> list[str]:
    """List the keys that are valid in the mapping at an error's path, in a document of `root`.

    The path may hold the tags of kinds.
    """
    return [key for model in _find_models_at(path, root) for key, _ in _iter_fields(model)]


def key_hint(key: str, path: Path, root: type[BaseModel]) -> str:
    """Suggest what to write instead of an unknown key, or where it belongs."""
    if meant := did_you_mean(key, keys_at(path, root)):
        return meant
    homes = [path or "the top level" for path, valid in _iter_keys(root) if valid == key]
    return f"`{key}` belongs in {homes[0]}" if len(homes) == 1 else ""


def _simplify(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def _find_models_at(path: Path, root: type[BaseModel]) -> list[type[BaseModel]]:
    models: list[type[BaseModel]] = [root]
    for step in path:
        if step in KINDS:
            models = [KINDS[str(step)]]
        elif isinstance(step, str) and step not in TAGS:
            models = [
                inner for model in models for key, inner in _iter_children(model) if key == step
            ]
    return models


def _iter_fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, info in model.model_fields.items():
        yield info.alias or name, info.annotation


def _iter_children(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for key, annotation in _iter_fields(model):
        for inner in _find_models_in(annotation):
            yield key, inner


def _find_models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _find_models_in(argument)]


def _iter_keys(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every valid key at any depth, with the path of the mapping that has it."""
    for key, _ in _iter_fields(model):
        yield path, key
    for key, inner in _iter_children(model):
        yield from _iter_keys(inner, f"{path}.{key}" if path else key)
