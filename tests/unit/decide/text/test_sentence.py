"""Sentences: what error rates rest on, and what buckets make of a tolerance."""

from dataclasses import replace

import pytest

from analysis.dispersion.estimate import Dispersion
from analysis.histograms.alternatives import HistogramTolerance
from analysis.verdict.readout import Readout
from rollout.decide.fold import fold
from rollout.decide.record.facts import Learned, Started
from rollout.decide.text.measurement import off_edge
from rollout.decide.text.sentence import rests_on
from tests.support.pods import pods_plan

LATENCY = HistogramTolerance(0.25, relative=True, worse="high")
SCORE = HistogramTolerance(0.04, relative=False, worse="low")


@pytest.mark.parametrize(
    ("tolerance", "edge", "partner", "words"),
    [
        (LATENCY, 125.0, 100.0, ""),
        (LATENCY, 120.0, 100.0, "no bucket edge lies 25 % from 120: 20 % must be proven"),
        (LATENCY, 124.9, 100.0, ""),
        (SCORE, 0.5, 0.54, ""),
        (SCORE, 0.5, 0.53, "no bucket edge lies 0.04 from 0.5: 0.03 must be proven"),
        (LATENCY, None, None, ""),
        (None, 1.0, 2.0, ""),
    ],
)
def test_a_tolerance_off_the_edges_is_told(tolerance, edge, partner, words):
    assert off_edge(tolerance, Readout(edge=edge, partner=partner)) == words


def test_what_error_rates_rest_on():
    plan = pods_plan()
    started = Started(
        rollout="r", at=1.0, plan=plan.document(), digest="d", total=100, controller="0"
    )
    state = fold(None, started, 1)
    assert rests_on(state, "errors") == "requests are taken as independent"
    dispersions = {
        "errors": Dispersion(cluster=1.5, lasting=0.04, pods_canary=2, pods_stable=9, ticks=7)
    }
    fact = Learned(
        rollout="r", at=2.0, dispersions=dispersions, problems={"latency": "no label pod"}
    )
    state = fold(state, fact, 2)
    assert rests_on(state, "errors") == (
        "bad units in bursts of 1.5, pods that differ for good by 0.2 sd "
        "(9 pods of stable, 2 of the canary, 7 looks)"
    )
    assert rests_on(state, "latency") == "requests are taken as independent: no label pod"
    assert rests_on(state, "accuracy") == "requests are taken as independent"


def test_sentences_and_why_say_it():
    from rollout.cli.text.decision import explain, text
    from rollout.simulate import Behaviour
    from tests.support.worlds import Lab, plan

    coarse = Behaviour(latency_edges=tuple(10 * 1.2**k for k in range(20)))
    lab_run = Lab(coarse, plan=plan(deadline="1m", whenInconclusive="pause"), rate=20)
    lab_run.world.behaviours = {"v1": coarse, "v2": coarse}
    lab_run.run(55)
    naming = [d for d in lab_run.decisions if "no bucket edge lies 25 % from" in d.sentence]
    assert naming
    assert "20 % must be proven" in naming[0].sentence
    number = next(e.seq for e in lab_run.entries if e.fact == naming[0])
    explained = explain(lab_run.entries, number)
    assert explained["replayed"]
    assert not explained["differs"]
    assert text(explained).splitlines()[-2].endswith("samples: the same decision")
    assert "20 % must be proven" in text(explained)
    assert "requests are taken as independent" in text(explained)


@pytest.mark.parametrize(
    ("altered", "wording"),
    [({"numbers": {}}, "the same decision by other numbers"), ({"action": "hold"}, "ANOTHER")],
)
def test_why_tells_other_numbers_from_another_decision(altered, wording):
    from rollout.cli.text.decision import explain, text
    from tests.support.worlds import Lab, plan

    lab_run = Lab(plan=plan())
    lab_run.run(20)
    entry = next(e for e in lab_run.entries if getattr(e.fact, "action", "") == "advance")
    changed = replace(entry, fact=entry.fact.model_copy(update=altered))
    others = [changed if e.seq == entry.seq else e for e in lab_run.entries]
    explanation = explain(others, entry.seq)
    assert explanation["differs"] == list(altered)
    assert wording in text(explanation)
