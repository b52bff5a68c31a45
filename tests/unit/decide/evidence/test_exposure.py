"""Who is exposed by which split, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.decide.evidence.exposure import may_hold_mirrored, share_of_all
from rollout.decide.record.split import Split
from rollout.decide.rules.ramp import at_last_step, next_split, total_of
from rollout.decide.text.comparison import compared_with, exposed, format_split, observational
from tests.support.states import T0, begun, delivering
from tests.support.worlds import plan

SEGMENT = {"header": {"name": "x-team", "exact": "beta"}}
MIRROR = {"mirror": {"share": "0.5%", "lasts": "10m"}}
CHOSEN = "observational: the segment's requests were chosen"
COLD = "observational: without a warm-up, a cold start"


@pytest.mark.parametrize(
    ("segment", "split", "share"),
    [
        (None, Split(5), 0.05),
        (None, Split(50, way="mirror"), 0.0),
        (SEGMENT, Split(50, way="segment"), None),
        (SEGMENT | {"share": "20%"}, Split(50, way="segment"), 0.1),
        (SEGMENT | {"share": "20%"}, Split(100), 1.0),
        (SEGMENT, Split(0), 0.0),
    ],
)
def test_the_share_of_all_requests(segment, split, share):
    traffic = {"segment": segment} if segment else None
    assert share_of_all(plan(traffic=traffic), split) == share


def test_a_look_may_hold_copies_until_the_last_late_sample():
    state = begun()
    assert not may_hold_mirrored(state, None, 8.0)
    assert may_hold_mirrored(delivering(state, wanted=Split(50, way="mirror")), T0, 0.0)
    assert may_hold_mirrored(delivering(state, confirmed=Split(50, way="mirror")), T0, 0.0)
    after = replace(state, mirrored_until=T0)
    assert [may_hold_mirrored(after, T0 + at, 8.0) for at in (0, 7, 8)] == [True, True, False]
    assert may_hold_mirrored(after, None, 0.0)


def test_copies_come_before_the_first_rung_and_are_none():
    state = begun(traffic=MIRROR)
    assert total_of(state.plan) == 10_000, "half a per cent must be expressible"
    copies = next_split(state)
    assert copies == Split(50, 10_000, "mirror")
    state = replace(delivering(state, wanted=copies, decision=2), stepped=True)
    assert not at_last_step(state)
    assert next_split(state) == Split(500, 10_000)


def test_a_segment_is_climbed_in_its_own_way():
    state = begun(ramp={"steps": ["50%", "100%"], "bake": "1s"}, traffic={"segment": SEGMENT})
    climbed = []
    while (split := next_split(state)) is not None:
        climbed.append(split)
        state = replace(delivering(state, wanted=split, decision=2), stepped=True)
    assert climbed == [Split(50, way="segment"), Split(100, way="segment")]
    assert at_last_step(state)


def test_a_paced_ramp_counts_the_segments_requests_only():
    ramp = {"harmBudget": 10, "min": "1%", "max": "50%", "bake": "1s"}

    def next_weight(**more: Any) -> int:
        state = begun(ramp=ramp, traffic={"segment": SEGMENT | more})
        state = delivering(state, wanted=Split(100, 10_000, "segment"))
        state = replace(state, requests_per_look=100.0)
        split = next_split(state)
        return split.canary if split else 0

    assert next_weight() == 1000, "unknown: as if the segment were all"
    assert next_weight(share="50%") == 2000


@pytest.mark.parametrize(
    ("spec", "label", "basis"),
    [
        ({}, "", "compared with v1 at the same time"),
        (
            {"ramp": {"blueGreen": {"holdback": "5%"}, "bake": "1s"}},
            "",
            "compared with the 5 % that v1 keeps",
        ),
        (
            {"ramp": {"blueGreen": {"before": "30m"}, "bake": "1s"}},
            "observational: compared with v1 in the 30m before the switch",
            "observational: compared with v1 in the 30m before the switch",
        ),
        ({"traffic": {"segment": SEGMENT}}, CHOSEN, CHOSEN),
        ({"warmup": "0s"}, COLD, COLD),
        ({"warmup": "0s", "traffic": {"segment": SEGMENT}}, CHOSEN, CHOSEN),
        (
            {"warmup": "0s", "traffic": {"mirror": {"share": "5%", "lasts": "1m"}}},
            "",
            "compared with v1 at the same time",
        ),
        (
            {"traffic": {"segment": SEGMENT | {"assignment": "randomised"}}},
            "",
            "compared with v1 at the same time",
        ),
    ],
)
def test_what_it_is_compared_with(spec, label, basis):
    comparison = observational(plan(**spec))
    assert comparison.startswith(label)
    assert bool(comparison) is bool(label)
    assert compared_with(plan(**spec)).startswith(basis)


def test_what_is_to_be_known_of_who_meets_the_canary():
    assert exposed(plan()) == []
    (unchecked,) = exposed(plan(traffic={"segment": SEGMENT}))
    assert "not checked" in unchecked
    assert exposed(plan(traffic={"segment": SEGMENT | {"share": "5%"}})) == []
    (sticky,) = exposed(plan(traffic={"affinity": {"cookie": "user"}}))
    assert "requests of one user are not independent" in sticky


def test_splits_in_words():
    words = [
        format_split(Split(5)),
        format_split(Split(5, way="segment")),
        format_split(Split(5, way="mirror")),
    ]
    assert words == ["5 %", "5 % of the segment", "copies of 5 %"]
