"""The trade between harm and time, as it is written into a document."""

from benchmarks import ramp_paces
from benchmarks.quality.harm import RATES


def row(pace, rate, theta, **figures):
    return {"ramp": "fixed", "pace": pace, "rate": rate, "theta": theta, **figures}


def test_a_line_shows_harm_beside_time_and_hides_the_time_of_what_is_rarely_promoted():
    rows = [
        pace_row
        for pace in ramp_paces.PACES["fixed"]
        for rate in RATES
        for pace_row in (
            row(pace, rate, 1.0, excess=0.0, minutes=25.4, promoted=0.95 if rate < 100 else 0.5),
            row(pace, rate, 2.0, excess=13.26, minutes=9.0, promoted=0.0),
        )
    ]
    head, body = ramp_paces.shown("fixed", rows)
    assert head == ["bake", "5 rps", "20 rps", "100 rps", "500 rps"]
    assert body[0] == ["2m", "13.3 / 25", "13.3 / 25", "13.3 / -", "13.3 / -"]
    assert len(body) == len(ramp_paces.PACES["fixed"])
