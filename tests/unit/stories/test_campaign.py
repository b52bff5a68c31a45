"""Many stories together: on all processors as on one, with what they held and the error rates."""

from __future__ import annotations

from rollout.stories import known
from rollout.stories.campaign import Campaign, run_campaign
from rollout.stories.draw import random_stories
from rollout.stories.known import KnownFault, find_known
from rollout.stories.play import Played
from rollout.stories.rates import Rates
from rollout.stories.setting import Setting
from rollout.stories.story import SeededStory, StoryEvent


def test_stories_hold_what_the_parts_hold():
    stories = random_stories(1, 8)
    whole, parts = run_campaign(stories), Campaign()
    for story in stories:
        parts.join(run_campaign([story]))
    assert whole == parts
    assert whole.stories == 8
    assert whole.looks > 50
    assert sum(whole.events.values()) > 8


def test_more_wrong_verdicts_than_declared_are_a_broken_promise():
    rates = Rates(alike=1000, falsely_rolled_back=12, at_margin=1000, falsely_promoted=60)
    assert not rates.broken(), "chance may bring as many"
    rates.join(Rates(alike=1000, falsely_rolled_back=50))
    assert [text.split(":")[0] for text in rates.broken()] == ["I7"]


def test_only_stories_without_faults_say_something_of_the_rates():
    rates = Rates()
    end = ("roll back: harmful",)
    rates.add(Played(SeededStory(1, Setting("same")), ends=end))
    rates.add(Played(SeededStory(1, Setting("same"), (StoryEvent(3.0, "reset"),)), ends=end))
    rates.add(Played(SeededStory(1, Setting("edge")), ends=("promote: proven",)))
    assert (rates.alike, rates.falsely_rolled_back) == (1, 1)
    assert (rates.at_margin, rates.falsely_promoted) == (1, 1)


def test_a_known_fault_explains_its_promise_in_its_stories_only(monkeypatch):
    from rollout.stories.invariants import Broken

    fault = KnownFault(("I11",), ("journals=2",), "they take turns", meeting=("slow-push",))
    monkeypatch.setattr(known, "KNOWN", (fault,))
    slow = SeededStory(1, Setting(journals="2"), (StoryEvent(0.0, "slow-push", 20.0),))
    assert find_known(Played(slow, [Broken("I11", "", 1.0)])) is not None
    assert find_known(Played(slow, [Broken("I9", "", 1.0)])) is None
    assert find_known(Played(SeededStory(1), [Broken("I11", "", 1.0)])) is None
