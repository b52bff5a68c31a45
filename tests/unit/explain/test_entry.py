"""Facts in words."""

from typing import get_args

import pytest

from rollout.decide.record.facts import Fact
from rollout.explain.entry import _SENTENCES, clean


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


def test_every_kind_of_fact_has_its_sentence():
    union = get_args(Fact)[0]
    assert set(_SENTENCES) == set(get_args(union))
