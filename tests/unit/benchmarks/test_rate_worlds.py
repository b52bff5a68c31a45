"""Synthetic evidence is what its docstrings say: means, dispersion, time and seeds."""

import numpy as np
import pytest

from benchmarks.worlds import rates
from benchmarks.worlds.draws import OFTEN, spells
from benchmarks.worlds.rates import INCIDENT, SCENARIOS, SPELL, WORSE, CountsModel


def draw(world, rollouts=200, seed=1):
    return world.streams(np.random.default_rng(seed), rollouts)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_shapes_and_counts_that_can_be(scenario):
    world = CountsModel(scenario, looks=10, pods_canary=3, pods_stable=4)
    streams = draw(world, 5)
    assert streams.e_c.shape == streams.x_c.shape == (5, 10, 3)
    assert streams.e_s.shape == streams.x_s.shape == (5, 10, 4)
    assert all((counts >= 0).all() for counts in streams)
    assert (streams.x_c <= streams.e_c).all()
    assert (streams.x_s <= streams.e_s).all()
    history = world.history(np.random.default_rng(1), 6, ticks=7)
    assert history.e.shape == history.x.shape == (6, 7, 4)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_seed_one_world(scenario):
    world = CountsModel(scenario, looks=10)
    same, again, other = draw(world, 3), draw(world, 3), draw(world, 3, seed=2)
    assert all((a == b).all() for a, b in zip(same, again, strict=True))
    assert any((a != b).any() for a, b in zip(same, other, strict=True))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_arms_are_alike_and_the_traffic_is_the_rate(scenario):
    world = CountsModel(scenario, rate=50, looks=120)
    arms, weights = draw(world, 300).arms(), world.weights()
    expected = weights * world.rate * world.tick
    # The last scrapes of a skewed world are the first looks' loss.
    looks = slice(1, None)
    assert arms.e_c[:, looks].mean() == pytest.approx(expected[looks].mean(), rel=0.01)
    share = arms.x_c.sum() / arms.e_c.sum(), arms.x_s.sum() / arms.e_s.sum()
    assert share[0] == pytest.approx(share[1], rel=0.08)
    higher = 1 + OFTEN * (WORSE - 1) if scenario in ("incidents", "ramp", "skew") else 1
    assert share[1] == pytest.approx(0.01 * higher, rel=0.05)


def test_the_effect_begins_at_its_onset():
    world = CountsModel(rate=500, looks=20, theta=3, excess=0.02, onset=12)
    arms = draw(world).arms()
    shares = arms.x_c.sum(axis=0) / arms.e_c.sum(axis=0)
    assert shares[:12] == pytest.approx(0.01, rel=0.05)
    assert shares[12:] == pytest.approx(0.05, rel=0.05)
    assert arms.x_s.sum() / arms.e_s.sum() == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("scenario", ["iid", "retries", "clusters-3", "clusters-10"])
@pytest.mark.parametrize(("theta", "excess"), [(1.0, 0.025), (1.5, 0.0)])
def test_a_canary_at_its_margin_is_there_however_bad_units_come(scenario, theta, excess):
    world = CountsModel(scenario, rate=500, base=0.05, theta=theta, excess=excess)
    arms = draw(world, 100).arms()
    assert arms.x_s.sum() / arms.e_s.sum() == pytest.approx(0.05, rel=0.005)
    assert arms.x_c.sum() / arms.e_c.sum() == pytest.approx(0.05 * theta + excess, rel=0.005)
    assert arms.e_c.mean() == pytest.approx(arms.e_s.mean(), rel=0.005)


def test_the_weight_of_a_ramp_and_of_every_look():
    assert CountsModel("ramp", looks=10).weights().tolist() == [
        x for x in rates.RAMP for _ in range(2)
    ]
    assert CountsModel("ramp", looks=2, weight=(0.3, 0.4)).weights().tolist() == [0.3, 0.4]
    assert CountsModel(looks=2, weight=0.1).weights().tolist() == [0.1, 0.1]


