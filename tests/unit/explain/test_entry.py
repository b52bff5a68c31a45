"""Facts in words."""

from typing import get_args

import pytest

from rollout.decide.record.facts import Fact
from rollout.decide.record.route_facts import RouteRead
from rollout.decide.record.split import Split
from rollout.explain.entry import _SENTENCES, clean, sentence


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("plain è 文", None, "plain è 文"),
        (" two\n\tlines ", None, "two lines"),
        ("bell\x07 \x1b[0m \x9b1m \u202eback\u200b", None, "bell [0m 1m back"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
    ],
)
def test_text_is_made_tame(text, limit, expected):
    assert clean(text, limit) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"taken": True}, "the mesh has taken the object as it is"),
        ({"taken": False}, "the mesh has not yet taken the object as it is"),
        ({"timeout": 3.0}, "nothing stands against the route"),
        ({"split": Split(5), "problem": "routes differ"}, "the route gives the canary at most 5 %"),
    ],
)
def test_what_the_route_shows_is_told_as_it_is(content, words):
    assert words in sentence(RouteRead(rollout="r", at=0.0, **content))


def test_every_kind_of_fact_has_its_sentence():
    union = get_args(Fact)[0]
    assert set(_SENTENCES) == set(get_args(union))
