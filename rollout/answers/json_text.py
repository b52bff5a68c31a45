"""Parse JSON that somebody else wrote: every document that is out of bounds is a ValueError."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

DEEPEST = 100
"""Levels of nesting, as protobuf's JSON parser allows; what we write passes Envoy's as well."""

MOST = 2_000_000
"""Values of one document: each takes up to fifty times its bytes once it is parsed."""

_T = TypeVar("_T")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a pair, or alone
_DIGITS = 400  # of a whole number: more is beyond every float


def parse_json(text: str | bytes, *, deepest: int | None = DEEPEST, most: int = MOST) -> Any:
    """Return the document of a JSON text. Raises ValueError for whatever cannot be used.

    Python's parser raises RecursionError for deep nesting, and takes whole numbers that no float
    holds and half of a character (a lone surrogate), which no text is written with. `deepest` None
    leaves the depth to a caller that checks the whole shape anyway.
    """
    words = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    check_values(words, most)
    try:
        document = json.loads(words, parse_int=_parse_int)
        if _HALF.search(words):
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half of a character") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if deepest is not None:
        check_depth(document, deepest)
    return document


def copy_json(document: _T) -> _T:
    """Return a JSON document of its own; a list or an object that stands there twice, twice."""
    copied: _T = _copy(document)
    return copied


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def check_values(text: str | bytes, most: int) -> None:
    """Raise ValueError for a text that may have more values than that, before it is parsed.

    Every value but the first has a comma or a bracket before it. Those inside texts are counted as
    well, so `most` has to leave room.
    """
    marks: tuple[Any, ...] = (",", "[", "{") if isinstance(text, str) else (b",", b"[", b"{")
    if len(text) > most and sum(map(text.count, marks)) > most:
        raise ValueError(f"it holds more than {most:,} values")


def check_depth(document: object, deepest: int = DEEPEST) -> None:
    """Raise ValueError for a document that is nested more than `deepest` levels.

    Copies and walks recurse, so they need a bound. The check itself does not recurse.
    """
    level = [document]
    for _ in range(deepest + 1):
        inner = [_list_items(value) for value in level if isinstance(value, dict | list)]
        level = [item for items in inner for item in items]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def _list_items(value: dict[Any, Any] | list[Any]) -> list[Any]:
    return [*value.values()] if isinstance(value, dict) else value


def _parse_int(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)
