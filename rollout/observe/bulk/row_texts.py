"""The rows of a large answer as text: what each says of labels, and its samples, unread.

Nearly all label sets are those of the look before, and nearly all samples were read then. So rows
are told apart by their bytes, and only what is new is parsed. This reads what JSON's writers for
machines write, without spaces and with the labels first; other text is parsed and written anew.

What it looks for begins with a quote behind a comma or a bracket. A quote inside a text has a
backslash before it, so labels cannot pass for the form of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from pydantic_core import from_json, to_json

MANY = 400
"""Series from which an answer is read in bulk; smaller ones are quicker to read one by one."""

_ROWS, _ROW, _END = b'"result":[', b'{"metric":{', b"]]}"
_BETWEEN = _END + b"," + _ROW
_BEHIND, _SAMPLES = b'},"', b'},"values":[['  # the labels
_HEAD = 4096  # bytes in which the first row begins
_ENOUGH = 1024 * 1024  # bytes that show whether there are many


@dataclass(frozen=True)
class RowTexts(Sequence[Mapping[str, Any]]):
    """Rows that are parsed where they are asked for: labels and samples of each, as bytes.

    Those with anything but plain samples have none in `samples`, and stand in `odd` by their row.
    """

    labels: Sequence[bytes]
    samples: Sequence[bytes]
    odd: Mapping[int, bytes]

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | list[Mapping[str, Any]]:
        """Return a row. Raises ValueError where it is no JSON."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        rest = self.odd.get(index) or _SAMPLES + self.samples[index]
        text = b"".join([_ROW, self.labels[index], rest, _END])
        row: Mapping[str, Any] = from_json(text, cache_strings="keys")
        return row

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (self[index] for index in range(len(self)))


def find_many(result: object, many: int = MANY) -> RowTexts | None:
    """Return the rows of an answer as text; None where they are few, or of another form."""
    if not isinstance(result, list | RowTexts) or len(result) < many:
        return None
    if isinstance(result, RowTexts):
        return result
    try:
        text = to_json(result)
    except (ValueError, TypeError, RecursionError):
        return None
    rows = _split(text[1:-1])
    return rows if rows is not None and len(rows) == len(result) else None


def read_answer(body: bytes) -> Any:
    """Return the document of an answer, its rows as text if they are many. Raises ValueError."""
    if body.count(_ROW, 0, _ENOUGH) >= MANY:
        first, end = body.find(_ROWS + _ROW, 0, _HEAD) + len(_ROWS), body.rfind(_END) + len(_END)
        if first >= len(_ROWS) and (rows := _split(body[first:end])) is not None:
            try:
                document = from_json(body[:first] + body[end:])
                if document["data"]["result"] == []:
                    document["data"]["result"] = rows
                    return document
            except (ValueError, LookupError, TypeError):
                pass  # then the whole tells what is wrong
    return from_json(body, cache_strings="keys")


def _split(text: bytes) -> RowTexts | None:
    """Return the rows of an array's text, without its brackets."""
    # A row without samples has another end.
    if not (text.startswith(_ROW) and text.endswith(_END)) or b"[]" in text:
        return None
    rows = text[len(_ROW) : -len(_END)].split(_BETWEEN)
    labels, marks, samples = map(list, zip(*[row.partition(_SAMPLES) for row in rows], strict=True))
    odd = {}
    for index in [i for i, mark in enumerate(marks) if not mark] if b"" in marks else ():
        labels[index], mark, rest = rows[index].partition(_BEHIND)
        if not mark:
            return None
        odd[index] = mark + rest
    return RowTexts(labels, samples, odd)
