"""Is the canary better? Superiority on the recorded counts."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.rates.risk_difference import Contrast, Units, compared, interval, log_safe
from rollout.errors import InputError
from rollout.experiment.experiment import Experiment
from rollout.experiment.tables.uplift import _weigh
from rollout.review.history import history
from rollout.simulate import Behaviour
from tests.support.worlds import Lab


def draw_looks(dice, p_c, p_s, looks=30, units=(200, 200)):
    """Looks of a base rate that moves for both, and of a weight that climbs."""
    for number in range(looks):
        swing = 1 + 0.5 * np.sin(number / 5)
        e_c, e_s = units[0] * (1 + number % 4), units[1]
        bad = dice.binomial([e_c, e_s], [min(p_c * swing, 1), min(p_s * swing, 1)])
        yield Counts((e_c, int(bad[0])), (e_s, int(bad[1])))


def test_the_bets_are_those_of_the_excess_bound():
    """An independent computation, look by look, by the contrast that guardrails use."""
    counts = [*draw_looks(np.random.default_rng(1), 0.02, 0.05)]
    contrast = Contrast()
    for own in counts:
        (e_c, x_c), (e_s, x_s) = own.canary, own.stable
        contrast = compared(contrast, Units(e_c, e_s, x_c, x_s, x_s))
    looks = _weigh(counts, None)
    assert looks is not None
    assert looks.log_better() == pytest.approx(log_safe(contrast), rel=1e-9)
    low, high = interval(contrast, 0.025, 0.025)
    assert contrast.difference is not None
    assert low < contrast.difference < high < 0


@pytest.mark.parametrize("p", [0.01, 0.2])
def test_of_equal_versions_few_are_ever_called_better_or_worse(p):
    """400 rollouts of 30 looks, asked after every fifth: at most .05 may conclude (seed 11)."""
    dice, wrong, runs, bar = np.random.default_rng(11), 0, 400, np.log(2 / 0.05)
    for _ in range(runs):
        counts = [*draw_looks(dice, p, p)]
        asked = [_weigh(counts[:end], None) for end in range(5, 31, 5)]
        wrong += any(max(own.log_better(), own.log_worse()) >= bar for own in asked if own)
    assert wrong / runs <= 0.05


def test_the_interval_of_the_ratio_covers_it():
    """200 rollouts at a true ratio of a half: at most .05 of the intervals may miss it (seed 5)."""
    from rollout.experiment.tables.uplift import _build_row

    dice, missed, runs = np.random.default_rng(5), 0, 200
    for _ in range(runs):
        looks = _weigh([*draw_looks(dice, 0.05, 0.1)], None)
        assert looks is not None
        row = _build_row("errors", "share", looks, 0.05)
        high = np.inf if row.change_high is None else row.change_high
        missed += not (row.change_low or -1.0) <= -0.5 <= high
        assert row.low <= row.difference <= row.high
    assert missed / runs <= 0.05


def test_a_better_version_is_called_better_and_a_worse_one_worse(bad):
    better = Lab(Behaviour(errors=0.0, tail_share=0.0, score=0.9), rate=400.0)
    better.run()
    frame = Experiment(history(better.entries)).uplift()
    assert "better" in set(frame["conclusion"])
    assert "worse" not in set(frame["conclusion"])
    assert "worse" in set(bad.uplift()["conclusion"])


def test_corrected_evidence_is_never_more_than_the_raw(any_experiment):
    frame = any_experiment.uplift()
    assert (frame["better_of_all"] <= frame["better"] + 1e-9).all()
    assert (frame["worse_of_all"] <= frame["worse"] + 1e-9).all()


@pytest.mark.parametrize("level", [0, 1, -0.1, 5, "5%", None])
def test_a_level_is_a_chance(good, level):
    with pytest.raises(InputError, match="above 0 and below 1"):
        good.uplift(level)
