"""What is built from the engines keeps its rate too: mean, crash watch, share bets, intervals."""

import numpy as np

from analysis import fleet
from analysis.dispersion import tempering
from analysis.dispersion.dispersion import Dispersion
from analysis.log_arrays import log_mean
from analysis.rates import ratio_test, risk_difference, share_bets
from analysis.rates.risk_difference import Contrast, Units
from benchmarks.worlds.rates import CountsModel

LOOKS = 120


def limit(alpha, runs):
    """The declared rate and three Monte-Carlo standard errors."""
    return alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)


def test_the_mean_over_metrics_rolls_back_harmless_canaries_as_rarely_as_declared():
    """Three metrics exactly at their margins, two of them the same requests, and the crash watch;
    through the fleet, which a law holds to the guard. Seed 61.
    """
    rng, runs, alpha = np.random.default_rng(61), 1500, 0.05
    ratio, absolute = np.array([1.5, 1.0, 1.25]), np.array([0.0, 0.005, 0.002])
    tall = (runs, 1)
    many = fleet.start(
        np.tile(ratio, tall), np.tile(absolute, tall), np.tile([1.0, 2.0, 1.0], tall),
        np.full(runs, alpha), np.full(runs, 0.05),
    )  # fmt: skip
    ever, named = np.zeros(runs, dtype=bool), np.zeros(runs, dtype=bool)
    for look in range(LOOKS):
        base = np.where(rng.random((runs, 1)) < 0.05, 0.1, 0.01)
        e_c, e_s = rng.poisson(60, tall), rng.poisson(300, tall)
        x_c, x_s = rng.binomial(e_c, base * ratio + absolute), rng.binomial(e_s, base, (runs, 3))
        x_c[:, 2], x_s[:, 2] = np.minimum(x_c[:, 0], x_c[:, 2]), np.maximum(x_s[:, 0], x_s[:, 2])
        counts = fleet.FleetCounts(*(np.broadcast_to(v, (runs, 3)).astype(float)
                              for v in (e_c, e_s, x_c, x_s)))  # fmt: skip
        (fleet.watch if look < 4 else fleet.look)(many, counts)
        judged = fleet.judge(many)
        ever |= judged.harmful
        named |= (judged.kinds == fleet.HARMFUL).any(axis=1)
    assert ever.mean() <= limit(alpha, runs)
    assert not (named & ~ever).any()  # who is named alone has carried the mean over its bar


def test_the_crash_watch_calls_a_bad_start_dead_as_rarely_as_declared():
    """A canary with a fifth more failures is exactly what it still accepts. Seed 62."""
    rng, runs, alpha = np.random.default_rng(62), 2000, 0.05
    e_c, e_s = rng.poisson(5, (runs, 40)), rng.poisson(95, (runs, 40))
    x_c, x_s = rng.binomial(e_c, 0.25), rng.binomial(e_s, 0.05)
    logs = ratio_test.log_harm(
        ratio_test.increment(e_c, e_s, x_c, x_s, absolute=0.2).cumsum(axis=1)
    )
    assert (logs >= -np.log(alpha)).any(axis=1).mean() <= limit(alpha, runs)


def test_share_bets_alone_keep_the_rate_whatever_the_clusters():
    """Retries in series of mean length 5; a bet a look. Seed 63."""
    rng, runs, alpha = np.random.default_rng(63), 1000, 0.05
    e_c, x_c, e_s, x_s = CountsModel("retries", 20.0, 0.01, looks=LOOKS).streams(rng, runs).arms()
    n = (x_c + x_s).astype(float)
    expected_x_c = n * e_c / np.maximum(e_c + e_s, 1)
    noise = tempering.noise(Dispersion(cluster=9.0, pods_canary=2, pods_stable=8))
    logs = share_bets.log_payoff(noise, n, x_c.astype(float), expected_x_c).cumsum(axis=1)
    mean = log_mean(logs, np.full(share_bets.FRACTIONS.size, 1 / share_bets.FRACTIONS.size))
    assert (mean >= -np.log(alpha)).any(axis=1).mean() <= limit(alpha, runs)


def test_the_interval_that_is_shown_covers_the_truth_at_all_looks_together():
    """A canary with .5 points more, while incidents come and go and the weight moves. Seed 64."""
    rng, runs, level, looks = np.random.default_rng(64), 120, 0.05, 30
    missed = 0
    for _ in range(runs):
        running, out, excess = Contrast(), False, 0.0
        for look in range(looks):
            base, e_c = (0.1 if rng.random() < 0.1 else 0.01), int(rng.poisson(20 + 5 * look))
            e_s = int(rng.poisson(400))
            x_c, x_s = int(rng.binomial(e_c, base + 0.005)), int(rng.binomial(e_s, base))
            running = risk_difference.compared(running, Units(e_c, e_s, x_c, x_s, x_s), 1.5)
            if not (e_c and e_s):
                continue
            excess += 0.005 * e_c + (1 - 1.5) * base * e_c  # over the ratio, which D bounds
            low, high = risk_difference.interval(running, level / 2, level / 2)
            truth = (excess + running.gap) / running.n_c
            out |= not low <= truth <= high
        missed += out
    assert missed / runs <= limit(level, runs)
