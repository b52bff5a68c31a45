"""The corpus: enough notes, each whole and different, with facts that can be found."""

from itertools import combinations

import pytest

from rollout.demo.services.corpus import contains, coverage, notes, sentences, words

NOTES = list(notes().values())


def test_enough_notes_from_many_specialties():
    assert len(NOTES) >= 40
    assert len({note.id.split("-")[0] for note in NOTES}) >= 15


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.id)
def test_each_note_is_whole(note):
    assert 15 <= len(sentences(note.text)) <= 30
    assert 180 <= len(note.text.split()) <= 260
    assert 3 <= len(sentences(note.reference)) <= 5
    assert 5 <= len(set(note.facts)) == len(note.facts) <= 8
    assert [fact for fact in note.facts if not contains(note.text, fact)] == []


def test_a_reference_tells_most_of_the_facts_and_is_no_copy():
    for note in NOTES:
        assert coverage(note.reference, note.facts) >= 0.6, note.id
        copied = set(sentences(note.reference)) & set(sentences(note.text))
        assert len(copied) <= 2, note.id


def test_notes_differ():
    assert len({note.text for note in NOTES}) == len(NOTES)
    shared = {
        (note.id, other.id): set(sentences(note.text)) & set(sentences(other.text))
        for note, other in combinations(NOTES, 2)
    }
    assert {pair: same for pair, same in shared.items() if same} == {}


def test_words_keep_decimals_and_ratios():
    assert words("Ramipril 2.5 mg; acuity 6/9, L5/S1.") == [
        *("ramipril", "2.5", "mg", "acuity", "6/9", "l5", "s1")
    ]


def test_a_phrase_is_contained_whole_in_order_and_at_word_edges():
    assert contains("Takes Aspirin, 75 mg daily.", "aspirin 75 mg")
    assert not contains("Takes aspirin 75 mcg.", "aspirin 75 mg")
    assert not contains("75 mg aspirin", "aspirin 75 mg")
    assert not contains("aspirin 175 mg", "75 mg")


def test_coverage_is_the_share_of_facts():
    assert coverage("new atrial fibrillation", ("atrial fibrillation", "apixaban")) == 0.5
    assert coverage("", ("apixaban",)) == 0
