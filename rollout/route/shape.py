"""Check the parts of a foreign document that we read, once, when it comes in.

How it works: a shape names the fields that we read, and what each must be. `settle` walks document
and shape together. What is missing or null is left out, as protobuf's JSON and the API server do;
what is of another kind is refused with its where. So the code behind this door may rely on kinds,
and a field that nobody reads may be whatever it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from rollout.answers.json_text import check_depth
from rollout.errors import RouteError
from rollout.route.manifest import Json, key

NUMBER, WHOLE = "number", "whole"
Shape = Any
"""`str`, `dict`, NUMBER or, of a field, WHOLE; a list with its items' shape; a mapping of fields.

A WHOLE number may be written as `50.0` or `5e1`, as protobuf's JSON takes it; it is `50` then.
"""

_FORM = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
_DIGITS = 20  # of a number that is written as text, and of a whole one
_NAMES: Mapping[object, str] = {
    str: "text",
    dict: "an object",
    NUMBER: "a number",
    WHOLE: "a whole number",
}


def settle(document: object, shape: Shape, what: str) -> Json:
    """Return the document itself, without nulls in the fields of the shape.

    Raises RouteError for a field of another kind, and for a document that is nested too deeply to
    be copied.
    """
    try:
        check_depth(document)
    except ValueError as error:
        raise RouteError(f"{what} cannot be used: {error}", unread=True) from None
    if not isinstance(document, dict):
        raise RouteError(f"{what} holds no object", unread=True)
    _settle(document, shape, what)
    return document


def read_fraction(numerator: object, denominator: object) -> Fraction:
    """Return a mirrored share as a document writes it. Raises RouteError."""
    try:
        return Fraction(str(numerator)) / Fraction(str(denominator))
    except (ValueError, ZeroDivisionError):
        raise RouteError(f"a mirrored share of {numerator}/{denominator} is none") from None


def _settle(value: Any, shape: Shape, where: str) -> None:
    if isinstance(shape, Mapping):
        _settle_fields(_check(value, dict, where), shape, where)
    elif isinstance(shape, Sequence) and not isinstance(shape, str):
        if not isinstance(value, list):
            raise _build_error(where, "a list")
        for number, item in enumerate(value):
            _settle(item, shape[0], f"{where}[{number}]")
    else:
        _check(value, shape, where)


def _settle_fields(message: Json, shape: Mapping[str, Shape], where: str) -> None:
    for name, inner in shape.items():
        spelling = key(message, name)
        if spelling != name and name in message:
            raise RouteError(f"{where} has both {name} and {spelling}", unread=True)
        if message.get(spelling) is None:
            message.pop(spelling, None)
        elif inner == WHOLE:
            message[spelling] = _settle_whole(message[spelling], f"{where}.{spelling}")
        else:
            _settle(message[spelling], inner, f"{where}.{spelling}")


def _settle_whole(value: Any, where: str) -> Any:
    """Return a whole number that is not below zero, digits in quotes as they are."""
    text = str(_check(value, NUMBER, where))
    is_plain = text.isascii() and text.isdecimal()
    if not is_plain and _FORM.fullmatch(text) and (number := float(text)).is_integer():
        value, text, is_plain = int(number), str(int(number)), True
    if not is_plain or len(text) > _DIGITS:
        raise _build_error(where, _NAMES[WHOLE])
    return value


def _check(value: Any, kind: object, where: str) -> Any:
    if not (_is_number(value) if kind == NUMBER else isinstance(value, kind)):  # type: ignore[arg-type]
        raise _build_error(where, _NAMES[kind])
    return value


def _is_number(value: object) -> bool:
    """Return whether a value may be a number of protobuf's JSON, which takes them as text too."""
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return len(value) <= _DIGITS
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _build_error(where: str, noun: str) -> RouteError:
    return RouteError(f"{where} cannot be used: {noun} was expected", unread=True)
