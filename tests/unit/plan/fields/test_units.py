"""Quantities as people write them."""

import pytest

from rollout.plan.fields.units import duration, percent, seconds, share, share_or_number


@pytest.mark.parametrize(
    ("text", "value"),
    [("30s", 30), ("1m30s", 90), ("24h", 86400), ("1.5m", 90), ("250ms", 0.25), (" 2d ", 172800)],
)
def test_durations(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("value", [30, 30.0, None, True, "30", "s", "-1s", "1 s", "1s2", "²s", ""])
def test_a_duration_needs_its_unit(value):
    with pytest.raises(ValueError, match="with its unit: 30s, 2m or 24h"):
        seconds(value)


@pytest.mark.parametrize("text", ["10001d", f"{'9' * 400}s"])
def test_a_duration_has_an_end(text):
    with pytest.raises(ValueError, match="at most 10000d"):
        seconds(text)


def test_a_percentage_is_its_number_to_the_last_bit():
    for thousandths in range(1000):
        assert share(f"{thousandths / 10}%") == thousandths / 1000


@pytest.mark.parametrize("value", [5, 0.05, "5", "%", "-5%", "5%%", "1e2%", None, True])
def test_a_percentage_needs_its_sign(value):
    with pytest.raises(ValueError, match="write a percentage with its sign"):
        share(value)


def test_either_a_percentage_or_a_number():
    assert share_or_number("10%") == share_or_number(0.1)
    assert str(share_or_number(-0.0)) == "0.0"


@pytest.mark.parametrize("value", [True, "0.1", None, [], float("nan"), float("inf"), 10**400])
def test_neither(value):
    with pytest.raises(ValueError, match="10%"):
        share_or_number(value)


def test_for_people():
    assert percent(0.001) == "0.1 %"
    assert [duration(value) for value in (0, 0.25, 90, 86400)] == ["0s", "250ms", "1m30s", "1d"]
