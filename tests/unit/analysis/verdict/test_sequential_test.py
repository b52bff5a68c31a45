"""One metric's state machine."""

import math

import pytest

from analysis.counting.counts import Counts
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates.rate import RateMargin
from tests.support.counts import start

RATE = RateMargin(1.0, 0.01)
LATENCY = HistogramTolerance(0.25, relative=True, worse="high")
SCORE = HistogramTolerance(0.1, relative=False, worse="low")
EDGES = (40.0, 50.0, 64.0, 80.0, 100.0, math.inf)
STABLE = (200, 400, 250, 100, 40, 10)
NONE = (0,) * 6


def fold(rule, looks, by="update", test=None):
    test = test or start(rule)
    for counts in looks:
        test = getattr(test, by)(counts)
    return test


def latency(canary, stable=STABLE, edges=EDGES):
    return Counts(canary, stable, edges)


def test_nothing_seen_is_no_evidence_of_anything():
    for rule in (RATE, LATENCY, SCORE):
        test = fold(rule, [Counts()])
        assert test.logs.harm == pytest.approx(0)
        assert test.logs.crash in (pytest.approx(0), None)
        assert test.logs.safe <= 1e-9


def test_a_rate_above_its_margin_is_harmful_and_not_safe():
    test = fold(RATE, [Counts((100, 8), (300, 2))] * 10)
    assert test.logs.harm > 10
    assert test.logs.safe < 0


def test_a_rate_like_stables_is_safe_and_not_harmful():
    test = fold(RATE, [Counts((100, 0), (300, 1))] * 10)
    assert test.logs.harm < 0
    assert test.logs.safe > 3
    assert 0 < test.excess_rate(0.05) < 0.01


def test_the_warm_up_is_watched_for_a_crash_only():
    test = fold(RATE, [Counts((10, 10), (190, 1))] * 2, by="watch")
    assert test.logs.crash > 7
    assert test.logs.harm == pytest.approx(0)
    assert test.excess_rate(0.05) == 1


def test_a_cold_start_of_many_errors_is_no_crash():
    test = fold(RATE, [Counts((10, 2), (190, 1))] * 20, by="watch")
    assert test.logs.crash < 2


def test_what_a_wide_margin_allows_is_no_crash():
    wide = RateMargin(1.0, 0.9)
    test = fold(wide, [Counts((100, 80), (100, 1))] * 20, by="watch")
    assert test.logs.crash < 0


def test_stables_past_only_chooses_weights():
    learnt = fold(RATE, [Counts((0, 0), (1000, 5))], by="learn")
    assert learnt.logs.harm == pytest.approx(0)
    assert learnt.logs.safe == pytest.approx(0)
    after = [fold(RATE, [Counts((500, 2), (500, 2))], test=c) for c in (None, learnt)]
    assert after[1].logs.safe > after[0].logs.safe


def test_edges_are_chosen_from_the_past_and_stay():
    short = fold(LATENCY, [latency(NONE, tuple(n // 10 for n in STABLE))], by="learn")
    assert short.logs.safe == -math.inf
    learnt = fold(LATENCY, [latency(NONE)], by="learn")
    assert learnt.logs.safe == pytest.approx(0)
    later = fold(LATENCY, [latency(STABLE, STABLE[::-1])] * 3, test=learnt)
    assert later.capital.chosen == learnt.capital.chosen


def test_a_distribution_like_stables_is_safe_at_every_edge():
    learnt = fold(LATENCY, [latency(NONE)], by="learn")
    test = fold(LATENCY, [latency(STABLE)] * 3, test=learnt)
    assert test.logs.safe > 3
    assert test.logs.harm < 0


def test_a_slower_distribution_is_harmful_and_not_safe():
    learnt = fold(LATENCY, [latency(NONE)], by="learn")
    test = fold(LATENCY, [latency((10, 40, 200, 400, 250, 100))], test=learnt)
    assert test.logs.harm > 10
    assert test.logs.safe < 0


def test_a_score_is_bad_at_the_low_end():
    edges = (0.1, 0.2, 0.3, 0.4, 0.5, math.inf)
    past = (10, 40, 100, 250, 400, 200)
    learnt = fold(SCORE, [Counts(NONE, past, edges)], by="learn")
    worse = fold(SCORE, [Counts((200, 400, 250, 100, 40, 10), past, edges)], test=learnt)
    same = fold(SCORE, [Counts(past, past, edges)] * 3, test=learnt)
    assert worse.logs.harm > 10
    assert same.logs.safe > 3


def test_harm_bets_only_with_a_past():
    test = fold(LATENCY, [latency((0, 0, 0, 0, 0, 50))])
    assert test.logs.harm == 0


def test_coarse_buckets_are_diagnosed_not_rounded():
    evidence = Counts((1, 1, 1, 1), (1, 1, 1, 1), (50.0, 100.0, 200.0, math.inf))
    assert "coarser than the tolerance" in fold(LATENCY, [evidence]).problem


def test_a_tail_without_a_partner_edge_is_diagnosed():
    edges = (40.0, 50.0, 200.0, 400.0, 800.0, math.inf)
    test = fold(LATENCY, [latency(NONE, edges=edges)], by="learn")
    assert "tail" in test.problem


def test_a_changed_layout_is_diagnosed_and_changes_nothing_else():
    before = fold(LATENCY, [latency(STABLE)] * 2)
    after = fold(LATENCY, [latency(STABLE, edges=(1.0, *EDGES[1:]))], test=before)
    assert "layout changed" in after.problem
    assert after.logs.harm == before.logs.harm


def test_a_relative_tolerance_on_a_scale_with_zero_is_diagnosed():
    edges = (0.0, *EDGES[1:])
    test = fold(LATENCY, [latency(STABLE, edges=edges)] * 2)
    assert "positive" in test.problem
    assert test.logs.harm == 0


def test_only_a_rate_has_an_excess_and_only_a_histogram_edges_and_a_tolerance():
    rate, histogram = fold(RATE, [Counts((100, 1), (100, 1))]), fold(LATENCY, [latency(STABLE)] * 2)
    assert rate.excess_rate(0.05) is not None
    assert rate.tolerance is None
    assert rate.read_edges(0.01, 0.05) == ()
    assert histogram.excess_rate(0.05) is None
    assert histogram.tolerance == LATENCY
    assert len(histogram.read_edges(0.01, 0.05)) == len(histogram.capital.contrasts) > 0


def test_equal_histories_give_equal_capital():
    looks = [latency(STABLE), latency((1, 2, 3, 4, 5, 6))]
    assert fold(LATENCY, looks) == fold(LATENCY, looks)
    assert hash(fold(LATENCY, looks)) == hash(fold(LATENCY, looks))