def test_failed_tries_come_in_series_of_mean_five():
    arms = draw(CountsModel("retries", rate=500)).arms()
    # For clusters K: variance / mean = E[K^2] / E[K] = 9 for a geometric K of mean 5.
    assert arms.x_s.var() / arms.x_s.mean() == pytest.approx(9, rel=0.03)


@pytest.mark.parametrize(
    ("scenario", "variance"),
    [
        ("iid", 0),
        ("pod-gamma", rates.GAMMA),
        ("pod-ar1", np.expm1(rates.SD**2)),
        ("pod-bursts", OFTEN * WORSE**2 / 1.45**2 + (1 - OFTEN) / 1.45**2 - 1),
        ("pods-.1", np.expm1(0.01)),
        ("pods-.3", np.expm1(0.09)),
    ],
)
def test_pods_vary_as_much_as_they_should(scenario, variance):
    streams = draw(CountsModel(scenario, rate=20_000, base=0.05, looks=60), 400)
    factor = streams.x_s / streams.e_s / 0.05
    luck = 1 / (0.05 * streams.e_s.mean())
    assert factor.var() == pytest.approx(variance + luck, rel=0.12)


def test_effects_of_pods_last_as_long_as_they_should():
    def memory(scenario, lag):
        x = draw(CountsModel(scenario, rate=50_000, base=0.05, looks=60), 300).x_s
        return np.corrcoef(x[:, :-lag].ravel(), x[:, lag:].ravel())[0, 1]

    assert memory("pod-gamma", 1) == pytest.approx(0, abs=0.02)
    assert memory("pod-ar1", 1) == pytest.approx(0.9, abs=0.03)
    assert memory("pod-ar1", 10) == pytest.approx(0.9**10, abs=0.05)
    assert memory("pods-.3", 40) > 0.95
    looks = round(SPELL / 30)
    assert memory("pod-bursts", looks - 1) > 0.2
    assert memory("pod-bursts", looks) < 0.05


def test_spells_are_on_for_their_share_of_time_and_as_long():
    on = spells(np.random.default_rng(1), (4000, 100, 1), 8)
    assert on.mean() == pytest.approx(OFTEN, rel=0.05)
    ends = (on[:, :-1] & ~on[:, 1:]).sum()
    assert on[:, 1:].sum() / ends == pytest.approx(8 * 1.03, rel=0.05)  # some overlap


def test_an_incident_hits_both_arms_at_once():
    arms = draw(CountsModel("incidents", rate=5000, base=0.005)).arms()
    together = np.corrcoef(arms.x_c.ravel(), arms.x_s.ravel())[0, 1]
    assert together > 0.99
    assert round(INCIDENT / 30) == 8


def test_a_skewed_pod_loses_nothing_but_its_last_look():
    world = CountsModel("skew", rate=500, looks=60)
    skewed = draw(world).arms()
    early, late = skewed.e_c[:, 0].mean(), skewed.e_c[:, 1:].mean()
    assert late == pytest.approx(500 * 30 * 0.5, rel=0.01)
    # The first look misses what is seen in the second.
    assert early == pytest.approx(late * 0.5, rel=0.1)
    shares = skewed.x_c.ravel() / skewed.e_c.ravel(), skewed.x_s.ravel() / skewed.e_s.ravel()
    assert 0.5 < np.corrcoef(*shares)[0, 1] < 0.999


def test_the_history_is_of_the_same_world_and_of_other_pods():
    world = CountsModel("pods-.3", rate=2000, base=0.05)
    rng = np.random.default_rng(1)
    streams, history = world.streams(rng, 100), world.history(rng, 100, ticks=100)
    assert history.e.sum() / 100 / 100 == pytest.approx(2000 * 30, rel=0.01)
    before = history.x.sum(axis=1) / history.e.sum(axis=1)
    during = streams.x_s.sum(axis=1) / streams.e_s.sum(axis=1)
    assert before.std() == pytest.approx(during.std(), rel=0.15)
    assert abs(np.corrcoef(before.ravel(), during.ravel())[0, 1]) < 0.15
