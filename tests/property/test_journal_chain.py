"""Laws of the chain: what is sealed verifies, and nothing in it changes unseen."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.counting.cursor import Series
from rollout.decide.record.facts import Decided, Fact, HumanSaid, Observed
from rollout.decide.record.route_facts import Confirmed, RouteFailed
from rollout.decide.record.split import Split
from rollout.errors import JournalError
from rollout.journal.hash_chain import START, Row, canonical, document, parse, seal_all, verify
from rollout.journal.jsonl import from_lines, to_lines
from rollout.journal.memory import MemoryJournal
from rollout.journal.scan import scan
from rollout.ports import SkippedObservation

# How fast a machine is, is no law.
at_leisure = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
floats = st.floats(allow_nan=False)
splits = st.integers(0, 100).map(Split)
samples = st.tuples(floats, st.lists(floats, max_size=3).map(tuple))
series = st.builds(
    Series,
    key=texts,
    arm=st.sampled_from(["canary", "stable"]),
    samples=st.lists(samples, max_size=3).map(tuple),
    bad=st.booleans(),
    edges=st.lists(floats, max_size=3).map(tuple),
)
common = {"rollout": texts, "at": st.floats(0, 4e9)}
sequence = st.integers(1)
facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(
        Observed,
        **common,
        series=st.dictionaries(texts, st.lists(series, max_size=2).map(tuple), max_size=2),
        problems=st.dictionaries(texts, texts, max_size=2),
    ),
    st.builds(
        Decided,
        **common,
        action=st.sampled_from(["hold", "advance", "roll back"]),
        split=splits,
        reasons=st.lists(texts, max_size=2).map(tuple),
        sentence=texts,
        numbers=st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False)),
    ),
    st.builds(Confirmed, **common, decision=sequence, split=splits),
    st.builds(RouteFailed, **common, decision=sequence, problem=texts, attempt=sequence),
    st.builds(HumanSaid, **common, command=st.just("pause"), actor=texts, reason=texts),
)
chains = st.lists(facts, min_size=1, max_size=6).map(lambda chosen: seal_all(START, chosen))


@at_leisure
@given(chains)
def test_skimming_passes_over_evidence_and_nothing_else(rows):
    for row in rows:
        fact = parse(row).fact
        passed = SkippedObservation(row.seq, fact.rollout, fact.at)
        assert scan(row) == (passed if isinstance(fact, Observed) else parse(row))


def is_sound(rows: list[Row]) -> bool:
    try:
        verify(rows)
    except JournalError:
        return False
    return True


@at_leisure
@given(facts)
def test_a_fact_is_read_as_it_was_written(fact):
    (row,) = seal_all(START, [fact])
    assert parse(row).fact == fact
    assert canonical(json.loads(row.text)) == row.text
    assert canonical(document(parse(row).fact)) == row.text


@at_leisure
@given(chains)
def test_what_is_sealed_verifies_and_travels(rows):
    verify(rows)
    assert from_lines(to_lines(rows)) == rows


@at_leisure
@given(chains, st.data())
def test_any_flipped_character_is_detected(rows, data):
    index = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(["text", "previous", "hash"]))
    value = getattr(rows[index], name)
    position = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.characters().filter(lambda other: other != value[position]))
    rows[index] = replace(rows[index], **{name: value[:position] + letter + value[position + 1 :]})
    with pytest.raises(JournalError, match=f"entry {index + 1} "):
        verify(rows)


@at_leisure
@given(chains, st.data())
def test_any_renumbering_is_detected(rows, data):
    index = data.draw(st.integers(0, len(rows) - 1))
    seq = data.draw(st.integers(-1, 9).filter(lambda other: other != rows[index].seq))
    rows[index] = replace(rows[index], seq=seq)
    assert not is_sound(rows)


@at_leisure
@given(chains, st.data())
def test_any_dropped_entry_but_the_last_is_detected(rows, data):
    index = data.draw(st.integers(0, len(rows) - 1))
    remaining = rows[:index] + rows[index + 1 :]
    assert is_sound(remaining) == (index == len(rows) - 1)  # the limit that record.py states


@at_leisure
@given(chains, st.data())
def test_any_reordering_is_detected(rows, data):
    shuffled = data.draw(st.permutations(rows))
    assert is_sound(shuffled) == (shuffled == rows)


@at_leisure
@given(chains, chains, st.data())
def test_any_inserted_entry_is_detected(rows, others, data):
    index = data.draw(st.integers(0, len(rows)))
    other = data.draw(st.sampled_from(others + rows))
    if index == len(rows) and other.seq == index + 1 and other.previous == rows[-1].hash:
        return  # that is an append
    assert not is_sound([*rows[:index], other, *rows[index:]])


@at_leisure
@given(chains, st.data())
def test_a_flipped_character_in_a_line_is_detected_or_means_the_same(rows, data):
    lines = list(to_lines(rows))
    index = data.draw(st.integers(0, len(lines) - 1))
    position = data.draw(st.integers(0, len(lines[index]) - 1))
    letter = data.draw(st.characters(exclude_categories=["Cs"]))
    lines[index] = lines[index][:position] + letter + lines[index][position + 1 :]
    with suppress(JournalError):
        assert from_lines(lines) == rows


@at_leisure
@given(st.lists(st.lists(facts, max_size=3), max_size=4), st.data())
def test_an_append_is_all_or_nothing(batches, data):
    journal = MemoryJournal()
    expected: list[Fact] = []
    for batch in batches:
        after = data.draw(st.integers(0, len(expected) + 1))
        broken = data.draw(st.booleans())
        good = HumanSaid(rollout="r", at=0.0, command="pause", actor="x")
        bad = [good.model_copy(update={"at": float("nan")})] * broken
        try:
            journal.append(batch + bad, after)
        except JournalError:
            assert broken or after != len(expected)
        else:
            assert not broken
            assert after == len(expected)
            expected += batch
        assert [entry.fact for entry in journal.read()] == expected
        verify(journal.rows())
