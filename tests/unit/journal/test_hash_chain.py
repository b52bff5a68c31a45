"""Facts as sealed rows."""

import hashlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.counting.cursor import Series
from rollout.decide.record.facts import Decided, HumanSaid, Observed
from rollout.decide.record.split import Split
from rollout.errors import JournalError
from rollout.journal.hash_chain import (
    GENESIS,
    START,
    Row,
    canonical,
    digest,
    document,
    parse,
    seal,
    seal_all,
    verify,
)


def build_fact(reason: str = "") -> HumanSaid:
    return HumanSaid(rollout="r-1", at=1.5, command="pause", actor="ops@host", reason=reason)


def decided(**numbers: object) -> Decided:
    return Decided(
        rollout="r-1",
        at=1.0,
        action="hold",
        split=Split(5),
        reasons=(),
        sentence="",
        numbers=numbers,
    )


def chain(length: int) -> list[Row]:
    return seal_all(START, [build_fact(str(number)) for number in range(length)])


def test_the_text_is_canonical():
    assert seal(GENESIS, 1, build_fact("é")).text == (
        '{"actor":"ops@host","at":1.5,"command":"pause","kind":"human-said","reason":"é",'
        '"rollout":"r-1"}'
    )


def test_numbers_keep_every_bit():
    numbers = {"third": 1 / 3, "tiny": 5e-324, "minus": -0.0, "big": 1e22, "count": 2**70}
    text = canonical(document(decided(**numbers)))
    read = json.loads(text)["numbers"]
    assert read == numbers
    assert math.copysign(1, read["minus"]) == -1
    assert canonical(json.loads(text)) == text


def test_infinity_is_written_as_text_and_read_back():
    series = Series("k", "stable", ((1.0, (2.0,)),), edges=(0.5, math.inf))
    fact = Observed(rollout="r-1", at=1.0, series={"latency": (series,)})
    row = seal(GENESIS, 1, fact)
    assert '"edges":[0.5,"Infinity"]' in row.text
    assert parse(row).fact == fact


@pytest.mark.parametrize("value", [math.nan, np.int64(1), {math.nan}, "\ud800"])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(JournalError, match="a decided fact cannot be written"):
        seal(GENESIS, 1, decided(u=value))


def test_the_recipe_in_the_docstring_gives_the_hash():
    row = seal(GENESIS, 1, build_fact())
    recipe = f"{row.previous}\n{row.seq}\n{row.text}".encode()
    assert row.hash == hashlib.sha256(recipe).hexdigest()


def test_a_sound_chain_verifies_from_any_of_its_rows():
    rows = chain(4)
    verify(rows)
    verify(rows[2:], last=rows[1])
    verify([])


def test_a_text_of_another_schema_verifies():
    text = '{"kind":"tomorrow"}'
    verify([Row(1, text, GENESIS, digest(GENESIS, 1, text))])


def test_a_gap_is_named():
    rows = chain(4)
    with pytest.raises(JournalError, match="entry 2 is missing: a gap before entry 3"):
        verify([rows[0], *rows[2:]])


def test_a_missing_beginning_is_named():
    with pytest.raises(JournalError, match="entry 1 is missing"):
        verify(chain(3)[1:])


def test_a_wrong_order_is_named():
    first, second, third = chain(3)
    with pytest.raises(JournalError, match="entry 2 is out of order"):
        verify([first, third, second])


def test_a_row_told_twice_is_named():
    first, second = chain(2)
    with pytest.raises(JournalError, match="entry 1 is duplicated"):
        verify([first, first, second])


def test_an_altered_text_is_named():
    rows = chain(3)
    rows[1] = replace(rows[1], text=rows[1].text.replace("ops", "eve"))
    with pytest.raises(JournalError, match="entry 2 was altered"):
        verify(rows)


def test_half_a_character_counts_as_altered():
    with pytest.raises(JournalError, match="entry 1 was altered"):
        verify([replace(chain(1)[0], text="\ud800")])


def test_a_row_sealed_anew_breaks_the_link_after_it():
    rows = chain(3)
    rows[1] = seal(rows[0].hash, 2, build_fact("forged"))
    with pytest.raises(JournalError, match="entry 3 has a broken link"):
        verify(rows)


def test_an_unknown_fact_is_refused_in_words():
    text = '{"kind":"tomorrow"}'
    with pytest.raises(JournalError, match="entry 1 holds a fact this version cannot read"):
        parse(Row(1, text, GENESIS, digest(GENESIS, 1, text)))
