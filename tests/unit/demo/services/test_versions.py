"""The science of the demo: v2 truly is no worse than v1, and the comparison could say otherwise."""

from bisect import bisect_left
from statistics import fmean

import pytest

from rollout.demo.services.corpus import contains, notes, sentences
from rollout.demo.services.scoring import EDGES, score
from rollout.demo.services.versions import ALGORITHMS, SENTENCES, summarizer, truncated

TOLERANCE = 2  # buckets: .04
ROOM = 0.1


@pytest.fixture(scope="module")
def scores():
    """Scores over the corpus by version, and those of truncated summaries."""
    by = {version: summarizer(name) for version, name in ALGORITHMS.items()}
    by["truncated"] = truncated
    return {name: [score(n, run(n)) for n in notes().values()] for name, run in by.items()}


def no_worse(canary, stable):
    """At every guarded edge b of stable: share(canary <= b) + ROOM <= share(stable <= b + .04)."""
    below = {
        name: [fmean(s <= edge for s in values) for edge in EDGES]
        for name, values in (("canary", canary), ("stable", stable))
    }
    guarded = [bisect_left(below["stable"], share) for share in (0.05, 0.1, 0.25, 0.5)]
    return all(below["canary"][b] + ROOM <= below["stable"][b + TOLERANCE] for b in guarded)


def test_the_good_version_is_no_worse_anywhere_that_is_guarded(scores):
    assert no_worse(scores["v2"], scores["v1"])
    assert fmean(scores["v2"]) > fmean(scores["v1"]) + 0.02


def test_the_comparison_can_fail(scores):
    assert not no_worse(scores["truncated"], scores["v2"])
    assert not no_worse(scores["v1"], scores["v2"])


def test_the_third_version_is_the_second_one(scores):
    assert scores["v3"] == scores["v2"]


@pytest.mark.parametrize("algorithm", ["luhn", "textrank", "reduction", "sumbasic", "lsa"])
def test_a_summary_is_sentences_of_the_note_in_order(algorithm):
    note = notes()["infection-malaria"]
    summary = summarizer(algorithm)(note)
    places = [sentences(note.text).index(sentence) for sentence in sentences(summary)]
    assert len(places) == SENTENCES
    assert places == sorted(set(places))


def test_truncation_keeps_the_beginning_only():
    note = notes()["infection-malaria"]
    assert note.text.startswith(truncated(note))
    assert not contains(truncated(note), note.facts[-1])
