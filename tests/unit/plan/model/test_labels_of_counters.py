"""Each label of a counter of pairs, or of people's labels, says one thing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.support.worlds import plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
JUDGED = {
    "name": "judged",
    "counter": {"series": "verdicts_total", "bad": {"verdict": "fail"}, "reporter": "judge"},
    "labels": {"version": "version"},
    "margin": {"absolute": "5%"},
}
TWICE = "is read for something else already"


def read_pairs(**pairs):
    own = {"series": "pairs_total", **pairs}
    return plan(
        guardrails=[ERRORS, {"name": "preferred", "pairs": own, "margin": {"absolute": "5%"}}]
    )


def read_people(**human):
    own = {"of": "judged", "series": "labels_total", "judge": "judge", **human}
    people = {"name": "people", "human": own, "labels": {"version": "version"}}
    return plan(guardrails=[ERRORS, JUDGED, people])


@pytest.mark.parametrize(
    "pairs",
    [
        {"winner": "side", "first": "side"},
        {"where": {"winner": "canary"}},
        {"where": {"first": "stable"}},
        {"first": "__name__"},
    ],
)
def test_who_won_and_who_was_read_first_are_labels_of_their_own(pairs):
    with pytest.raises(ValidationError, match=TWICE):
        read_pairs(**pairs)


@pytest.mark.parametrize(
    ("human", "problem"),
    [
        ({"human": "judge"}, TWICE),
        ({"where": {"human": "pass"}}, TWICE),
        ({"where": {"judge": "fail"}}, TWICE),
        ({"good": "yes", "bad": "yes"}, "cannot be both good and bad"),
    ],
)
def test_what_people_and_a_judge_said_are_labels_of_their_own(human, problem):
    with pytest.raises(ValidationError, match=problem):
        read_people(**human)


def test_other_labels_choose_series():
    assert read_pairs(where={"task": "summary"})
    assert read_people(where={"human_team": "ward"})
