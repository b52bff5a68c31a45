"""Documents that somebody mangled: a valid one with odd values at some of its places."""

from __future__ import annotations

import copy
from functools import reduce
from typing import Any

from hypothesis import strategies as st

_NOTHING: list[Any] = []
_DEEP = reduce(lambda inner, _: [inner], range(300), _NOTHING)
_NUMBERS = [0, -1, 1.5, 1e308, float("inf"), 10**300]
_TEXTS = ["", "x", "٣", "\x00\x1b]0;x\x07", "\ud800", "9" * 5_000]
_TREES: list[Any] = [[], {}, [None], [[]], [{}], {"": None}, {"x": {"y": []}}, _DEEP]

ODD = st.sampled_from([None, True, False, *_NUMBERS, *_TEXTS, *_TREES])
JSON = st.recursive(
    ODD | st.text(max_size=5) | st.integers() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def mangled(draw: st.DrawFn, document: Any, odd: st.SearchStrategy[Any] = ODD) -> Any:
    """The document with one to three of its values, at any depth, replaced or removed."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = list_places(changed)
        if not places:
            return draw(odd)
        container, key = draw(st.sampled_from(places))
        if isinstance(container, dict) and draw(st.integers(0, 4)) == 0:
            del container[key]
        else:
            container[key] = copy.deepcopy(draw(odd))
    return changed


def list_places(document: Any) -> list[tuple[Any, Any]]:
    """List every place of a document as its container and its key there."""
    places, open_values = [], [document]
    while open_values:
        value = open_values.pop()
        keys: list[Any] = []
        if isinstance(value, dict | list):
            keys = [*value] if isinstance(value, dict) else [*range(len(value))]
        for key in keys:
            places.append((value, key))
            open_values.append(value[key])
    return places
