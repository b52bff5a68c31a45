"""Hide passwords and remove control characters in everything that is printed or handed on.

A plan is recorded and digested as it was accepted, so a password in it stays in the journal. Every
view of it goes through `redact` or `redact_values` once, where it leaves the program.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Mapping
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
# What a parameter's name ends with, or is, where its value lets somebody in.
_ENDS = "password|passwd|passphrase|pwd|secret|token|signature|credentials?|(?:api|access)[_-]?key"
_PARAMETER = re.compile(
    rf"(?P<name>[?&#;](?:[\w.-]*(?:{_ENDS})|auth(?:orization)?|jwt|sig|key|pass)=)[^&#;\s\"']+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return a text with `***` in place of the password of each URL in it.

    Characters that steer a terminal or the direction of text are removed, and line ends stay:
    a mesh, a hook or a plan may have put them there, and they could forge what a reader sees.

    `https://user:password@host` keeps its user. A user without a password is a token where it is
    sent over HTTP, and is hidden itself. Redacting twice changes nothing more.
    """
    return _hide(strip_controls(text))


def strip_controls(text: str) -> str:
    """Return a text without control, format and surrogate characters; line ends stay."""
    if text.isprintable():
        return text
    return "".join(filter(None, map(_strip, text)))


def _strip(letter: str) -> str:
    """Return a letter, a space for one that is a kind of space, and nothing for a control."""
    if letter == "\n" or letter.isprintable():
        return letter
    # Unicode category C: control, format (direction marks), surrogate, private, unassigned.
    return " " if letter.isspace() else "" if unicodedata.category(letter)[0] == "C" else letter


def _hide(text: str) -> str:
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
    return bool(_map_texts(value, _hide) != value)


def redact_values(value: _Value, *, has_lines: bool = False) -> _Value:
    """Return plain data, or dataclasses of it, with every text in it redacted.

    Each is on one line, unless its reader keeps lines apart: `has_lines`.
    """
    return _map_texts(value, redact if has_lines else _redact_line)  # type: ignore[no-any-return]


def _redact_line(text: str) -> str:
    return redact(text.replace("\r\n", " ").replace("\n", " "))


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return plain data with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_map_texts(key, change): _map_texts(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_map_texts(item, change) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        texts = {
            entry.name: _map_texts(getattr(value, entry.name), change)
            for entry in dataclasses.fields(value)
            if entry.init
        }
        return dataclasses.replace(value, **texts)
    return value
