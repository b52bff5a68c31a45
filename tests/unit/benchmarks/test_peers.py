"""The peers' rules, held to what was measured on the peers themselves."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.peers import argo, flagger, kayenta, pooled
from benchmarks.peers.argo import (
    AnalysisStatus,
    ArgoMetric,
    assess,
    due,
    evaluate,
    measured,
    record,
)
from benchmarks.peers.rule import first, nth_worst, shares, windows
from benchmarks.worlds.rates import CountsModel, Streams


def alone(e_c, x_c):
    """Streams of one canary, stable unseen: (rollouts, looks)."""
    canary = (np.atleast_2d(e_c), np.atleast_2d(x_c))
    return Streams(*canary, *(np.zeros_like(arm) for arm in canary))


class TestFlagger:
    @pytest.mark.parametrize(
        ("per_second", "share", "promoted"),
        [
            (3 / 60, 0.0, 1 - 0.52),
            (1, 0.02, 0.88),
            (1, 0.05, 0.25),
            (5, 0.009, 1 - 0.23),
            (100, 0.009, 0.87),
        ],
    )
    def test_the_five_outcomes_of_the_tutorial(self, per_second, share, promoted):
        passing = [flagger.passing(per_second * 60 * w, share) for w in flagger.WEIGHTS]
        assert flagger.promotion(passing) == pytest.approx(promoted, abs=0.005)

    @pytest.mark.parametrize("p", [0.3, 0.7, 0.95])
    @pytest.mark.parametrize("threshold", [1, 5])
    def test_promotion_is_the_negative_binomial_sum(self, p, threshold):
        k = 5
        formula = sum(math.comb(k - 1 + f, f) * p**k * (1 - p) ** f for f in range(threshold))
        assert flagger.promotion([p] * k, threshold) == pytest.approx(formula, rel=1e-12)

    def test_a_played_rollout_agrees_with_the_formula(self):
        rng, p, runs = np.random.default_rng(1), 0.6, 20_000
        outcomes = rng.random((runs, 40)) < p
        passed, failed = outcomes.cumsum(axis=1), (~outcomes).cumsum(axis=1)
        promoted = first(passed >= 5) < first(failed >= 5)
        error = math.sqrt(0.25 / runs)
        assert promoted.mean() == pytest.approx(flagger.promotion([p] * 5), abs=4 * error)

    def test_failures_add_up_and_the_rollback_is_an_interval_late(self):
        bad = [0, 0, 5, 0, 0, 5, 5, 0, 5, 0, 0, 0, 5, 0, 0, 0]  # five bad minutes of eight
        streams = alone([10] * 16, bad)
        score = flagger.RULE.score(streams, 0.05)
        assert flagger.RULE.rolled_back(score, flagger.LIMIT, looks=16).tolist() == [16]
        assert flagger.RULE.rolled_back(score, flagger.LIMIT, looks=15).tolist() == [0]
        assert flagger.RULE.rolled_back(score, 0.3, looks=16).tolist() == [0]

    def test_no_requests_fail_a_check_and_the_limit_itself_passes(self):
        dead = flagger.RULE.score(alone([0] * 20, [0] * 20), 0.05)
        assert flagger.RULE.rolled_back(dead, flagger.LIMIT, 20).tolist() == [12]
        edge = flagger.RULE.score(alone([100] * 20, [1] * 20), 0.05)
        assert flagger.RULE.rolled_back(edge, flagger.LIMIT, 20).tolist() == [0]


class TestArgo:
    @pytest.mark.parametrize("outage", [20, 45, 60, 90, 130])
    @pytest.mark.parametrize("interval", [30, 60, 300])
    def test_an_outage_aborts_as_often_as_measured(self, outage, interval):
        metric = ArgoMetric(success=lambda value: value >= 0.95, interval=interval, failures=0)
        begins = 1000 + np.linspace(0, interval, 200, endpoint=False)
        aborted = []
        for begin in begins:
            answer = partial(broken, begin, begin + outage)
            aborted.append(measured(metric, answer, 3000).phase == "Error")
        expected = min(max((outage - 40) / interval, 0), 1)
        assert np.mean(aborted) == pytest.approx(expected, abs=1.5 / 200)

    def test_a_healthy_canary_of_few_requests_is_aborted_in_59_percent(self):
        rng, runs = np.random.default_rng(1), 4000
        e = rng.poisson(4, (runs, 34))
        bad, windows_seen = (windows(c, 5, 1)[:, 4:] for c in (rng.binomial(e, 0.01), e))
        failed = nth_worst(shares(bad, windows_seen, np.inf), 1) > argo.LIMIT
        assert failed.shape[1] == 30
        assert failed[:, -1].mean() == pytest.approx(0.59, abs=0.03)

    def test_a_threshold_never_catches_what_stays_under_it(self):
        world = CountsModel(rate=500, base=0.001, theta=30)  # 99.9 to 97 %
        streams = world.streams(np.random.default_rng(1), 20).arms()
        score = argo.RULE.score(streams, 0.05)
        assert not argo.RULE.rolled_back(score, argo.LIMIT, 240).any()

    def test_streams_end_as_the_state_machine_does(self):
        world = CountsModel(rate=1, base=0.035, looks=240)
        streams = world.streams(np.random.default_rng(2), 40).arms()
        fast = argo.RULE.rolled_back(argo.RULE.score(streams, 0.05), argo.LIMIT, 240)
        metric = ArgoMetric(lambda v: v >= 0.95, interval=300, delay=300, failures=argo.FAILURES)
        for run, look in enumerate(fast):
            status = measured(metric, partial(rate, streams, run), 7200)
            assert (status.phase == "Failed") == (look > 0)
            if look:
                assert status.last == ("Failed", look * 30)
        assert 0 < (fast > 0).mean() < 1

    def test_no_condition_is_success_and_nan_depends_on_the_side(self):
        nan = float("nan")
        assert evaluate(ArgoMetric(), 0.1) == "Successful"
        assert evaluate(ArgoMetric(success=lambda v: v >= 0.95), nan) == "Failed"
        assert evaluate(ArgoMetric(failure=lambda v: v < 0.95), nan) == "Successful"
        both = ArgoMetric(success=lambda v: v > 0.9, failure=lambda v: v < 0.5)
        assert [evaluate(both, v) for v in (0.95, 0.7, 0.1)] == [
            "Successful",
            "Inconclusive",
            "Failed",
        ]
        assert evaluate(both, None) == "Error"

    def test_terminated_before_it_was_measured_is_success(self):
        assert assess(ArgoMetric(interval=60), AnalysisStatus(), terminating=True) == "Successful"
        assert assess(ArgoMetric(interval=60), AnalysisStatus()) == "Pending"

    def test_failure_limit_three_means_four_failures(self):
        metric, status, phases = (
            ArgoMetric(lambda v: v > 1, interval=60, failures=3),
            AnalysisStatus(),
            [],
        )
        for now in range(4):
            status = record(status, evaluate(metric, 0), now)
            phases.append(assess(metric, status))
        assert phases == ["Running", "Running", "Running", "Failed"]

    def test_counts_complete_and_errors_retry_soon(self):
        metric = ArgoMetric(lambda v: v > 0, interval=60, count=2)
        measurement = record(AnalysisStatus(), "Successful", 100)
        assert (assess(metric, measurement), due(metric, measurement, 0)) == ("Running", 160)
        repeated = record(measurement, "Successful", 160)
        assert (assess(metric, repeated), due(metric, repeated, 0)) == ("Successful", None)
        assert due(metric, record(measurement, "Error", 160), 0) == 170
        row = replace(metric, successes_in_a_row=3)
        assert assess(row, repeated) == "Inconclusive"
        assert assess(replace(row, failures=-1), repeated) == "Failed"
        assert assess(replace(row, successes_in_a_row=2), repeated) == "Successful"


def broken(begin, end, at):
    """A good answer, none during the outage."""
    return None if begin <= at < end else 1.0


def rate(streams, run, at):
    """The success rate of the five minutes before, as Prometheus would answer."""
    looks = slice(int(at / 30) - 10, int(at / 30))
    exposures = streams.e_c[run, looks].sum()
    return 1 - streams.x_c[run, looks].sum() / exposures if exposures else float("nan")


class TestKayenta:
    def test_its_false_alarms_under_persistent_noise(self):
        rng, runs = np.random.default_rng(1), 1200
        noise = rng.normal(size=(2, runs, 60))
        for point in range(1, 60):
            noise[..., point] = 0.8 * noise[..., point - 1] + 0.6 * noise[..., point]
        width = kayenta.width()
        ends = range(10, 61, 10)
        looks = np.stack([self.either(noise[..., :end], width) for end in ends], axis=-1)
        error = math.sqrt(0.25 / runs)
        assert looks[:, 1].mean() == pytest.approx(0.28, abs=3 * error)  # 20 points, one look
        assert looks.any(axis=-1).mean() == pytest.approx(0.64, abs=3 * error)

    def either(self, noise, width):
        """High or Low: the mirror image is judged with the arms exchanged."""
        canary, baseline = noise
        high = kayenta.height(canary, baseline) > width
        return high | (kayenta.height(-canary, -baseline) > width)

    def test_independent_points_keep_the_interval_s_level(self):
        rng = np.random.default_rng(2)
        high = kayenta.height(*rng.normal(size=(2, 20_000, 30))) > kayenta.width()
        # Alone, the interval is above zero in 1 %; the quarter of |h| takes some of them away.
        assert 0 < high.mean() < 0.01

    def test_the_interval_is_scipy_s_test_turned_round(self):
        from scipy.stats import mannwhitneyu

        rng = np.random.default_rng(3)
        c, s = rng.normal(1, 1, 25), rng.normal(0, 1, 30)
        h = np.median(c[:, None] - s)
        moved = mannwhitneyu(
            c - 0.25 * h, s, alternative="greater", method="asymptotic", use_continuity=False
        )
        expected = (moved.statistic - 25 * 30 / 2) / math.sqrt(25 * 30 * 56 / 12)
        assert kayenta.height(c, s) == pytest.approx(expected)

    def test_judged_every_twenty_minutes_on_all_minutes_so_far(self):
        world = CountsModel(rate=500, theta=1.5)
        score = kayenta.score(world.streams(np.random.default_rng(4), 5).arms(), 0.05)
        assert score.shape == (5, 6)
        rolled = kayenta.RULE.rolled_back(score, kayenta.width(), 240)
        assert rolled.tolist() == [40] * 5


class TestPooled:
    def test_z_is_the_two_proportion_statistic(self):
        streams = Streams(*(np.array([[n]]) for n in (1000, 30, 2000, 40)))
        p = 70 / 3000
        expected = (0.03 - 0.02) / math.sqrt(p * (1 - p) * (1 / 1000 + 1 / 2000))
        assert pooled.z(streams, 0.05)[0, 0] == pytest.approx(expected)
        assert pooled.Z_TEST.limit(0.05) == pytest.approx(1.645, abs=1e-3)

    def test_peeking_breaks_the_z_test_and_not_the_sequence(self):
        world = CountsModel(rate=200, base=0.05, looks=240)
        streams = world.streams(np.random.default_rng(5), 400).arms()
        false = {
            rule: (rule.rolled_back(rule.score(streams, 0.05), rule.limit(0.05), 240) > 0).mean()
            for rule in (pooled.Z_TEST, pooled.GROWTHBOOK)
        }
        assert false[pooled.Z_TEST] > 0.2
        assert false[pooled.GROWTHBOOK] <= 0.05

    def test_pooling_over_a_ramp_with_incidents_is_wrong(self):
        streams = CountsModel("ramp", rate=500).streams(np.random.default_rng(6), 100).arms()
        score = pooled.GROWTHBOOK.score(streams, 0.05)
        assert (pooled.GROWTHBOOK.rolled_back(score, 1.0, 240) > 0).mean() > 0.3

    def test_nothing_seen_is_no_evidence(self):
        nothing = Streams(*(np.zeros((1, 3), dtype=np.int64),) * 4)
        assert not pooled.z(nothing, 0.05).any()
        assert not pooled.sequence(nothing, 0.05).any()
