"""What somebody may have meant: the keys valid at a place, and the nearest word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from rollout.plan.model.plan import Plan
from rollout.plan.model.ramp import KINDS
from rollout.plan.reading.positions import Path


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The most similar of `words`, whatever the case and the separators, if one is similar."""
    plain = {_plain(each): each for each in words}
    found = get_close_matches(_plain(word)[:80], plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    found = nearest(word, words)
    return f"did you mean `{found}`?" if found else ""


def keys_at(path: Path) -> list[str]:
    """The keys valid in the mapping at a path of an error, tags of ramps included."""
    return [key for model in _models_at(path) for key, _ in _fields(model)]


def key_hint(key: str, path: Path) -> str:
    """What to write instead of an unknown key, or where it belongs."""
    if meant := did_you_mean(key, keys_at(path)):
        return meant
    homes = [where or "the top level" for where, known in _homes(Plan) if known == key]
    return f"`{key}` belongs in {homes[0]}" if len(homes) == 1 else ""


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def _models_at(path: Path) -> list[type[BaseModel]]:
    here: list[type[BaseModel]] = [Plan]
    for part in path:
        if part in KINDS:
            here = [KINDS[str(part)]]
        elif isinstance(part, str):
            here = [inner for model in here for key, inner in _children(model) if key == part]
    return here


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, info in model.model_fields.items():
        yield info.alias or name, info.annotation


def _children(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for key, annotation in _fields(model):
        for inner in _models_in(annotation):
            yield key, inner


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _homes(model: type[BaseModel], where: str = "") -> Iterator[tuple[str, str]]:
    for key, _ in _fields(model):
        yield where, key
    for key, inner in _children(model):
        yield from _homes(inner, f"{where}.{key}" if where else key)
