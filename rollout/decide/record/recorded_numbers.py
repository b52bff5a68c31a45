"""The shape of a decision's numbers: journals are handed around, and anybody can seal one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BY_NAME = ("guardrails", "segments", "goals")
_TEXTS = ("verdict", "reason", "words", "conclusion")


def check_numbers(numbers: Mapping[str, Any]) -> None:
    """Raise ValueError for numbers that no version of ours has recorded, and no reader expects."""
    for key, value in numbers.items():
        if key in _BY_NAME:
            for name, own in _read_mapping(key, value).items():
                _check_leaves(f"{key}.{name}", _read_mapping(f"{key}.{name}", own))
        elif key == "exposure":
            _check_leaves(key, _read_mapping(key, value))
        else:
            _check_leaf(key, key, value)


def _check_leaves(path: str, own: Mapping[str, Any]) -> None:
    for key, value in own.items():
        _check_leaf(f"{path}.{key}", key, value)


def _check_leaf(path: str, key: str, value: object) -> None:
    if key in _TEXTS:
        if not isinstance(value, str):
            raise ValueError(f"{path} is a text")
    elif value is not None and not isinstance(value, int | float):
        raise ValueError(f"{path} is a number")


def _read_mapping(path: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path} is no mapping")  # noqa: TRY004 - a mistake of the journal
    return value
