"""Judge and people together: against a computation by single answers, and at its edges."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.rates.prediction_powered import JointTable, PoweredShare, estimate_share


def estimate(table: JointTable, scored: int, bad: int) -> PoweredShare:
    """The estimate of a table that has enough labels."""
    powered = estimate_share(table, scored, bad)
    assert powered is not None
    return powered


TABLES = [JointTable(12, 5, 7, 176), JointTable(30, 40, 2, 28), JointTable(3, 0, 0, 97)]


def compute_by_answers(table, scored, scored_bad):
    """PPI++ for a mean, from arrays of single answers (arXiv 2311.01453, algorithm 1)."""
    y = np.repeat([1, 0, 1, 0], [table.both_bad, table.judge_bad, table.human_bad, table.both_good])
    f = np.repeat([1, 1, 0, 0], [table.both_bad, table.judge_bad, table.human_bad, table.both_good])
    others = np.repeat([1, 0], [scored_bad, scored - scored_bad])
    n, more = len(y), len(others)
    every = np.concatenate([f, others])
    weight = np.cov(y, f, bias=True)[0, 1] / ((1 + n / more) * every.var())
    weight = min(max(weight, 0.0), 1.0)
    share = weight * others.mean() + (y - weight * f).mean()
    return share, weight**2 * every.var() / more + (y - weight * f).var() / n, weight


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(("scored", "bad"), [(5000, 450), (50, 6)])
def test_it_is_what_single_answers_give(table, scored, bad):
    powered = estimate(table, scored, bad)
    share, variance, weight = compute_by_answers(table, scored, bad)
    assert powered.share == pytest.approx(min(max(share, 0.0), 1.0), rel=1e-9)
    assert powered.weight == pytest.approx(weight, rel=1e-9)
    if variance > 1e-12:
        assert powered.variance == pytest.approx(variance, rel=1e-9)
    low, high = powered.bound(0.05)
    assert 0 <= low <= powered.share <= high <= 1


def test_a_judge_that_knows_helps_and_one_that_knows_nothing_does_not():
    good = estimate(JointTable(48, 2, 2, 348), 20_000, 2500)
    random = estimate(JointTable(6, 44, 44, 306), 20_000, 2500)
    alone = estimate(JointTable(50, 0, 0, 350), 0, 0)
    assert good.variance < 0.5 * alone.variance
    assert random.variance == pytest.approx(alone.variance, rel=0.05)


def test_its_interval_covers_the_truth():
    dice, missed = np.random.default_rng(2), 0
    for _ in range(600):
        y = dice.random(4000) < 0.15
        f = np.where(dice.random(4000) < 0.85, y, ~y)  # a judge that is biased
        y, f, others = y[:300], f[:300], f[300:]
        table = JointTable(
            int((y & f).sum()), int((~y & f).sum()), int((y & ~f).sum()), int((~y & ~f).sum())
        )
        low, high = estimate(table, len(others), int(others.sum())).bound(0.05)
        missed += not low <= 0.15 <= high
    assert missed <= 600 * 0.05 + 3 * np.sqrt(600 * 0.05)


def test_agreement_and_kappa():
    """Cohen's example by hand: p_o = .7, p_e = .5."""
    table = JointTable(both_bad=20, judge_bad=5, human_bad=10, both_good=15)
    assert table.agreement == pytest.approx(0.7)
    assert table.kappa == pytest.approx(0.4)
    alike = JointTable(both_good=50)
    assert alike.agreement == 1
    assert alike.kappa is None


@pytest.mark.parametrize("table", [JointTable(), JointTable(both_good=1)])
def test_too_few_labels_give_nothing(table):
    assert estimate_share(table, 100, 5) is None


@pytest.mark.parametrize("table", [JointTable(both_good=40), JointTable(both_bad=40)])
def test_labels_that_are_all_alike_have_an_error(table):
    powered = estimate(table, 1000, 20)
    low, high = powered.bound(0.05)
    assert high - low > 0.02
