"""Mangle valid documents, by a seed: values and shapes of data, keys and bytes of texts."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

NUMBERS = [0, -1, 1, 2**31, 2**63, -(2**64), 10**30, 10**400, 0.5, 1e308, -1e-320, float("inf")]
NUMBERS += [float("-inf"), float("nan")]
TEXTS = [
    "",
    " ",
    "x",
    "0",
    "-1",
    "NaN",
    "+Inf",
    "1e999",
    "5%",
    "1h",
    "null",
    "true",
    "~",
    "9" * 5_000,
]
TEXTS += [
    "\x00",
    "\x1b]0;x\x07\x1b[2J",
    "\u202e\u2066",
    "\ud800",
    "\ufeff",
    "\u0663",
    "\U0001f986",
    "a\nb",
]
TEXTS += ["x" * 70_000, "../../etc/passwd", "{version}", "${x}", "%s%n", "*", "a/b", "__proto__"]
KEYS = ["", "x", "metadata", "spec", "name", "weight", "\x1b[2J", "\ud800", "a" * 300, "__class__"]
_DEEP = [50, 120]  # levels; only texts are nested deeper, since copies and printers recurse


class Mutator:
    """One seed's choices. Documents are plain data, as JSON or YAML gives it; none is changed."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)

    def mangle(self, document: Any, odd: list[Any] | None = None) -> Any:
        """Return a copy with one to three of its places changed; `odd` are values to try first."""
        changed = [copy.deepcopy(document)]
        for _ in range(self.random.choice([1, 1, 2, 3])):
            container, key = self.random.choice(list_places(changed))
            self._change(container, key, odd or [])
        return changed[0]

    def spoil(self, text: str) -> bytes:
        """Return a text's bytes with one to three of its parts cut, doubled, moved or replaced."""
        return self.spoil_bytes(text.encode("utf-8", "surrogatepass"))

    def spoil_bytes(self, data: bytes) -> bytes:
        """Return bytes with one to three of their parts cut, doubled, moved or replaced."""
        for _ in range(self.random.choice([1, 1, 2, 3])):
            data = self._spoil_once(data)
        return data

    def to_json(self, document: Any) -> str:
        """Write JSON as it may be written: some keys twice, numbers that JSON does not have."""
        text = json.dumps(document, ensure_ascii=self.random.random() < 0.5)
        keys = [*_list_keys(document)]
        if keys and self.random.random() < 0.1:
            key = json.dumps(self.random.choice(keys))
            text = text.replace(f"{key}: ", f"{key}: {json.dumps(self.odd_value())}, {key}: ", 1)
        return text

    def odd_value(self) -> Any:
        """Return a value that few programs expect."""
        kind = self.random.randrange(8)
        match kind:
            case 0:
                return None
            case 1:
                return self.random.random() < 0.5
            case 2 | 3:
                return self.random.choice(NUMBERS)
            case 4 | 5:
                return self.random.choice(TEXTS)
            case 6:
                return self.random.choice([[], {}, [None], [[]], [{}], {"": None}, {"x": [{}]}])
            case _:
                return self._nest(self.random.choice(_DEEP))

    def _nest(self, levels: int) -> Any:
        nest: Any = None
        is_list = self.random.random() < 0.5
        for _ in range(levels):
            nest = [nest] if is_list else {"a": nest}
        return nest

    def _change(self, container: Any, key: Any, odd: list[Any]) -> None:
        value = container[key]
        match self.random.randrange(9):
            case 0 if isinstance(container, dict):
                del container[key]
            case 1 if isinstance(container, dict):
                container[self.random.choice(KEYS)] = container.pop(key)
            case 2 if isinstance(container, list):
                container.insert(key, copy.deepcopy(value))
            case 3:
                container[key] = _swap_type(value)
            case 4:
                container[key] = self._of_elsewhere(container)
            case 5 if isinstance(value, list) and value:
                times = self.random.choice([2, 20, 300])
                container[key] = [copy.deepcopy(item) for _ in range(times) for item in value]
            case 6 if isinstance(value, str) and value:
                container[key] = self.spoil(value).decode("utf-8", "replace")
            case 7 if odd:
                container[key] = copy.deepcopy(self.random.choice(odd))
            case _:
                container[key] = self.odd_value()

    def _of_elsewhere(self, container: Any) -> Any:
        """Return a value of the same container: what is valid in another place."""
        other, key = self.random.choice(list_places(container))
        return copy.deepcopy(other[key])

    def _spoil_once(self, data: bytes) -> bytes:
        start = self.random.randrange(len(data) + 1)
        end = min(len(data), start + self.random.choice([1, 1, 4, 30]))
        match self.random.randrange(6):
            case 0:
                return data[:start]
            case 1:
                return data[:start] + data[end:]
            case 2:
                return data[:end] + data[start:]
            case 3:
                return data[:start] + self.random.randbytes(end - start) + data[end:]
            case 4:
                lines = data.splitlines(keepends=True) or [b""]
                moved = self.random.choice(lines)
                at = self.random.randrange(len(lines) + 1)
                return b"".join([*lines[:at], moved, *lines[at:]])
            case _:
                text = self.random.choice(
                    [*TEXTS, "[" * 3_000, "[" * 100_000, "{a:\n " * 900, "- " * 2_000, "&a *a"]
                )
                return data[:start] + text.encode("utf-8", "surrogatepass") + data[end:]


def list_places(document: Any) -> list[tuple[Any, Any]]:
    """List every place of a document as its container and its key there."""
    places, unread = [], [document]
    while unread:
        value = unread.pop()
        keys: list[Any] = [*value] if isinstance(value, dict) else []
        keys = [*range(len(value))] if isinstance(value, list) else keys
        places += [(value, key) for key in keys]
        unread += [value[key] for key in keys]
    return places


def _list_keys(document: Any) -> list[str]:
    return [key for container, key in list_places(document) if isinstance(container, dict)]


def _swap_type(value: Any) -> Any:
    if isinstance(value, dict):
        return [*value.values()]
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    if isinstance(value, str):
        return float(value) if value.replace(".", "", 1).isdecimal() else [value]
    return [value] if value is None else str(value)
