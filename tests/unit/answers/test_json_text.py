"""JSON that somebody else wrote: a document, or one ValueError."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.answers.json_text import DEEPEST, MOST, copy_json, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_within_bounds_is_read_as_it_is(value):
    assert parse_json(json.dumps(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("levels", [DEEPEST + 1, 900, 100_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(left, right, levels):
    text = left * levels + "1" + right * levels
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(text)


def test_the_deepest_allowed_is_read():
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)


@pytest.mark.parametrize("digits", [401, 5_000])
def test_a_number_beyond_every_float_is_refused(digits):
    with pytest.raises(ValueError, match="digits"):
        parse_json("1" * digits)


HALVES = [r'{"\ud800": 1}', r'["\uDC00x"]', b'["\xed\xa0\x80"]', b"[\xff]"]


@pytest.mark.parametrize("text", HALVES)
def test_half_a_character_is_refused(text):
    with pytest.raises(ValueError, match=r"half of a character|can't decode"):
        parse_json(text)


def test_a_whole_character_in_two_halves_is_read():
    assert parse_json(r'["\ud83e\udd86"]') == ["\U0001f986"]


@pytest.mark.parametrize("text", ["[[]" + ",[]" * MOST + "]", b"[0" + b",0" * MOST + b"]"])
def test_more_values_than_memory_holds_are_not_parsed(text):
    """Two bytes of a text are up to a hundred of a parsed document."""
    with pytest.raises(ValueError, match="more than 2,000,000 values"):
        parse_json(text)


def test_a_copy_shares_no_list_and_no_object():
    inner: dict[str, Any] = {"weights": [1, {"deep": None}]}
    document: dict[str, Any] = {"first": inner, "second": inner}
    copied = copy_json(document)
    assert copied == document
    copied["first"]["weights"][1]["deep"] = "changed"
    assert document["first"]["weights"][1]["deep"] is None
    assert copied["second"]["weights"][1]["deep"] is None
