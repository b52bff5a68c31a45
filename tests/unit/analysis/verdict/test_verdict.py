"""Verdicts, the joint mean and what people see."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.counting.counts import Counts
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates.rate import RateMargin
from analysis.verdict.histogram_test import HistogramTest
from analysis.verdict.rate_test import RateTest
from analysis.verdict.verdict import Guarded, judge

RATE = RateMargin(1.0, 0.01)
LATENCY = HistogramTolerance(0.25, relative=True, worse="high")
EDGES = (40.0, 50.0, 64.0, 80.0, 100.0, math.inf)
STABLE = (200, 400, 250, 100, 40, 10)


def rate(canary, stable, looks, by=RateTest.update, margin=RATE):
    test = RateTest(margin)
    for _ in range(looks):
        test = by(test, Counts(canary, stable))
    return Guarded(test, 1.0)


def latency(canary, looks):
    test = HistogramTest(LATENCY).learn(Counts((0,) * 6, STABLE, EDGES))
    for _ in range(looks):
        test = test.update(Counts(canary, STABLE, EDGES))
    return Guarded(test, 1.0)


GOOD = rate((100, 0), (300, 1), 20)
BAD = rate((100, 8), (300, 2), 10)


def test_safe_is_every_guardrail_proven():
    judgement = judge({"errors": GOOD, "latency": latency(STABLE, 3)}, 0.01, 0.05)
    assert judgement.safe
    assert not judgement.harmful
    assert judgement.cause == ()


def test_one_unproven_guardrail_is_not_safe():
    judgement = judge({"errors": GOOD, "latency": latency(STABLE, 0)}, 0.01, 0.05)
    assert not judgement.safe
    assert judgement.verdicts["latency"].kind == "undecided"


def test_a_guardrail_that_crosses_alone_is_the_cause():
    judgement = judge({"errors": BAD, "latency": latency(STABLE, 3)}, 0.01, 0.05)
    assert judgement.harmful
    assert judgement.cause == ("errors",)
    assert judgement.verdicts["errors"].kind == "harmful"


def test_many_that_cross_only_together_are_joint():
    almost = rate((100, 4), (300, 1), 4)
    together = judge({str(i): almost for i in range(6)}, 0.01, 0.05)
    assert together.cause == ("joint",)
    assert {verdict.kind for verdict in together.verdicts.values()} == {"undecided"}


def test_a_dead_canary_in_the_warm_up_is_a_crash():
    judgement = judge({"errors": rate((20, 20), (180, 1), 2, by=RateTest.watch)}, 0.01, 0.05)
    assert judgement.cause == ("crash",)


def test_importance_moves_the_mean_towards_a_metric():
    heavy = Guarded(BAD.test, 10.0)
    light = judge({"errors": BAD, "latency": latency(STABLE, 3)}, 0.01, 0.05).log_joint
    assert judge({"errors": heavy, "latency": latency(STABLE, 3)}, 0.01, 0.05).log_joint > light


def test_a_blind_metric_is_never_safe_and_keeps_its_capital():
    judgement = judge({"errors": Guarded(GOOD.test, 1, "no samples")}, 0.01, 0.05)
    assert judgement.verdicts["errors"].kind == "blind"
    assert judgement.verdicts["errors"].reason == "no samples"
    assert not judgement.safe
    unblinded = judge({"errors": GOOD}, 0.01, 0.05)
    assert judgement.log_joint == unblinded.log_joint


def test_harm_once_shown_does_not_hide_behind_blindness():
    judgement = judge({"errors": Guarded(BAD.test, 1, "no samples")}, 0.01, 0.05)
    assert judgement.harmful
    assert judgement.verdicts["errors"].kind == "harmful"


def test_coarse_buckets_are_blind_with_their_reason():
    coarse = Counts((9, 9, 9), (99, 99, 99), (50.0, 100.0, math.inf))
    judgement = judge({"latency": Guarded(HistogramTest(LATENCY).update(coarse), 1)}, 0.01, 0.05)
    assert judgement.verdicts["latency"].kind == "blind"
    assert "coarser" in judgement.verdicts["latency"].reason


def test_nothing_guarded_is_refused():
    with pytest.raises(ValueError, match="nothing"):
        judge({}, 0.01, 0.05)


@pytest.mark.parametrize("guarded", [GOOD, BAD, latency(STABLE, 3), latency(STABLE, 0)])
def test_a_readout_is_plain_json(guarded):
    readout = judge({"it": guarded}, 0.01, 0.05).readouts["it"]
    assert json.loads(json.dumps(asdict(readout), allow_nan=False)) == asdict(readout)


def test_the_readout_is_that_of_the_edge_furthest_from_its_proof():
    guarded = latency(STABLE, 3)
    readout = judge({"it": guarded}, 0.01, 0.05).readouts["it"]
    edges = guarded.test.read_edges(0.01, 0.05)
    assert len({edge.edge for edge in edges}) == len(edges) > 1
    assert min(edge.safe or 0.0 for edge in edges) == readout.safe
    assert replace(readout, harm=0.0) in edges


def test_parts_and_crash_watch_add_up_to_the_joint_evidence():
    judgement = judge({"errors": BAD, "latency": latency(STABLE, 3)}, 0.01, 0.05)
    assert judgement.log_crash is not None
    parts = [*judgement.log_parts.values(), judgement.log_crash]
    assert judgement.log_joint == pytest.approx(float(np.logaddexp.reduce(parts)))
    assert judge({"latency": latency(STABLE, 3)}, 0.01, 0.05).log_crash is None


def test_before_any_look_a_readout_says_that_it_does_not_know():
    readout = judge({"errors": rate((0, 0), (0, 0), 0)}, 0.01, 0.05).readouts["errors"]
    assert readout.estimate is readout.low is readout.high is readout.allowed is None
    assert readout.harm == 0


def test_safe_in_a_readout_is_high_below_allowed():
    for looks in range(1, 20):
        readout = judge({"errors": rate((100, 0), (300, 1), looks)}, 0.01, 0.05).readouts["errors"]
        assert readout.safe is not None
        assert readout.high is not None
        assert readout.allowed == 0.01
        assert (readout.safe >= 1) == (readout.high <= readout.allowed)


def test_a_ratio_is_shown_as_the_difference_that_it_allows():
    margin = RateMargin(1.5, 0.002)
    readout = judge({"e": rate((100, 2), (300, 6), 30, margin=margin)}, 0.01, 0.05).readouts["e"]
    assert readout.allowed == pytest.approx(0.002 + 0.5 * 0.02)
    assert readout.estimate == pytest.approx(0)
    assert readout.low is not None
    assert readout.high is not None
    assert readout.low < 0 < readout.high


def test_estimates_are_stratified_by_look_so_a_ramp_with_incidents_does_not_fool_them():
    test = RateTest(RATE)
    for counts in (Counts((50, 5), (950, 95)), Counts((500, 1), (500, 1))):
        test = test.update(counts)
    readout = judge({"errors": Guarded(test, 1)}, 0.01, 0.05).readouts["errors"]
    assert readout.mantel_haenszel == pytest.approx(0)
    assert readout.estimate == pytest.approx(0)


def test_a_histogram_is_read_at_its_least_proven_edge():
    readout = judge({"latency": latency(STABLE, 3)}, 0.01, 0.05).readouts["latency"]
    assert readout.edge is not None
    assert readout.high is not None
    assert readout.allowed is not None
    assert readout.partner == pytest.approx(readout.edge / 1.25)
    assert readout.words == f"share above {readout.edge:g}"
    assert readout.canary == 3000
    assert readout.high < readout.allowed


@given(
    importances=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=4),
    segments=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    has_crash_watch=st.booleans(),
)
def test_with_segments_all_weights_still_sum_to_one(importances, segments, has_crash_watch):
    """So the mean starts at one and stays an e-process: alpha holds with any number of parts."""
    fresh = RateTest(RATE, has_crash_watch=has_crash_watch)
    guards = {str(n): Guarded(fresh, own) for n, own in enumerate(importances)}
    parts = {
        f"{name}[{number}]": Guarded(fresh, guards[name].importance, of=name)
        for name, count in zip(guards, segments, strict=False)
        for number in range(count)
    }
    judgement = judge(guards, 0.01, 0.05, parts)
    assert judgement.log_joint == pytest.approx(0.0, abs=1e-9)
    for name in guards:
        whole = judge(guards, 0.01, 0.05).log_parts[name]
        own = [log for key, log in judgement.log_parts.items() if key.split("[")[0] == name]
        assert math.log(sum(map(math.exp, own))) == pytest.approx(whole)


def test_harm_to_a_part_is_harm_and_no_proof_is_asked_of_it():
    parts = {
        "errors[a]": replace(BAD, of="errors"),
        "errors[b]": Guarded(RateTest(RATE), 1.0, of="errors"),
    }
    judgement = judge({"errors": GOOD}, 0.01, 0.05, parts)
    assert judgement.cause == ("errors[a]",)
    assert judgement.safe
    assert judgement.verdicts.keys() == {"errors"}
    assert judgement.segment_verdicts["errors[b]"].kind == "undecided"
