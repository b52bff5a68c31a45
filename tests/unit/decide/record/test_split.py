"""A split: integer weights, and which requests they part."""

import pytest

from rollout.decide.record.facts import FACT
from rollout.decide.record.route_facts import Confirmed, Drifted
from rollout.decide.record.split import Split, split_at, total_for


def test_a_journal_from_before_there_were_ways_means_weights():
    split = '{"canary":5,"total":100}'
    text = f'{{"at":1.0,"decision":2,"kind":"confirmed","rollout":"r-1","split":{split}}}'
    fact = FACT.validate_json(text)
    assert isinstance(fact, Confirmed)
    assert fact.split == Split(5, way="weights")


@pytest.mark.parametrize("way", ["segment", "mirror"])
def test_a_way_survives_the_journal(way):
    fact = Confirmed(rollout="r-1", at=1.0, decision=2, split=Split(100, 100, way))
    assert FACT.validate_json(fact.model_dump_json()) == fact


@pytest.mark.parametrize("way", ["segment", "mirror"])
def test_nothing_for_the_canary_has_one_spelling(way):
    with pytest.raises(ValueError, match="write it as weights"):
        Split(0, 100, way)
    assert split_at(0.0, 100, way) == Split(0)


@pytest.mark.parametrize(("canary", "total"), [(-1, 100), (101, 100), (0, 0)])
def test_no_split(canary, total):
    with pytest.raises(ValueError, match="is no split"):
        Split(canary, total)


def test_a_share_becomes_the_nearest_weights():
    assert split_at(0.5, 100, "mirror") == Split(50, 100, "mirror")
    assert split_at(0.001, total_for([0.001])) == Split(10, 10_000)
    assert split_at(0.001, 100) == Split(1)


def test_a_split_of_one_canary_is_recorded_as_before_there_were_several():
    fact = Drifted(rollout="r-1", at=1.0, seen=Split(5, 100, "segment"))
    assert fact.model_dump()["seen"] == {"canary": 5, "total": 100, "way": "segment"}
    several = Drifted(rollout="r-1", at=1.0, seen=Split(5, canaries=(2, 3)))
    text = several.model_dump_json()
    assert '"seen":{"canary":5,"total":100,"way":"weights","canaries":[2,3]}' in text
    assert FACT.validate_json(text) == several


@pytest.mark.parametrize("canaries", [(5,), (2, 2), (6, -1), (0, 5, 1)])
def test_canaries_are_several_with_the_sum(canaries):
    with pytest.raises(ValueError, match="are not several with 5"):
        Split(5, canaries=canaries)
    with pytest.raises(ValueError, match="are not several with 0"):
        Split(0, canaries=(0, 0))


def test_each_canary_has_a_weight():
    assert Split(5).canary_weights(2) == (5, 0)
    assert Split(5, canaries=(2, 3)).canary_weights(3) == (2, 3, 0)
    with pytest.raises(ValueError, match="a split of 2 canaries for 1"):
        Split(5, canaries=(2, 3)).canary_weights(1)
