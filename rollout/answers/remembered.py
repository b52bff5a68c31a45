"""Remember what was read out of an answer, for as long as the same answer comes again.

Most looks meet the mesh that the last look met, and reading its objects costs a hundred times what
comparing their text does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Generic, TypeVar

_MOST = 4096

_T = TypeVar("_T")


class RememberedReadings(Generic[_T]):
    """Readings by the words and documents that they are of; the newest `most` are kept.

    A reading has to follow from these alone. One that raises is tried again each time.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._readings: dict[tuple[object, ...], _T] = {}
        self._most = most

    def read(self, words: tuple[object, ...], document: object, read: Callable[[], _T]) -> _T:
        """Return what `read` returns, or returned for the same words and the same document."""
        try:
            key = *words, json.dumps(document)
        except (TypeError, ValueError):  # a file's YAML may hold dates, which JSON cannot
            return read()
        if key not in self._readings:
            reading = read()
            while len(self._readings) >= self._most:
                del self._readings[next(iter(self._readings))]
        else:
            reading = self._readings.pop(key)  # the newest comes last
        self._readings[key] = reading
        return reading
