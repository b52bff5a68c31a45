"""What stable's totals show: clusters, memory, troubles, and nothing where all is calm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.counting.counts import EvidenceError
from analysis.dispersion.totals import estimate_totals
from analysis.dispersion.trouble import find_trouble
from benchmarks.worlds.rates import CountsModel

LOOKS = 2880


def of(model, seed=1):
    past = model.history(np.random.default_rng(seed), 1, LOOKS)
    return estimate_totals(*(counts[0].sum(axis=1) for counts in past))


def test_independent_requests_are_mostly_calm_and_never_much_else():
    learned = [of(CountsModel(), seed) for seed in range(12)]
    assert sum(dispersion.is_calm for dispersion in learned) >= 6
    assert max(dispersion.cluster for dispersion in learned) < 1.1
    assert np.median([dispersion.inflation for dispersion in learned]) < 1.1


def test_clusters_are_found_in_their_size():
    assert of(CountsModel("retries")).cluster == pytest.approx(9, abs=1)


def test_what_lasts_several_looks_is_passing_and_grows_with_the_traffic():
    slow, fast = (of(CountsModel("pod-ar1", rate=rate)) for rate in (20, 200))
    assert slow.passing > 0
    assert fast.inflation > 5 * slow.inflation


def test_the_swing_of_a_day_costs_little():
    rng = np.random.default_rng(2)
    e = rng.poisson(6000, LOOKS)
    day = np.sin(2 * np.pi * np.arange(LOOKS) / LOOKS)
    swinging = estimate_totals(e, rng.binomial(e, 0.01 * np.exp(0.5 * day)))
    assert swinging.inflation < 1.5


def test_rare_incidents_are_troubles_and_leave_the_rest_calm():
    calm, troubled = of(CountsModel(rate=100)), of(CountsModel("incidents", rate=100))
    assert calm.trouble == 0
    assert 8 <= troubled.trouble <= 30  # 240 s are eight looks; incidents may overlap
    assert troubled.brief + troubled.passing < 0.1


def test_too_short_a_past_and_wrong_counts_are_refused():
    with pytest.raises(EvidenceError, match="480 are needed"):
        estimate_totals(np.full(479, 10), np.ones(479))
    with pytest.raises(EvidenceError, match="negative"):
        estimate_totals(np.full(LOOKS, 10), np.full(LOOKS, -1))


def test_a_past_without_errors_shows_no_calm():
    faultless = estimate_totals(np.full(LOOKS, 10), np.zeros(LOOKS))
    assert faultless.trouble == 0
    assert not faultless.is_calm  # clusters of nine are believed until errors came one by one
    assert np.isfinite([faultless.cluster, faultless.passing, faultless.inflation]).all()


def test_a_past_without_requests_is_none():
    with pytest.raises(EvidenceError, match="0 looks, 480 are needed"):
        estimate_totals(np.zeros(LOOKS), np.zeros(LOOKS))


@given(st.integers(1, 40), st.integers(500, 2000))
def test_a_trouble_is_found_as_long_as_it_was(length, begin):
    bad = np.full(LOOKS, 10.0)
    bad[begin : begin + length] = 100.0
    trouble = find_trouble(np.full(LOOKS, 1000.0), bad)
    assert trouble.longest == (length if length >= 3 else 0)
    assert trouble.looks.sum() == trouble.longest


def test_what_is_often_is_no_trouble():
    bad = np.full(LOOKS, 10.0)
    bad[np.arange(LOOKS) % 20 < 4] = 100.0
    assert find_trouble(np.full(LOOKS, 1000.0), bad).longest == 0


def test_looks_before_the_first_exposure_are_no_past():
    """A version that has been stable for half an hour has half an hour of it, not a calm day."""
    e, x = np.full(2880, 100), np.full(2880, 1)
    e[:2600], x[:2600] = 0, 0
    with pytest.raises(EvidenceError, match="280 looks, 480 are needed"):
        estimate_totals(e, x)


def silence(counts, share):
    """The same counts with silences of 100 looks; `share` of the looks are left."""
    period = round(100 / (1 - share))
    return np.insert(counts, np.repeat(np.arange(0, len(counts), period - 100), 100), 0)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_silences_tell_nothing_and_change_nothing(share):
    """Of a service that is asked for some minutes at a time, incidents are what they were."""
    dice = np.random.default_rng(5)
    level = np.where(np.arange(1200) % 240 < 9, 30.0, 3.0)
    units, bad = np.full(1200, 300), dice.poisson(level)
    assert estimate_totals(silence(units, share), silence(bad, share)) == estimate_totals(
        units, bad
    )


def test_silences_count_where_too_few_looks_have_requests():
    units = silence(np.full(150, 300), 0.2)
    assert estimate_totals(units, np.minimum(units, 1)).ticks == len(units) - 100


@given(st.lists(st.integers(1, 10), min_size=200, max_size=200))
def test_little_traffic_is_no_silence(pauses):
    units = np.zeros(sum(pauses) + 480, dtype=int)
    units[np.cumsum(pauses) - 1], units[-480:] = 1, 1
    begun = len(units) - pauses[0] + 1
    assert estimate_totals(units, np.zeros_like(units)).ticks == begun
