"""The shape of a decision's numbers: journals are handed around, and anybody can seal one.

Only what readers count on is checked, so that what other versions recorded stays readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BY_NAME = ("guardrails", "segments", "goals")
_TEXTS = frozenset({"verdict", "reason", "words", "conclusion", "of", "suppressed"})
_NUMBERS = frozenset({
    "canary", "stable", "canary_bad", "stable_bad", "requests", "due", "mismatch", "joint",
    "estimate", "mantel_haenszel", "low", "high", "allowed", "harm", "safe", "edge", "partner",
    "ratio", "ratio_low", "ratio_high", "at_least", "difference", "better", "worse",
    "better_of_all", "worse_of_all", "needed",
})  # fmt: skip
_WITHOUT_END = ("Infinity", "-Infinity", "NaN")  # as a row has them, in quotes


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
    if key in _TEXTS and not isinstance(value, str):
        raise ValueError(f"{path} is no text")
    if key in _NUMBERS and not _is_number(value):
        raise ValueError(f"{path} is no number")


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | float) or value in _WITHOUT_END


def _read_mapping(path: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path} is no mapping")  # noqa: TRY004 - a mistake of the journal
    return value
