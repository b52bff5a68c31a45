"""What the history of stable's pods says, and when it says that no test is valid."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from analysis.counting.counts import Counts, EvidenceError
from analysis.dispersion import tempering
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import LEAST_TICKS, ExposureHistory, estimate
from analysis.dispersion.histogram import estimate_shape
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates.rate import RateMargin
from analysis.verdict.verdict import Guarded, judge
from benchmarks.worlds.rates import CountsModel
from tests.support.counts import start


def learnt(scenario, rate=20.0, base=0.05, runs=12, pods=8, **world):
    """Medians over rollouts of what `estimate` says."""
    model = CountsModel(scenario, rate, base, pods_stable=pods, **world)
    e, x = model.history(np.random.default_rng(31), runs)
    dispersions = [estimate(ExposureHistory(e[i], x[i]), 2) for i in range(runs)]
    names = ("cluster", "brief", "passing", "lasting", "inflation", "block", "pods_stable")
    return {name: float(np.median([getattr(d, name) for d in dispersions])) for name in names}


def test_independent_requests_show_no_dispersion():
    dispersions = learnt("iid")
    assert dispersions["cluster"] < 1.02
    assert dispersions["inflation"] < 1.1
    assert dispersions["brief"] + dispersions["passing"] + dispersions["lasting"] < 0.06
    assert dispersions["pods_stable"] == 8


def test_a_common_incident_is_no_dispersion():
    assert learnt("incidents")["inflation"] < 1.1


def test_retries_come_in_clusters():
    """Geometric with mean 5: E[K^2] / E[K] = 9."""
    assert 7 < learnt("retries", base=0.01)["cluster"] < 10


def test_what_differs_from_tick_to_tick_is_brief():
    dispersions = learnt("pod-gamma", rate=500)
    assert 0.2 < dispersions["brief"] < 0.3
    assert dispersions["passing"] < 0.05
    assert dispersions["block"] == 1


def test_what_lasts_for_ticks_is_passing():
    """AR(1) of .9 with variance e^(.3^2) - 1 of the rate: long run about 19 times it."""
    dispersions = learnt("pod-ar1", rate=500)
    assert 0.08 < dispersions["brief"] < 0.11
    assert 1 < dispersions["passing"] < 1.9
    assert 5 < dispersions["block"] < 12


def test_what_stays_is_lasting_and_few_pods_say_it_with_less_certainty():
    many, few = (learnt("pods-.3", runs=40, pods=pods)["lasting"] for pods in (30, 4))
    assert 0.07 < many < 0.12
    assert few > 2 * many


def test_a_few_bad_units_are_no_proof_of_independence():
    """Nine units: what the tests assume lies between what was seen and the prior's clusters."""
    assert 2 < learnt("iid", rate=0.2, base=0.001)["cluster"] < 7


def history(ticks=1440, pods=8, sd=0.0):
    rng = np.random.default_rng(32)
    e = rng.poisson(100, (ticks, pods))
    return ExposureHistory(e, rng.binomial(e, 0.05 * np.exp(sd * rng.standard_normal(pods))))


@pytest.mark.parametrize(
    ("past", "pods", "words"),
    [
        (history(ticks=100), 2, "a history of 100 ticks, 480 are needed"),
        (history(pods=1), 2, "stable has one pod"),
        (ExposureHistory(np.zeros((480, 3)), np.zeros((480, 3))), 2, "no exposures"),
        (history(sd=0.3), 1, "give the canary two pods"),
        (ExposureHistory(np.zeros((0, 3)), np.zeros((0, 3))), 2, "a history of 0 ticks"),
    ],
)
def test_where_no_test_is_valid_it_says_so(past, pods, words):
    assert words in estimate(past, pods).problem


def test_one_canary_pod_is_enough_where_pods_are_alike_or_many():
    assert estimate(history(), 1).problem == ""
    assert estimate(history(sd=0.3, pods=100, ticks=480), 1).problem == ""


@pytest.mark.parametrize(
    ("e", "x", "words"),
    [
        ([[5, 5]], [[1]], "one shape"),
        ([5, 5], [1, 1], "one shape"),
        ([[5.5, 5]], [[1, 1]], "not a whole number"),
        ([[np.nan, 5]], [[1, 1]], "not a whole number"),
        ([[np.inf, 5]], [[1, 1]], "not a whole number"),
        ([[5, 5]], [[-1, 1]], "negative"),
        ([[5, 5]], [[6, 1]], "more bad units than exposures"),
    ],
)
def test_what_is_no_history_is_refused(e, x, words):
    with pytest.raises(EvidenceError, match=words):
        estimate(ExposureHistory(e, x), 2)


def test_a_canary_without_pods_is_refused():
    with pytest.raises(ValueError, match="at least one pod"):
        estimate(history(), 0)
    with pytest.raises(EvidenceError, match="ticks, pods, buckets"):
        estimate_shape(np.zeros((500, 4)), "high", 2)


