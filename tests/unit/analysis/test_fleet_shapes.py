"""Histograms of many rollouts are what each is alone."""

import math

import numpy as np
import pytest

from analysis import fleet_shapes as fleets
from analysis.counting.counts import Counts, EvidenceError
from analysis.fleet import ALL
from analysis.histograms.alternatives import HistogramTolerance
from tests.support.counts import start

LATENCY = HistogramTolerance(0.25, relative=True, worse="high"), (10.0, 20.0, 25.0, 40.0, math.inf)
SCORE = HistogramTolerance(0.1, relative=False, worse="low"), (0.1, 0.2, 0.3, 0.4, math.inf)
SHARES = (0.2, 0.3, 0.3, 0.15, 0.05)


def drawn(seed, rollouts, units):
    counts = np.random.default_rng(seed).multinomial(units, SHARES, rollouts)
    return counts.astype(float)


def evidence(canary, stable, edges):
    return Counts(tuple(map(int, canary)), tuple(map(int, stable)), edges)


@pytest.mark.parametrize(("rule", "edges"), [LATENCY, SCORE])
def test_each_gains_what_it_gains_alone(rule, edges, monkeypatch):
    monkeypatch.setattr(fleets, "_BLOCK", 3)
    past = np.concatenate([drawn(1, 1, units) for units in (1, 30, 60, 400)])
    fleet, alone = fleets.start(rule, edges, 4), [start(rule) for _ in range(4)]
    fleets.learn(fleet, past)
    alone = [c.learn(evidence((0,) * 5, p, edges)) for c, p in zip(alone, past, strict=True)]
    assert np.isneginf(fleets.log_safe(fleet)[:3]).all()
    for seed in range(20):
        canary, stable = drawn(seed, 4, 30), drawn(100 + seed, 4, 70)
        canary[seed % 4] *= seed % 2  # sometimes one arm alone, which counts for nobody
        fleets.look(fleet, canary, stable)
        drawn_counts = [evidence(*both, edges) for both in zip(canary, stable, strict=True)]
        alone = [c.update(e) for c, e in zip(alone, drawn_counts, strict=True)]
        harm, safe = zip(*((test.logs.harm, test.logs.safe) for test in alone), strict=True)
        np.testing.assert_allclose(fleets.log_harm(fleet), harm, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(fleets.log_safe(fleet), safe, rtol=1e-9, atol=1e-9)


def test_places_out_of_order_are_their_own_and_the_rest_stays():
    rule, edges = LATENCY
    some, alone, rows = (
        fleets.start(rule, edges, 9),
        fleets.start(rule, edges, 3),
        np.array([7, 1, 4]),
    )
    for fleet, places in ((some, rows), (alone, ALL)):
        fleets.learn(fleet, drawn(1, 3, 400), places)
        fleets.look(fleet, drawn(2, 3, 50), drawn(3, 3, 90), places)
    np.testing.assert_array_equal(fleets.log_harm(some, rows), fleets.log_harm(alone))
    np.testing.assert_array_equal(fleets.log_safe(some, rows), fleets.log_safe(alone))
    rest = np.delete(np.arange(9), rows)
    assert not some.past[rest].any()
    assert not fleets.log_harm(some, rest).any()


def test_a_slice_in_the_middle_of_the_fleet_is_its_own():
    rule, edges = LATENCY
    some, alone = fleets.start(rule, edges, 9), fleets.start(rule, edges, 3)
    for fleet, places in ((some, slice(4, 7)), (alone, ALL)):
        fleets.learn(fleet, drawn(1, 3, 400), places)
        fleets.look(fleet, drawn(2, 3, 50), drawn(3, 3, 90), places)
    np.testing.assert_array_equal(fleets.log_harm(some, slice(4, 7)), fleets.log_harm(alone))
    assert not fleets.log_harm(some)[:4].any()


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf])
def test_what_is_no_count_is_refused_and_changes_nothing(bad):
    rule, edges = LATENCY
    fleet, drawn_counts = fleets.start(rule, edges, 3), drawn(1, 3, 300)
    drawn_counts[2, 4] = bad
    for look in (fleets.learn, lambda f, x: fleets.look(f, drawn(2, 3, 300), x)):
        with pytest.raises(EvidenceError, match="a count is"):
            look(fleet, drawn_counts)
    assert not fleet.past.any()
    assert not fleet.harm.any()
