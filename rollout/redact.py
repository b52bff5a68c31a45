"""Hide passwords of URLs in everything that is printed, published or handed on.

A plan is recorded and digested as it was accepted, so a password in it stays in the journal. Every
view of it goes through `redact` or `redact_values` once, where it leaves the program.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, TypeVar

_Value = TypeVar("_Value")

MASK = "***"

_SCHEME = r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)"
_USER_INFO = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A text that begins with a URL: its password may hold spaces, as clients accept them.
        rf"\A{_SCHEME}(?P<user>[^/?#:]*)(?P<password>:[^/?#]*)?@",
        rf"{_SCHEME}(?P<user>[^\s/?#:]*)(?P<password>:[^\s/?#]*)?@",
        # A password with a raw slash: what follows the colon is no port, so no host is before it.
        (
            rf"{_SCHEME}(?P<user>[^\s/?#:\[]+)"
            r"(?P<password>:(?!\*+@|\d{1,5}(?:[/?#\s]|$))\S*)@"
        ),
        # The address of a database, given alone, may have a password like `1/2` too.
        rf"\A(?!https?:){_SCHEME}(?P<user>[^\s/?#:@\[]*)(?P<password>:(?!\*+@)\S*)@",
    )
)
_PARAMETER = re.compile(
    r"(?P<name>[?&](?:password|passwd|pwd|secret|token|access_token|api_?key)=)[^&#\s\"']+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return a text with `***` in place of the password of each URL in it.

    `https://user:password@host` keeps its user. A user without a password is a token where it is
    sent over HTTP, and is hidden itself. Redacting twice changes nothing more.
    """
    if "://" not in text:
        return text
    for pattern in _USER_INFO:
        text = pattern.sub(_mask, text)
    return _PARAMETER.sub(lambda match: f"{match['name']}{MASK}", text)


def _mask(match: re.Match[str]) -> str:
    scheme, user, password = match["scheme"], match["user"], match["password"]
    if password not in {None, ":"}:
        return f"{scheme}{user}:{MASK}@"
    if password is None and not scheme.lower().startswith("http"):
        return match[0]  # a database's user is no secret
    return f"{scheme}{MASK}@"


def has_secret(value: object) -> bool:
    """Return whether a text, or a text anywhere in plain data, holds the password of a URL."""
    return bool(redact_values(value) != value)


def redact_values(value: _Value) -> _Value:
    """Return plain data, or dataclasses of it, with every text in it redacted."""
    return _redact_value(value)  # type: ignore[no-any-return]


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {_redact_value(key): _redact_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_redact_value(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        texts = {
            entry.name: _redact_value(getattr(value, entry.name))
            for entry in dataclasses.fields(value)
            if entry.init
        }
        return dataclasses.replace(value, **texts)
    return value