def test_it_survives_huge_counts_and_json():
    e = np.full((480, 4), 10**12)
    dispersions = estimate(ExposureHistory(e, e // np.array([2, 3, 4, 5])), 2)
    assert Dispersion(**json.loads(json.dumps(asdict(dispersions)))) == dispersions


def test_a_histograms_dispersion_is_in_probits():
    """Pods shifted by .2 standard deviations: variance .04, widened for 40 pods by nothing."""
    from scipy.special import ndtr

    rng = np.random.default_rng(33)
    cuts = np.linspace(-2, 2, 9)
    shift = 0.2 * rng.standard_normal(40)
    shares = np.diff(ndtr(cuts - shift[:, None]), axis=1, prepend=0, append=1)
    counts = rng.multinomial(100, np.broadcast_to(shares, (480, 40, 10)))
    high, low = estimate_shape(counts, "high", 2), estimate_shape(counts[..., ::-1], "low", 2)
    assert 0.025 < high.lasting < 0.06
    assert low == high


UNKNOWN = Dispersion(problem="no pod history")


LATENCY = HistogramTolerance(0.1, relative=True, worse="high", dispersion=UNKNOWN)


@pytest.mark.parametrize("rule", [RateMargin(1.0, 0.01, UNKNOWN), LATENCY])
def test_under_a_dispersion_without_a_test_nothing_is_bet_and_the_verdict_says_why(rule):
    edges = (10.0, 11.0, np.inf) if isinstance(rule, HistogramTolerance) else ()
    bad, good = ((0, 0, 900), (900, 90, 10)) if edges else ((1000, 900), (1000, 10))
    test = start(rule).learn(Counts((0,) * len(good), good, edges))
    for _ in range(5):
        test = test.update(Counts(bad, good, edges))
    judgement = judge({"it": Guarded(test, 1.0)}, 0.01, 0.05)
    assert judgement.verdicts["it"].kind == "blind"
    assert judgement.verdicts["it"].reason == "no pod history"
    assert not judgement.harmful


def test_a_verdict_says_what_it_rests_on():
    rule = RateMargin(1.0, 0.01)
    for margin, words in ((rule, "if requests are independent"),
                       (replace(rule, dispersion=Dispersion()), "though pods differ")):  # fmt: skip
        test = start(margin).update(Counts((1000, 200), (1000, 10)))
        judgement = judge({"it": Guarded(test, 1.0)}, 0.01, 0.05)
        assert judgement.verdicts["it"].reason == f"worse than its margin allows, {words}"


def test_independent_requests_are_not_tempered():
    noise = tempering.noise(Dispersion())
    assert tempering.inflation(noise, [0, 1, 10**12], 0.5).tolist() == [1, 1, 1]
    assert tempering.total(noise, 1e9) == 1


def test_no_look_weighs_more_than_its_clusters_and_pods_allow():
    noise = tempering.noise(
        Dispersion(cluster=9, brief=0.1, passing=0.4, pods_canary=2, pods_stable=8)
    )
    assert tempering.inflation(noise, [1, 4, 9], 0.0).tolist() == [1, 4, 9]
    n = 10.0**9
    look_weight = n * 0.25 / tempering.inflation(noise, n, 0.5)
    assert look_weight == pytest.approx(1 / (0.5 * 0.625), rel=1e-6)


def worse_for_a_while(past, begin, looks, factor=3):
    """One pod of the past is worse from `begin` on."""
    bad = past.bad.copy()
    bad[begin : begin + looks, 0] *= factor
    return replace(past, bad=np.minimum(bad, past.exposures))


@pytest.mark.parametrize("begin", [0, 300, 620, 1100])
def test_one_bad_spell_of_one_pod_does_not_last_wherever_it_is(begin):
    """Two of twelve hours, thrice the errors: as a lasting difference a canary pod of one had no
    test, and two canary pods lost most of their power.
    """
    spoilt = estimate(worse_for_a_while(history(), begin, 240), 1)
    assert not spoilt.problem
    assert spoilt.lasting < 0.001
    assert spoilt.passing > 1, "it counts as what passes"


@pytest.mark.parametrize("sd", [0.1, 0.3])
def test_what_lasts_is_known_beside_a_bad_spell(sd):
    past = history(sd=sd)
    alone, beside = estimate(past, 1), estimate(worse_for_a_while(past, 300, 240), 1)
    assert alone.problem
    assert beside.problem
    assert beside.lasting > 0.5 * alone.lasting


def test_a_pod_that_is_bad_throughout_lasts():
    assert estimate(worse_for_a_while(history(), 0, 1440), 1).problem


def test_differences_are_learnt_with_whole_windows_only():
    past = history(ticks=LEAST_TICKS + 7)
    assert estimate(past, 2).ticks == LEAST_TICKS + 7


def test_pods_that_live_at_different_times_do_not_differ_where_the_rate_of_all_changes():
    """Autoscaled by day, when all pods have more errors, or replaced every few hours."""
    dice = np.random.default_rng(5)
    ticks, hour = 1440, np.arange(1440) // 240
    exposures = np.zeros((ticks, 18))
    for pod in range(18):
        exposures[hour == pod // 3, pod] = 50
    rate = 0.01 * np.array([0.5, 2.0, 0.7, 1.5, 0.4, 1.0])[hour][:, None]
    bad = dice.binomial(exposures.astype(int), np.broadcast_to(rate, exposures.shape))
    learned = estimate(ExposureHistory(exposures, bad), 1)
    assert not learned.problem
    assert learned.lasting < 0.02
    of_pods = np.exp(0.5 * dice.standard_normal(18))
    bad = dice.binomial(exposures.astype(int), rate * of_pods)
    assert estimate(ExposureHistory(exposures, bad), 2).lasting > 0.1
