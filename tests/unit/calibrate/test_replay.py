"""A draw shown as a world: every unit once, at the mesh's weight, as cumulative counters."""

import numpy as np
import pytest

from analysis.counting.cursor import Cursor, advance
from rollout.calibrate.draw import recorded
from rollout.calibrate.replay import Replay
from rollout.decide.record.split import Split
from rollout.ports import Ask
from rollout.simulate import MemoryRouter
from tests.support.pods import past_of, pods_plan

T0 = 1_800_000_000.0
PAST = recorded(pods_plan(deadline="1h"), past_of(pods=6, rate=500))


def replay_counts(weight, looks=40, name="errors", switch=0):
    """Evidence of each look; the canary gets its weight before look `switch` + 1."""
    dice = np.random.default_rng(4)
    draw = PAST.draw(dice)
    assert draw is not None
    router = MemoryRouter()
    world = Replay(PAST, draw, router, dice, T0)
    cursor, evidences = Cursor(), []
    for look in range(looks + 1):
        if look > switch:
            router.write(PAST.plan, Split(weight, 100), "mark")
        newest = cursor.newest("stable")
        ask = Ask("r", PAST.plan, {} if newest is None else {name: newest})
        answer = world.observe([ask], T0 + 2.0 * look)["r"]
        cursor, evidence = advance(cursor, answer.series[name])
        evidences.append(evidence)
    return evidences[1:], draw


@pytest.mark.parametrize("weight", [1, 5, 33, 50, 90])
def test_the_canary_has_the_weight_of_the_mesh(weight):
    looks, _ = replay_counts(weight)
    canary = sum(e.canary_exposures for e in looks)
    both = canary + sum(e.stable_exposures for e in looks)
    assert canary / both == pytest.approx(weight / 100, rel=0.05)


@pytest.mark.parametrize("name", ["errors", "latency", "accuracy"])
def test_the_arm_that_had_too_little_keeps_every_unit(name):
    looks, draw = replay_counts(1, name=name)
    whole = PAST.arm(name, draw, draw.stable)[:40]
    counted = np.array([e.stable for e in looks])
    assert (counted == whole).all()
    looks, draw = replay_counts(90, name=name)
    counted = np.array([e.canary for e in looks])
    assert (counted == PAST.arm(name, draw, draw.canary)[:40]).all()


def test_thinning_leaves_the_shares_as_they_were():
    looks, draw = replay_counts(5, looks=240)
    bad = sum(e.canary_bad for e in looks) / sum(e.canary_exposures for e in looks)
    whole = PAST.arm("errors", draw, draw.canary)[:240].sum(axis=0)
    assert bad == pytest.approx(whole[1] / whole[0], abs=0.003)


def test_no_canary_is_seen_before_it_has_traffic():
    looks, _ = replay_counts(50, switch=10)
    assert sum(e.canary_exposures for e in looks[:10]) == 0
    assert all(e.canary_exposures for e in looks[11:])


def test_nothing_is_new_once_the_draw_is_over():
    looks, _ = replay_counts(50, looks=PAST.looks)
    assert looks[-1].canary_exposures
    dice = np.random.default_rng(4)
    draw = PAST.draw(dice)
    assert draw is not None
    world = Replay(PAST, draw, MemoryRouter(), dice, T0)
    end = T0 + 2.0 * PAST.looks
    ask = Ask("r", PAST.plan, {"errors": end})
    assert world.observe([ask], end + 60)["r"].series.keys() == {"latency", "accuracy"}
