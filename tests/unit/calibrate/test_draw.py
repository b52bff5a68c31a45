"""Splits of stable's past: random, apart from what is learnt, refused where none is possible."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.dispersion.estimate import LEAST_TICKS
from rollout.calibrate.draw import LOOKS, recorded
from rollout.errors import InputError
from tests.support.pods import past_of, pods_plan


@pytest.fixture(scope="module")
def past():
    return recorded(pods_plan(deadline="1h"), past_of(pods=6))


def draws(past, count=200):
    dice = np.random.default_rng(1)
    return [past.draw(dice) for _ in range(count)]


def test_every_pod_plays_the_canary_and_every_stretch_is_possible(past):
    drawn = draws(past)
    assert {pod for draw in drawn for pod in draw.canary} == set(past.counted.pods)
    assert min(draw.first for draw in drawn) < 100
    assert max(draw.first for draw in drawn) > 1440 - LOOKS - 100
    for draw in drawn:
        assert len(draw.canary) == 2
        assert {*draw.canary, *draw.stable} == set(past.counted.pods)
        assert not {*draw.canary} & {*draw.stable}


def test_an_arm_is_the_sum_of_its_pods(past):
    draw = draws(past, 1)[0]
    both = past.arm("errors", draw, draw.canary) + past.arm("errors", draw, draw.stable)
    window = past.counted.counts[draw.first : draw.first + draw.looks]
    assert (both == window.sum(axis=1)).all()


def test_what_a_replay_sees_it_does_not_learn_from(past):
    draw = draws(past, 1)[0]
    unseen = past.unseen(draw)
    for name, learnt in unseen.items():
        assert set(learnt.pods) == set(draw.stable)
        assert learnt.canary == 2
        assert len(learnt.ends) == len(learnt.counts) == 1440 - draw.looks
        replayed_ends = set(past.pods[name].ends[draw.first : draw.first + draw.looks])
        assert not replayed_ends & set(learnt.ends)


def test_pods_that_did_not_live_through_a_stretch_are_left_out(past):
    counts = past.counted.counts.copy()
    counts[:, 0] = 0
    lacking = replace(past, pods={**past.pods, "errors": replace(past.counted, counts=counts)})
    assert all("pod-0" not in (*draw.canary, *draw.stable) for draw in draws(lacking))


def test_no_split_where_too_few_pods_lived(past):
    counts = past.counted.counts.copy()
    counts[:, 2:] = 0
    lacking = replace(past, pods={**past.pods, "errors": replace(past.counted, counts=counts)})
    assert draws(lacking) == [None] * 200


def test_the_length_is_the_plan_s_as_far_as_the_past_allows():
    pods = past_of()
    assert recorded(pods_plan(deadline="1h"), pods).looks == LOOKS
    assert recorded(pods_plan(deadline="2m"), pods).looks == 60
    slow = {"steps": ["5%", "25%", "50%"], "bake": "5m"}
    assert recorded(pods_plan(deadline="1h", ramp=slow), pods).looks == 2 * (452 + 8)
    short = past_of(ticks=LEAST_TICKS + 100)
    assert recorded(pods_plan(deadline="1h"), short).looks == 100


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        (
            past_of(ticks=LEAST_TICKS + 5),
            "the history is too short to replay this plan: 16m44s are",
        ),
        (past_of(pods=2), "stable has 2 pods: a canary of 2 needs more"),
        (past_of(canary=0), "state how many it gets, `pods: {canary: 2}`"),
        ({"errors": past_of()["errors"]}, "no history of accuracy, latency"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_words(pods, words):
    with pytest.raises(InputError, match=words.replace("{", r"\{")):
        recorded(pods_plan(), pods)
