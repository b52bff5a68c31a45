"""A story's judge: what changes in it is no harm, and who takes it for harm breaks a promise."""

from __future__ import annotations

import pytest

from rollout.decide.evidence import units
from rollout.stories.play import play
from rollout.stories.setting import CANARY, STABLE, Setting
from rollout.stories.story import parse_story
from rollout.stories.world.exporters import find_judge

CHANGING = "canary=same judges=changing"


@pytest.mark.parametrize("more", ["", " segments=yes clients=3", " traffic=mirror", " rate=20"])
def test_a_judge_that_changes_is_no_harm(more):
    assert play(parse_story(1, CHANGING + more)).broken == []


def test_scores_of_two_judges_that_are_compared_break_a_promise(monkeypatch):
    monkeypatch.setattr(units, "follow_judge", lambda guardrail, _tally: (guardrail, ""))
    (broken,) = play(parse_story(1, CHANGING)).broken
    assert broken.invariant == "I4"
    assert "the judge calls as much of stable's bad" in broken.text


def test_the_strict_judge_comes_to_the_canary_first():
    setting = Setting(judges="changing")
    judges = [[find_judge(setting, own, at) for own in (CANARY, STABLE)] for at in (39, 45, 60)]
    assert judges == [["mild", "mild"], ["strict", "mild"], ["strict", "strict"]]
    assert find_judge(Setting(judges="one"), CANARY, 60) == "mild"
