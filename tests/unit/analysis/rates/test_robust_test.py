"""The harm test where pods differ: declared rates hold, late harm is found, one fold for all."""

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.dispersion import tempering
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import ExposureHistory, estimate
from analysis.rates import robust_test
from analysis.rates.rate import RateMargin
from benchmarks.worlds import paths
from benchmarks.worlds.rates import SCENARIOS, CountsModel
from tests.support.counts import start


def drawn(world, seed, runs, **margin):
    """Log of the e-process after each look, with the dispersion of each rollout's own history."""
    rng = np.random.default_rng(seed)
    arm_counts, (e, x) = world.streams(rng, runs).arms(), world.history(rng, runs)
    dispersion = [estimate(ExposureHistory(e[i], x[i]), world.pods_canary) for i in range(runs)]
    return paths.robust_logs(
        dispersion,
        robust_test.ArmCounts(arm_counts.e_c, arm_counts.e_s, arm_counts.x_c, arm_counts.x_s),
        **margin,
    )


def ever(logs, alpha):
    return (logs >= -np.log(alpha)).any(axis=1).mean()


def first(logs, alpha):
    crossed = logs >= -np.log(alpha)
    return np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1.0, np.inf)


@pytest.mark.no_cover  # many runs of what other tests cover
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_false_rollback_is_as_rare_as_declared_in_every_scenario(scenario):
    """The cells that are worst in `benchmarks/dispersion.py`, which has all of them."""
    runs, alpha = 200, 0.05
    logs = drawn(CountsModel(scenario, 20.0, 0.01), [41, SCENARIOS.index(scenario)], runs)
    assert ever(logs, alpha) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)


@pytest.mark.no_cover  # many runs of what other tests cover
@pytest.mark.parametrize("margin", [{"ratio": 1.5}, {"absolute": 0.01}])
@pytest.mark.parametrize("scenario", ["retries", "pod-gamma", "pods-.1"])
def test_a_canary_exactly_at_its_margin_is_rarely_rolled_back(scenario, margin):
    runs, alpha = 200, 0.05
    world = CountsModel(
        scenario, 20.0, 0.02, theta=margin.get("ratio", 1.0), excess=margin.get("absolute", 0.0)
    )
    logs = drawn(world, [42, SCENARIOS.index(scenario)], runs, **margin)
    assert ever(logs, alpha) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)


@pytest.mark.no_cover  # many runs of what other tests cover
@pytest.mark.parametrize(
    ("scenario", "most"),
    [
        ("iid", 14),
        ("pod-gamma", 19),
        ("pod-ar1", 40),
        ("retries", 95),
        ("pod-bursts", 105),
        ("pods-.1", 18),
    ],
)
def test_twice_the_errors_are_found(scenario, most):
    """Median looks at alpha .01, 20 requests/s, base 1 %, weight 50 %."""
    logs = drawn(CountsModel(scenario, 20.0, 0.01, theta=2.0), [43, SCENARIOS.index(scenario)], 150)
    assert np.median(first(logs, 0.01)) <= most


def test_harm_that_begins_late_is_found_as_soon_as_early_harm_nearly():
    """Without late starts the past's losses have to be won back first: 70 looks and more."""
    late = drawn(CountsModel("iid", 20.0, 0.01, theta=2.0, onset=120), 44, 150)
    delay = first(late, 0.01) - 120
    assert (delay > 0).mean() > 0.97
    assert np.median(delay) <= 30


def test_the_guard_folds_what_the_path_computes():
    dispersion = Dispersion(4.0, 0.1, 0.5, 0.01, 3.0, 2, 8, 1440)
    rng = np.random.default_rng(45)
    e_c, e_s = rng.poisson(300, (1, 30)), rng.poisson(900, (1, 30))
    e_c[0, 3], e_s[0, 5] = 0, 0
    x_c, x_s = rng.binomial(e_c, 0.04), rng.binomial(e_s, 0.02)
    path = paths.robust_logs(
        [dispersion], robust_test.ArmCounts(e_c, e_s, x_c, x_s), ratio=1.25, absolute=0.002
    )[0]
    rule = RateMargin(1.25, 0.002, dispersion)
    capital = start(rule)
    for look, arm_counts in enumerate(zip(e_c[0], x_c[0], e_s[0], x_s[0], strict=True)):
        a, b, c, d = map(int, arm_counts)
        capital = capital.update(Counts((a, b), (c, d)))
        assert capital.logs.harm == pytest.approx(path[look], abs=1e-9)


@pytest.mark.no_cover  # many runs of what other tests cover
def test_promotion_of_a_canary_at_its_margin_is_as_rare_as_declared():
    """D through the guard: clusters of retries, and pods that differ for good."""
    runs, looks, beta = 40, 120, 0.05
    for scenario in ("retries", "pods-.1"):
        world = CountsModel(scenario, 20.0, 0.02, theta=1.5, looks=looks)
        rng = np.random.default_rng([46, SCENARIOS.index(scenario)])
        arm_counts, (e, x) = world.streams(rng, runs).arms(), world.history(rng, runs)
        wrong = 0
        for run in range(runs):
            rule = RateMargin(1.5, 0.0, estimate(ExposureHistory(e[run], x[run]), 2))
            capital, ever_safe = start(rule), False
            for counts in zip(*(v[run] for v in arm_counts), strict=True):
                a, b, c, d = map(int, counts)
                capital = capital.update(Counts((a, b), (c, d)))
                ever_safe |= capital.logs.safe >= -np.log(beta)
            wrong += ever_safe
        assert wrong / runs <= beta + 3 * np.sqrt(beta * (1 - beta) / runs)


def test_a_state_begins_with_nothing_won_or_lost():
    for inflation in (1.0, 9.0):
        noise = tempering.noise(Dispersion(inflation=inflation))
        assert robust_test.log_harm(robust_test.start(), noise) == pytest.approx(0)
        assert robust_test.log_harm(robust_test.start((3, 2)), noise).shape == (3, 2)
