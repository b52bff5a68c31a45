"""Declared error rates hold, by simulation with stated seeds; and the power that they leave."""

import numpy as np
import pytest
from scipy.special import ndtr

from analysis import sample_ratio
from analysis.counting import beyond
from analysis.histograms import bucket_test, edges
from analysis.information import needed, rate_divergence
from analysis.rates import excess_bound, ratio_test
from benchmarks.worlds import paths

LOOKS = 240
RAMP = np.repeat([0.01, 0.05, 0.1, 0.25, 0.5], LOOKS // 5)


def limit(alpha, runs):
    """The declared rate and three Monte-Carlo standard errors."""
    return alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)


def base_rates(rng, runs, base):
    """Base rates per look: slow drift and common incidents of ten times the rate."""
    drift = np.exp(np.cumsum(rng.normal(0, 0.03, (runs, LOOKS)), axis=1))
    incident = np.repeat(rng.random((runs, LOOKS // 10)) < 0.1, 10, axis=1)
    return np.minimum(base * drift * np.where(incident, 10, 1), 0.3)


def traffic(rng, runs, per_look):
    e_c = rng.binomial(per_look, RAMP, (runs, LOOKS))
    return e_c, per_look - e_c


@pytest.mark.parametrize("base", [0.001, 0.01, 0.05])
@pytest.mark.parametrize(("ratio", "absolute"), [(1.5, 0.0), (1.0, 0.01), (1.25, 0.005)])
def test_rollback_of_a_canary_exactly_at_its_margin_is_as_rare_as_declared(base, ratio, absolute):
    rng, runs, alpha = np.random.default_rng([11, round(base * 1000)]), 800, 0.05
    p = base_rates(rng, runs, base)
    e_c, e_s = traffic(rng, runs, 600)
    x_c, x_s = rng.binomial(e_c, np.minimum(ratio * p + absolute, 1)), rng.binomial(e_s, p)
    gains = ratio_test.increment(e_c, e_s, x_c, x_s, ratio=ratio, absolute=absolute)
    harm = ratio_test.log_harm(gains.cumsum(axis=1))
    assert (harm >= -np.log(alpha)).any(axis=1).mean() <= limit(alpha, runs)


@pytest.mark.parametrize("informed", [False, True])
@pytest.mark.parametrize(("ratio", "absolute"), [(1.5, 0.0), (1.0, 0.01), (1.25, 0.005)])
def test_promotion_of_a_canary_exactly_at_its_margin_is_as_rare_as_declared(
    ratio, absolute, informed
):
    rng, runs, beta, base = np.random.default_rng(12), 1000, 0.05, 0.01
    p = base_rates(rng, runs, base)
    e_c, e_s = traffic(rng, runs, 600)
    x_c, x_s = rng.binomial(e_c, np.minimum(ratio * p + absolute, 1)), rng.binomial(e_s, p)
    below = paths.below(e_c, e_s, x_c, x_s, ratio).cumsum(axis=1)
    weights = excess_bound.prior(base, base, ratio, absolute) if informed else excess_bound.WEIGHTS
    safe = excess_bound.log_safe(below, e_c.cumsum(axis=1), absolute, weights)
    assert (safe >= -np.log(beta)).any(axis=1).mean() <= limit(beta, runs)


def test_the_bounds_of_the_excess_hold_at_every_look():
    rng, runs, alpha = np.random.default_rng(13), 600, 0.05
    p = base_rates(rng, runs, 0.01)
    e_c, e_s = traffic(rng, runs, 300)
    p_c = p * rng.choice([0.5, 1, 2], (runs, 1))
    x_c, x_s = rng.binomial(e_c, p_c), rng.binomial(e_s, p)
    truth = (e_c * (p_c - p)).cumsum(axis=1)
    upper = excess_bound.excess_bound(paths.below(e_c, e_s, x_c, x_s).cumsum(axis=1), alpha)
    lower = excess_bound.excess_floor(paths.above(e_c, e_s, x_c, x_s).cumsum(axis=1), alpha)
    assert (truth > upper + 1e-9).any(axis=1).mean() <= limit(alpha, runs)
    assert (truth < lower - 1e-9).any(axis=1).mean() <= limit(alpha, runs)
    assert np.all(lower <= upper)


@pytest.mark.parametrize(("theta", "most"), [(2, 1.35), (3, 1.35), (5, 1.40)])
def test_detection_needs_little_more_than_the_information_bound(theta, most):
    rng, runs, alpha, rho, base = np.random.default_rng(14), 3000, 0.01, 1 / 9, 0.01
    bound = needed(rate_divergence(theta * base, base, 1.0, rho=rho), alpha)
    step = max(1, round(bound / 60))
    shape = (runs, 600)
    x_c = rng.binomial(step, theta * base, shape)
    x_s = rng.binomial(9 * step, base, shape)
    harm = ratio_test.log_harm(ratio_test.increment(step, 9 * step, x_c, x_s).cumsum(axis=1))
    crossed = harm >= -np.log(alpha)
    assert crossed.any(axis=1).mean() > 0.999
    requests = (crossed.argmax(axis=1) + 1) * step
    assert requests.mean() <= most * bound


@pytest.mark.parametrize("weight", [0.01, 0.05])
def test_a_dead_canary_is_noticed_within_a_dozen_requests(weight):
    rng, runs = np.random.default_rng(15), 500
    requests = np.ones((runs, 30))
    stable = np.full((runs, 30), 1 / weight - 1)
    x_s = rng.binomial(round(1 / weight - 1), 0.005, (runs, 30))
    gains = ratio_test.increment(requests, stable, requests, x_s, absolute=0.2)
    crossed = ratio_test.log_harm(gains.cumsum(axis=1)) >= np.log(1000)
    assert np.quantile(crossed.argmax(axis=1) + 1, 0.95) <= 12


EDGES = (*np.geomspace(10, 1000, 41), np.inf)
SCORES = (*np.round(np.arange(0, 1.01, 0.02), 2), np.inf)


def lognormal(shift=1.0, tail=0.0, fast=0.0):
    """Bucket shares of a latency: median 50 ms, sigma .4, all times `shift`.

    A share `tail` is 2.5 times slower, a share `fast` 3 times faster.
    """
    cuts = np.log(np.array(EDGES[:-1]) / 50 / shift) / 0.4
    parts = [(1 - tail - fast, 0), (tail, np.log(2.5) / 0.4), (fast, -np.log(3) / 0.4)]
    at_most = sum(weight * ndtr(cuts - move) for weight, move in parts)
    return np.diff(at_most, prepend=0, append=1)


def scores(drop=0.0, grain=0.0):
    """Bucket shares of a score, normal .6 +- .1; the part `grain` is on multiples of .1."""
    inner = np.array(SCORES[:-1])
    smooth = np.diff(ndtr((inner - 0.6 + drop) / 0.1), prepend=0, append=1)
    points = np.arange(0, 1.01, 0.1)
    mass = np.exp(-0.5 * ((points - 0.6) / 0.1) ** 2)
    lumps = np.bincount(
        np.searchsorted(inner, points - drop - 1e-9).clip(0), mass / mass.sum(), inner.size + 1
    )
    return (1 - grain) * smooth + grain * lumps


def h_paths(rng, p_c, p_s, e_c, e_s, *, tolerance, relative, looks=60, runs=200):
    """Log of H's e-process after each look, (looks, runs); 500 units of stable's past."""
    worse: beyond.Worse = "high" if relative else "low"
    cuts = bucket_test.boundaries(EDGES if relative else SCORES, worse, relative=relative)
    step = np.log1p(tolerance) if relative else tolerance
    moved = bucket_test.shift_matrix(cuts, step)
    p_c, p_s = (beyond.oriented(p, worse) for p in (p_c, p_s))
    past, logs, path = rng.multinomial(500, p_s, runs), np.zeros(1), []
    for _ in range(looks):
        x_c, x_s = rng.multinomial(e_c, p_c, runs), rng.multinomial(e_s, p_s, runs)
        q_s = bucket_test.smoothed(past @ moved)
        q_a = (
            bucket_test.worse_latencies(q_s)
            if relative
            else bucket_test.worse_scores(q_s, cuts, tolerance)
        )
        logs = logs + bucket_test.gain(x_c, x_s @ moved, *bucket_test.likelihood_ratios(q_s, q_a))
        path.append(bucket_test.log_harm(logs))
        past = past + x_s
    return np.array(path)


@pytest.mark.parametrize(
    ("p_c", "p_s", "tolerance", "relative"),
    [
        (lognormal(1.1), lognormal(), 0.1, True),
        (lognormal(1.25), lognormal(), 0.25, True),
        (lognormal(fast=0.15), lognormal(), 0.1, True),
        (scores(0.04), scores(), 0.04, False),
        (scores(0.04, 0.7), scores(0, 0.7), 0.04, False),
    ],
    ids=["latency +10 %", "latency +25 %", "faster body", "score", "score in lumps"],
)
def test_a_canary_exactly_at_its_tolerance_is_rarely_called_worse(p_c, p_s, tolerance, relative):
    rng, runs = np.random.default_rng(16), 400
    path = h_paths(rng, p_c, p_s, 150, 150, tolerance=tolerance, relative=relative, runs=runs)
    assert (path >= np.log(20)).any(axis=0).mean() <= limit(0.05, runs)


@pytest.mark.parametrize(
    ("p_c", "p_s", "tolerance", "relative", "ticks"),
    [
        (lognormal(1.2), lognormal(), 0.1, True, 6),
        (lognormal(1.5), lognormal(), 0.1, True, 2),
        (lognormal(tail=0.1), lognormal(), 0.25, True, 7),
        (scores(0.08), scores(), 0.04, False, 4),
    ],
    ids=["latency +20 %", "latency +50 %", "tail", "score"],
)
def test_a_worse_distribution_is_found_in_a_few_ticks(p_c, p_s, tolerance, relative, ticks):
    """20 requests/s, a tick of 15 s, a quarter of the traffic, alpha .05; edges 12 % apart."""
    path = h_paths(
        np.random.default_rng(17), p_c, p_s, 75, 225, tolerance=tolerance, relative=relative
    )
    crossed = path >= np.log(20)
    first = np.where(crossed.any(axis=0), crossed.argmax(axis=0) + 1, 99)
    assert np.median(first) <= ticks


@pytest.mark.parametrize(("tolerance", "spread"), [(0.25, 0.2), (0.1, 0.1), (0.1, 0.01)])
def test_coarse_buckets_hide_where_units_lie_so_a_tolerated_canary_is_no_harm(tolerance, spread):
    """Latencies of about 97 ms between edges of 50, 100 and 250 ms, 100,000 requests on each arm.

    Seed 19. Spread evenly over its bucket a tenth of them would pass 100 ms; most of them do.
    """
    cuts = np.log([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0])
    moved = bucket_test.shift_matrix(tuple(cuts), float(np.log1p(tolerance)))
    p_s, p_c = (
        np.diff(ndtr((cuts - np.log(0.097 * slower)) / spread), prepend=0, append=1)
        for slower in (1.0, 1 + tolerance)
    )
    rng, runs, logs, worst = np.random.default_rng(19), 50, np.zeros(1), np.full(50, -np.inf)
    past = rng.multinomial(10**5, p_s, runs)
    q_s = bucket_test.smoothed(past @ moved)
    q_a = bucket_test.worse_latencies(q_s)
    for _ in range(20):
        x_c, x_s = (rng.multinomial(5000, p, runs) for p in (p_c, p_s))
        logs = logs + bucket_test.gain(x_c, x_s @ moved, *bucket_test.likelihood_ratios(q_s, q_a))
        worst = np.maximum(worst, bucket_test.log_harm(logs))
    assert (worst >= np.log(20)).mean() <= limit(0.05, runs)


def test_a_tail_on_a_tenth_of_the_requests_is_never_called_safe():
    """The edge at the median alone does call it safe; all edges together do not."""
    rng, runs, looks = np.random.default_rng(18), 200, 100
    cuts = bucket_test.boundaries(EDGES, "high", relative=True)
    chosen = edges.choose(rng.multinomial(2000, lognormal()), cuts, np.log(1.25))
    x_c = rng.multinomial(100, lognormal(tail=0.1), (runs, looks))
    x_s = rng.multinomial(100, lognormal(), (runs, looks))
    safe = []
    for pair in chosen:
        bad, reference = (x_c[..., pair.edge + 1 :], x_s[..., pair.partner + 1 :])
        below = paths.below(100, 100, bad.sum(axis=-1), reference.sum(axis=-1)).cumsum(axis=1)
        safe.append(excess_bound.log_safe(below, 0) >= np.log(20))
    assert safe[0].any(axis=1).mean() > 0.9
    assert np.all(safe, axis=0).any(axis=1).mean() <= limit(0.05, runs)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5])
def test_a_right_share_of_traffic_is_called_wrong_as_rarely_as_declared(share):
    rng, runs = np.random.default_rng(19), 2000
    e_c = rng.binomial(200, share, (runs, LOOKS))
    logs = sample_ratio.log_mismatch(sample_ratio.increment(e_c, 200 - e_c, share).cumsum(axis=1))
    assert (logs >= -np.log(sample_ratio.ALPHA)).any(axis=1).mean() <= limit(
        sample_ratio.ALPHA, runs
    )


@pytest.mark.parametrize("canary_fraction", [0.025, 0.1])
def test_half_or_twice_the_share_of_traffic_is_found_within_a_minute(canary_fraction):
    e_c = np.random.default_rng(20).binomial(200, canary_fraction, (200, 30))
    logs = sample_ratio.log_mismatch(sample_ratio.increment(e_c, 200 - e_c, 0.05).cumsum(axis=1))
    assert (logs >= -np.log(sample_ratio.ALPHA)).any(axis=1).all()
