"""Stories: as lines of text, the same each time, and shortened to what breaks a promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.decide.rules import authority
from rollout.errors import InputError
from rollout.stories.draw import draw_story, short_stories
from rollout.stories.faults import FAULTS
from rollout.stories.invariants import blindness
from rollout.stories.play import play
from rollout.stories.setting import CHOICES, Setting
from rollout.stories.shrink import shrink
from rollout.stories.story import SeededStory, StoryEvent, parse_story
from rollout.tick import deliver


@given(st.integers(0, 10**6))
def test_a_story_is_its_seed_and_its_line(seed):
    story = draw_story(seed)
    assert draw_story(seed) == story
    assert parse_story(seed, str(story)) == story


@pytest.mark.parametrize("text", ["kill", "kill@x", "nothing@3", "canary=odd", "colour=red"])
def test_what_is_neither_setting_nor_event_is_named(text):
    with pytest.raises(InputError, match=text.partition("@")[0].partition("=")[0]):
        parse_story(1, text)


@pytest.mark.parametrize("seed", [3, 11, 20])
def test_the_same_story_always_ends_the_same_way(seed):
    story = draw_story(seed)
    assert play(story) == play(story)


@pytest.mark.parametrize(("number", "name"), [*enumerate(sorted(FAULTS))])
def test_every_event_can_happen_in_two_meshes(number, name):
    """Which two changes from event to event: all of them would take half as long again."""
    meshes = (CHOICES["mesh"] * 2)[number % 3 :]
    for mesh, value in zip(meshes, (FAULTS[name].values * 2)[:2], strict=False):
        setting = Setting("perfect", mesh, guardrails="verdict", clients="1")
        played = play(SeededStory(5, setting, (StoryEvent(8.0, name, value),)))
        assert played.events == (name,)


def test_the_short_stories_leave_none_out():
    stories = [str(story) for story in short_stories(1)]
    assert len(stories) == len(set(stories)) == sum(6**n for n in range(5)) + 2 * 139


def test_a_harmless_version_is_promoted_and_a_dead_one_goes_back():
    assert play(SeededStory(1, Setting("perfect"))).actions == ("advance", "advance", "promote")
    assert play(SeededStory(1, Setting("dead"))).actions == ("advance", "roll back")


def test_what_is_shown_decides_nothing_but_a_bound_that_promotions_wait_for():
    """A perfect canary's answers are too long where tokens are added up."""
    up = ("advance", "advance")
    assert play(SeededStory(1, Setting("perfect", guardrails="exposure"))).actions[:2] == up
    assert "promote" in play(SeededStory(1, Setting("perfect", guardrails="exposure"))).actions
    assert "promote" in play(SeededStory(1, Setting("same", guardrails="ratio"))).actions
    assert "promote" not in play(SeededStory(1, Setting("perfect", guardrails="ratio"))).actions


@pytest.mark.parametrize(
    ("setting", "actions"),
    [
        (Setting("dead", authority="observe"), ("end",)),
        (Setting("dead", authority="abort-only"), ("roll back",)),
        (Setting("perfect", authority="abort-only"), ("end",)),
        (Setting("perfect", authority="advance"), ("advance", "advance", "pause", "roll back")),
    ],
)
def test_less_than_full_authority_does_no_more_than_it_allows(setting, actions):
    played = play(SeededStory(1, setting))
    assert (played.actions, played.broken) == (actions, [])


def test_a_write_that_the_authority_does_not_allow_is_a_broken_promise(monkeypatch):
    monkeypatch.setattr(authority, "limit", lambda _before, _view, choice: choice)
    monkeypatch.setattr(deliver, "may_write", lambda *_, **__: True)
    broken = play(SeededStory(1, Setting("dead", authority="observe"))).broken
    assert broken[0].invariant == "authority"


def test_a_promotion_against_the_bound_is_a_broken_promise(monkeypatch):
    monkeypatch.setattr(blindness, "TIMES", 0.9)
    (broken,) = play(SeededStory(1, Setting(guardrails="ratio"))).broken[:1]
    assert (broken.invariant, "times the tokens" in str(broken)) == ("I5", True)


def test_a_broken_promise_is_told_and_its_story_shortened(monkeypatch):
    """A write that names another entry than the one that decided it."""
    monkeypatch.setattr(deliver, "write_id", lambda rollout, _state: f"{rollout}/1")
    events = (StoryEvent(1.0, "watch-lag", 5.0), StoryEvent(6.5, "kill", 3.0))
    story = SeededStory(1, Setting("perfect", "gateway", guardrails="latency"), events)
    (broken,) = play(story).broken[:1]
    assert broken.invariant == "I2"
    assert shrink(story, "I2") == SeededStory(1, Setting())
