"""Synthetic latencies are slowed as they say, and the arms are alike without an effect."""

import numpy as np
import pytest

from benchmarks.worlds.latencies import EDGES, MEDIAN, SD, BucketsModel, shares


def quantile(q, level):
    """The upper edge of the bucket that holds a quantile."""
    return EDGES[int(np.searchsorted(q.cumsum(), level))]


def test_shares_are_the_lognormal_s():
    q = shares(1.0, 1.0)
    assert q.sum() == pytest.approx(1)
    assert quantile(q, 0.5) == pytest.approx(MEDIAN, rel=0.1)
    assert quantile(q, 0.99) == pytest.approx(MEDIAN * np.exp(2.326 * SD), rel=0.1)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.95, 0.99])
def test_a_factor_moves_every_quantile_and_a_tail_the_last_tenth(level):
    usual, slow, tail = shares(1, 1), shares(1.5, 1), shares(1, 1.5)
    assert quantile(slow, level) / quantile(usual, level) == pytest.approx(1.5, rel=0.08)
    moved = 1.5 if level > 0.9 else 1.0
    assert quantile(tail, level) / quantile(usual, level) == pytest.approx(moved, rel=0.08)
    assert (tail >= 0).all()


@pytest.mark.parametrize("scenario", ["iid", "incidents"])
def test_streams_have_the_world_s_shape_traffic_and_arms_alike(scenario):
    world = BucketsModel(scenario, rate=50, looks=120, weight=0.25)
    shapes = world.streams(np.random.default_rng(1), 60)
    assert shapes.canary.shape == shapes.stable.shape == (60, 120, len(EDGES))
    assert shapes.past.shape == (60, len(EDGES))
    assert shapes.canary.sum() / 60 / 120 == pytest.approx(50 * 30 * 0.25, rel=0.01)
    canary, stable = (arm.sum(axis=(0, 1)) / arm.sum() for arm in shapes[:2])
    assert canary == pytest.approx(stable, abs=0.002)
    slow = stable[np.array(EDGES) > 0.3].sum() / shares(1, 1)[np.array(EDGES) > 0.3].sum()
    assert slow == pytest.approx(1.0, rel=0.02) if scenario == "iid" else slow > 1.05


def test_one_seed_one_world():
    draws = [BucketsModel(looks=5).streams(np.random.default_rng(s), 2).canary for s in (1, 1, 2)]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()
