"""Stable's figures from an observer's answer: rates, traffic, bucket shares, what is missing."""

import math
from dataclasses import replace

import pytest

from analysis.counting.cursor import Series
from rollout.ports import Answer
from rollout.rehearse.measure import measure
from tests.support.worlds import plan

NOW, PAST = 10_000.0, 1800.0
BETWEEN = (NOW - PAST, NOW - 900.0, NOW)


def counter(key, arm, *values, bad=False):
    samples = tuple((at, (float(v),)) for at, v in zip(BETWEEN, values, strict=True))
    return Series(key, arm, samples, bad=bad)


def histogram(*rows, edges=(10.0, 100.0, math.inf)):
    samples = tuple((at, tuple(map(float, row))) for at, row in zip(BETWEEN, rows, strict=True))
    return Series("h", "stable", samples, edges=edges)


ERRORS = (
    counter("200", "stable", 5000, 14_000, 22_820),
    counter("500", "stable", 70, 160, 250, bad=True),
)
LATENCY = (histogram((0, 50, 100), (500, 5000, 6000), (9000, 16_250, 18_100)),)
SCORES = (histogram((0, 0, 0), (10, 20, 20), (180, 900, 900), edges=(0.5, 1.0, math.inf)),)


class FixedSeries:
    """An observer that knows these series, up to the time it is asked at."""

    def __init__(self, problems=None, **series):
        self.series, self.problems, self.asked = series, problems or {}, []

    def observe(self, asks, now):
        self.asked.append((dict(asks[0].since), now))
        samples = {
            name: tuple(_until(one_series, now) for one_series in all_series)
            for name, all_series in self.series.items()
        }
        return {asks[0].rollout: Answer(samples, self.problems)}


def _until(series, now):
    return replace(series, samples=tuple(s for s in series.samples if s[0] <= now))


def test_figures_are_differences_over_the_time_asked_for():
    observer = FixedSeries(errors=ERRORS, latency=LATENCY, accuracy=SCORES)
    measured = measure(plan(), observer, NOW, PAST)
    figures = measured.figures
    assert not measured.problems
    assert figures.rate == pytest.approx((17_820 + 180) / PAST)
    assert figures.errors == pytest.approx(180 / 18_000)
    assert figures.latency_edges == (10.0, 100.0)
    assert figures.latency_shares == pytest.approx((0.5, 7200 / 18_000, 1800 / 18_000))
    assert figures.score_shares == pytest.approx((0.2, 0.8, 0.0))
    assert figures.labelled == pytest.approx(900 / 18_000)
    since = dict.fromkeys(["errors", "latency", "accuracy"], NOW - PAST)
    assert observer.asked == [({}, NOW - PAST), (since, NOW)]


def test_traffic_of_both_versions_is_the_service_s():
    canary = counter("200", "canary", 0, 900, 1800)
    figures = measure(plan(), FixedSeries(errors=(*ERRORS, canary)), NOW, PAST).figures
    assert figures.rate == pytest.approx(18_000 / PAST + 1)
    assert figures.errors == pytest.approx(180 / 18_000), "stable's alone"


def test_a_reset_is_counted_as_everywhere_else():
    restarted = counter("200", "stable", 5000, 6000, 500)
    figures = measure(plan(), FixedSeries(errors=(restarted,)), NOW, PAST).figures
    assert figures.rate == pytest.approx(1500 / PAST)


def test_no_error_in_this_time_is_not_never():
    calm = counter("200", "stable", 0, 1000, 2000)
    assert measure(plan(), FixedSeries(errors=(calm,)), NOW, PAST).figures.errors == 0.5 / 2000


def test_what_cannot_be_read_is_said_by_name():
    few = counter("200", "stable", 0, 10, 20)
    observer = FixedSeries({"latency": "Prometheus does not answer"}, errors=(few,))
    measured = measure(plan(), observer, NOW, PAST)
    assert measured.problems == {
        "latency": "Prometheus does not answer",
        "errors": "only 20 units of stable in that time",
        "accuracy": "no samples of stable at both ends of that time",
    }
    assert measured.figures.rate is None
    assert measured.figures.labelled is None


def test_errors_that_began_in_this_time_count_from_their_first():
    steady = counter("200", "stable", 0, 1000, 2000)
    born = Series("500", "stable", ((NOW - 900.0, (30.0,)), (NOW, (40.0,))), bad=True)
    figures = measure(plan(), FixedSeries(errors=(steady, born)), NOW, PAST).figures
    assert figures.errors == pytest.approx(40 / 2040)


class FreshSeries(FixedSeries):
    """The same, and of a look's time alone, as a server answers."""

    def observe(self, asks, now):
        (answer,) = super().observe(asks, now).values()
        series = {name: tuple(s for s in own if s.samples) for name, own in answer.series.items()}
        return {asks[0].rollout: Answer({n: s for n, s in series.items() if s}, answer.problems)}


def test_series_that_are_younger_than_the_time_asked_for_are_read_from_their_begin_on():
    begin = NOW - 200.0
    good = Series("200", "stable", ((begin, (1000.0,)), (NOW, (2000.0,))))
    bad = Series("500", "stable", ((begin, (10.0,)), (NOW, (20.0,))), bad=True)
    observer = FreshSeries(errors=(good, bad))
    measured = measure(plan(), observer, NOW, PAST)
    assert measured.figures.rate == pytest.approx(1010 / 200)
    assert measured.figures.errors == pytest.approx(10 / 1010)
    assert "errors" not in measured.problems
    assert "accuracy" in measured.problems
    assert [at for _, at in observer.asked] == [NOW - PAST, NOW, begin, NOW]


def test_units_without_a_label_blind_however_young_their_series_are():
    bare = Series("", "stable", ((NOW, (1000.0,)),), unlabelled=True)
    measured = measure(plan(), FreshSeries(errors=(bare,)), NOW, PAST)
    assert "have no label" in measured.problems["errors"]
    assert "errors" in measured.unread
