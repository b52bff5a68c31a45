"""The picture of operating characteristics shows every world, outcome and time."""

import pytest

from analysis.charts.operating_characteristics import characteristics
from rollout.plan.fields.units import duration

OUTCOMES = {"promoted": [0.98, 0.0], "rolled back": [0.02, 0.7], "stuck": [0.0, 0.3]}


@pytest.fixture
def axes():
    times = [(600.0, 1200.0, 1800.0), (0.0, 90.0, 90.0)]
    return characteristics(["same", "bad *"], OUTCOMES, times, duration, "plan").axes


def test_bars_are_the_shares_and_add_up(axes):
    widths = [[round(patch.get_width()) for patch in group] for group in axes[0].containers]
    assert widths == [[98, 0], [2, 70], [0, 30]]
    assert [text.get_text() for text in axes[0].texts] == ["98", "", "", "70", "", "30"]


def test_worlds_stand_from_the_top_with_their_median_times(axes):
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["same", "bad *"]
    low, high = axes[0].get_ylim()
    assert low > high
    assert [text.get_text() for text in axes[1].texts] == ["20m", "1m30s"]


def test_a_decision_at_once_can_be_drawn(axes):
    assert axes[1].get_xlim()[0] > 0
