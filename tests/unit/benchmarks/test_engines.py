"""Engines over many rollouts decide as `analysis.verdict`, folded look by look."""

import math

import numpy as np
import pytest
from scipy.stats import betabinom

from analysis.counting.counts import Counts
from analysis.dispersion.dispersion import Dispersion
from analysis.rates import ratio_test, robust_test
from analysis.rates.rate import RateMargin
from benchmarks.quality import engines, rivals
from benchmarks.worlds import paths
from benchmarks.worlds.rates import CountsModel, History, Streams
from tests.support.counts import start


def looks(arms, run):
    """One rollout's evidence, look by look."""
    columns = (counts[run].tolist() for counts in arms)
    for e_c, x_c, e_s, x_s in zip(*columns, strict=True):
        yield Counts((e_c, x_c), (e_s, x_s))


def before(history):
    """A history as streams of stable alone."""
    e, x = (counts.sum(axis=-1) for counts in history)
    return Streams(np.zeros_like(e), np.zeros_like(x), e, x)


def fold(rule, past, evidence):
    """Harm and safety after each look, by the production code."""
    capital = start(rule)
    for look in past:
        capital = capital.learn(look)
    harm, safe = [], []
    for look in evidence:
        capital = capital.update(look)
        harm.append(capital.logs.harm)
        safe.append(capital.logs.safe)
    return harm, safe


@pytest.mark.parametrize("rate", [0.2, 20.0])
@pytest.mark.parametrize("rule", [RateMargin(1.0, 0.0), RateMargin(1.2, 0.004)])
def test_paths_equal_the_fold(rate, rule):
    world = CountsModel("ramp", rate=rate, base=0.05, looks=60, theta=1.5)
    rng = np.random.default_rng(1)
    arms, past = world.streams(rng, 6).arms(), before(world.history(rng, 6, ticks=5))
    harm = engines.harm(arms, rule.ratio, rule.absolute)
    safe = engines.safe(arms, past, rule.ratio, rule.absolute)
    for run in range(6):
        folded_harm, folded_safe = fold(rule, looks(past, run), looks(arms, run))
        assert harm[run].tolist() == folded_harm
        assert safe[run] == pytest.approx(folded_safe, rel=1e-12, abs=1e-12)


def test_paths_under_a_learnt_dispersion_equal_the_fold():
    world = CountsModel("pod-gamma", rate=20.0, base=0.05, looks=60, theta=1.5)
    rng = np.random.default_rng(3)
    streams, past = world.streams(rng, 4), before(world.history(rng, 4, ticks=20))
    dispersions = engines.learnt(streams, lambda: world.history(np.random.default_rng(4), 4))
    assert not any(look.problem for look in dispersions)
    harm = paths.robust_logs(dispersions, engines._counts(streams))
    safe = engines.steady(streams, dispersions, past, 1.0, 0.01)
    for run, dispersion in enumerate(dispersions):
        arms = streams.arms()
        own, margin = RateMargin(1.0, 0.0, dispersion), RateMargin(1.0, 0.01, dispersion)
        assert harm[run] == pytest.approx(fold(own, looks(past, run), looks(arms, run))[0])
        _, folded = fold(margin, looks(past, run), looks(arms, run))
        assert safe[run] == pytest.approx(folded, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("scenario", ["iid", "retries", "incidents"])
def test_paths_learnt_from_totals_equal_the_fold(scenario):
    world = CountsModel(scenario, base=0.02, looks=60, theta=1.5)
    rng = np.random.default_rng(6)
    streams, past = world.streams(rng, 3), before(world.history(rng, 3, ticks=20))
    dispersions = engines.learnt_totals(lambda ticks: world.history(rng, 3, ticks))
    harm = paths.robust_logs(dispersions, engines._counts(streams))
    safe = engines.steady(streams, dispersions, past, 1.0, 0.01)
    for run, dispersion in enumerate(dispersions):
        arms = streams.arms()
        own, margin = RateMargin(1.0, 0.0, dispersion), RateMargin(1.0, 0.01, dispersion)
        assert harm[run] == pytest.approx(fold(own, looks(past, run), looks(arms, run))[0])
        _, folded = fold(margin, looks(past, run), looks(arms, run))
        assert safe[run] == pytest.approx(folded, rel=1e-9, abs=1e-9)


def test_beta_binomial_shares_are_the_ratio_tests_where_nothing_is_dispersed():
    counts = engines._counts(
        CountsModel(rate=20.0, base=0.02, looks=40).streams(np.random.default_rng(8), 5)
    )
    noise = paths.noises([Dispersion()] * 5)
    plain = ratio_test.log_harm(ratio_test.increment(*counts).cumsum(axis=1))
    assert rivals.beta_binomial(noise, counts) == pytest.approx(plain, abs=1e-2)


def test_beta_binomial_capital_is_fair_if_that_is_how_pods_differ():
    noise = paths.noises([Dispersion(cluster=4.0, pods_canary=2, pods_stable=8)] * 61)
    x, n, q, size = np.arange(61), 60, 0.2, 59 / 3 - 1
    e_c, e_s = (np.full((61, 1), e) for e in (100, 400))
    counts = robust_test.ArmCounts(e_c, e_s, x[:, None], n - x[:, None])
    chance = betabinom.pmf(x, n, q * size, (1 - q) * size)
    assert (np.exp(rivals.beta_binomial(noise, counts)[:, 0]) * chance).sum() == pytest.approx(1)


def test_the_first_crossing_is_the_fold_s():
    rule, alpha = RateMargin(1.0, 0.0, watches_collapse=True), 0.05
    streams = CountsModel(theta=1.6, looks=120).streams(np.random.default_rng(2), 20)
    outcome = engines.likelihood(streams, never).at(alpha)
    for run, look in enumerate(outcome.rolled_back):
        harm, _ = fold(rule, (), looks(streams.arms(), run))
        crossed = [at for at, log in enumerate(harm, 1) if log >= -math.log(alpha)]
        assert look == (crossed[0] if crossed else 0)
    assert 0 < (outcome.rolled_back > 0).mean() <= 1
    assert not outcome.refused.any()


def never():
    """A past that nobody may ask for."""
    raise AssertionError


@pytest.mark.parametrize("name", engines.ENGINES)
def test_every_engine_finds_a_dead_canary_and_leaves_a_twin_alone(name):
    rng, engine = np.random.default_rng(3), engines.ENGINES[name]
    for theta, rolled in ((1.0, 0.0), (40.0, 1.0)):
        world = CountsModel(rate=200, theta=theta)

        def past(ticks: int = 1440, world: CountsModel = world) -> History:
            return world.history(rng, 10, ticks)

        outcome = engine(world.streams(rng, 10), past).at(0.01)
        assert (outcome.rolled_back > 0).mean() == rolled
        assert not outcome.refused.any()
    assert engines.SHIPPED in engines.ENGINES
