"""One metric's state machine."""

import math

import pytest

from analysis.counting.counts import Counts
from analysis.histograms import histogram
from analysis.verdict import guardrail
from analysis.verdict.guardrail import HistogramTolerance, RateMargin

RATE = RateMargin(1.0, 0.01)
LATENCY = HistogramTolerance(0.25, relative=True, worse="high")
SCORE = HistogramTolerance(0.1, relative=False, worse="low")
EDGES = (40.0, 50.0, 64.0, 80.0, 100.0, math.inf)
STABLE = (200, 400, 250, 100, 40, 10)
NONE = (0,) * 6


def fold(rule, looks, by=guardrail.look, capital=None):
    capital = capital or guardrail.start(rule)
    for evidence in looks:
        capital = by(rule, capital, evidence)
    return capital


def latency(canary, stable=STABLE, edges=EDGES):
    return Counts(canary, stable, edges)


def test_nothing_seen_is_no_evidence_of_anything():
    for rule in (RATE, LATENCY, SCORE):
        capital = fold(rule, [Counts()])
        assert guardrail.log_harm(rule, capital) == pytest.approx(0)
        assert guardrail.log_crash(rule, capital) == pytest.approx(0)
        assert guardrail.log_safe(rule, capital) <= 1e-9


def test_a_rate_above_its_margin_is_harmful_and_not_safe():
    capital = fold(RATE, [Counts((100, 8), (300, 2))] * 10)
    assert guardrail.log_harm(RATE, capital) > 10
    assert guardrail.log_safe(RATE, capital) < 0


def test_a_rate_like_stables_is_safe_and_not_harmful():
    capital = fold(RATE, [Counts((100, 0), (300, 1))] * 10)
    assert guardrail.log_harm(RATE, capital) < 0
    assert guardrail.log_safe(RATE, capital) > 3
    assert 0 < guardrail.excess_rate(RATE, capital, 0.05) < 0.01


def test_the_warm_up_is_watched_for_a_crash_only():
    capital = fold(RATE, [Counts((10, 10), (190, 1))] * 2, by=guardrail.watch)
    assert guardrail.log_crash(RATE, capital) > 7
    assert guardrail.log_harm(RATE, capital) == pytest.approx(0)
    assert guardrail.excess_rate(RATE, capital, 0.05) == 1


def test_a_cold_start_of_many_errors_is_no_crash():
    capital = fold(RATE, [Counts((10, 2), (190, 1))] * 20, by=guardrail.watch)
    assert guardrail.log_crash(RATE, capital) < 2


def test_what_a_wide_margin_allows_is_no_crash():
    wide = RateMargin(1.0, 0.9)
    capital = fold(wide, [Counts((100, 80), (100, 1))] * 20, by=guardrail.watch)
    assert guardrail.log_crash(wide, capital) < 0


def test_stables_past_only_chooses_weights():
    learnt = fold(RATE, [Counts((0, 0), (1000, 5))], by=guardrail.learn)
    assert guardrail.log_harm(RATE, learnt) == pytest.approx(0)
    assert guardrail.log_safe(RATE, learnt) == pytest.approx(0)
    after = [fold(RATE, [Counts((500, 2), (500, 2))], capital=c) for c in (None, learnt)]
    assert guardrail.log_safe(RATE, after[1]) > guardrail.log_safe(RATE, after[0])


def test_edges_are_chosen_from_the_past_and_stay():
    short = fold(LATENCY, [latency(NONE, tuple(n // 10 for n in STABLE))], by=guardrail.learn)
    assert guardrail.log_safe(LATENCY, short) == -math.inf
    learnt = fold(LATENCY, [latency(NONE)], by=guardrail.learn)
    assert guardrail.log_safe(LATENCY, learnt) == pytest.approx(0)
    later = fold(LATENCY, [latency(STABLE, STABLE[::-1])] * 3, capital=learnt)
    assert isinstance(learnt, histogram.ShapeCapital)
    assert isinstance(later, histogram.ShapeCapital)
    assert later.chosen == learnt.chosen


def test_a_distribution_like_stables_is_safe_at_every_edge():
    learnt = fold(LATENCY, [latency(NONE)], by=guardrail.learn)
    capital = fold(LATENCY, [latency(STABLE)] * 3, capital=learnt)
    assert guardrail.log_safe(LATENCY, capital) > 3
    assert guardrail.log_harm(LATENCY, capital) < 0


def test_a_slower_distribution_is_harmful_and_not_safe():
    learnt = fold(LATENCY, [latency(NONE)], by=guardrail.learn)
    capital = fold(LATENCY, [latency((10, 40, 200, 400, 250, 100))], capital=learnt)
    assert guardrail.log_harm(LATENCY, capital) > 10
    assert guardrail.log_safe(LATENCY, capital) < 0


def test_a_score_is_bad_at_the_low_end():
    edges = (0.1, 0.2, 0.3, 0.4, 0.5, math.inf)
    past = (10, 40, 100, 250, 400, 200)
    learnt = fold(SCORE, [Counts(NONE, past, edges)], by=guardrail.learn)
    worse = fold(SCORE, [Counts((200, 400, 250, 100, 40, 10), past, edges)], capital=learnt)
    same = fold(SCORE, [Counts(past, past, edges)] * 3, capital=learnt)
    assert guardrail.log_harm(SCORE, worse) > 10
    assert guardrail.log_safe(SCORE, same) > 3


def test_harm_bets_only_with_a_past():
    capital = fold(LATENCY, [latency((0, 0, 0, 0, 0, 50))])
    assert guardrail.log_harm(LATENCY, capital) == 0


def test_coarse_buckets_are_diagnosed_not_rounded():
    evidence = Counts((1, 1, 1, 1), (1, 1, 1, 1), (50.0, 100.0, 200.0, math.inf))
    assert "coarser than the tolerance" in guardrail.problem(fold(LATENCY, [evidence]))


def test_a_tail_without_a_partner_edge_is_diagnosed():
    edges = (40.0, 50.0, 200.0, 400.0, 800.0, math.inf)
    capital = fold(LATENCY, [latency(NONE, edges=edges)], by=guardrail.learn)
    assert "tail" in guardrail.problem(capital)


def test_a_changed_layout_is_diagnosed_and_changes_nothing_else():
    before = fold(LATENCY, [latency(STABLE)] * 2)
    after = fold(LATENCY, [latency(STABLE, edges=(1.0, *EDGES[1:]))], capital=before)
    assert "layout changed" in guardrail.problem(after)
    assert guardrail.log_harm(LATENCY, after) == guardrail.log_harm(LATENCY, before)


def test_a_relative_tolerance_on_a_scale_with_zero_is_diagnosed():
    edges = (0.0, *EDGES[1:])
    capital = fold(LATENCY, [latency(STABLE, edges=edges)] * 2)
    assert "positive" in guardrail.problem(capital)
    assert guardrail.log_harm(LATENCY, capital) == 0


def test_rule_and_capital_of_different_kinds_are_refused():
    for by in (guardrail.learn, guardrail.look):
        with pytest.raises(TypeError):
            by(LATENCY, guardrail.start(RATE), latency(STABLE))
    with pytest.raises(TypeError):
        guardrail.excess_rate(LATENCY, guardrail.start(LATENCY), 0.05)


def test_equal_histories_give_equal_capital():
    looks = [latency(STABLE), latency((1, 2, 3, 4, 5, 6))]
    assert fold(LATENCY, looks) == fold(LATENCY, looks)
    assert hash(fold(LATENCY, looks)) == hash(fold(LATENCY, looks))
