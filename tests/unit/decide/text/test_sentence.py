"""Sentences: what error rates rest on, and what buckets make of a tolerance."""

from dataclasses import replace

import pytest

from analysis.dispersion.estimate import Dispersion
from analysis.verdict.guardrail import HistogramTolerance, RateMargin
from analysis.verdict.readout import Readout
from rollout.decide.fold import fold
from rollout.decide.record.facts import Learned, Started
from rollout.decide.text.error_rates import rests_on
from rollout.decide.text.measurement import off_edge
from tests.support.pods import pods_plan

LATENCY = HistogramTolerance(0.25, relative=True, worse="high")
SCORE = HistogramTolerance(0.04, relative=False, worse="low")


@pytest.mark.parametrize(
    ("rule", "edge", "partner", "words"),
    [
        (LATENCY, 125.0, 100.0, ""),
        (LATENCY, 120.0, 100.0, "no bucket edge lies 25 % from 120: 20 % must be proven"),
        (LATENCY, 124.9, 100.0, ""),
        (SCORE, 0.5, 0.54, ""),
        (SCORE, 0.5, 0.53, "no bucket edge lies 0.04 from 0.5: 0.03 must be proven"),
        (LATENCY, None, None, ""),
        (RateMargin(1.0, 0.01), 1.0, 2.0, ""),
    ],
)
def test_a_tolerance_off_the_edges_is_told(rule, edge, partner, words):
    assert off_edge(rule, Readout(edge=edge, partner=partner)) == words


def test_what_error_rates_rest_on():
    plan = pods_plan()
    started = Started(
        rollout="r", at=1.0, plan=plan.document(), digest="d", total=100, controller="0"
    )
    state = fold(None, started, 1)
    assert rests_on(state, "errors") == "requests are taken as independent"
    known = {"errors": Dispersion(cluster=1.5, lasting=0.04, pods_canary=2, pods_stable=9, ticks=7)}
    fact = Learned(rollout="r", at=2.0, dispersions=known, problems={"latency": "no label pod"})
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
    made = Lab(coarse, plan=plan(deadline="1m", whenInconclusive="pause"), rate=20)
    made.world.behaviours = {"v1": coarse, "v2": coarse}
    made.run(55)
    told = [d for d in made.decisions if "no bucket edge lies 25 % from" in d.sentence]
    assert told
    assert "20 % must be proven" in told[0].sentence
    number = next(e.seq for e in made.entries if e.fact == told[0])
    explained = explain(made.entries, number)
    assert explained["replayed"]
    assert not explained["differs"]
    assert text(explained).splitlines()[-2].endswith("samples: the same decision")
    assert "20 % must be proven" in text(explained)
    assert "requests are taken as independent" in text(explained)


@pytest.mark.parametrize(
    ("altered", "said"),
    [({"numbers": {}}, "the same decision by other numbers"), ({"action": "hold"}, "ANOTHER")],
)
def test_why_tells_other_numbers_from_another_decision(altered, said):
    from rollout.cli.text.decision import explain, text
    from tests.support.worlds import Lab, plan

    made = Lab(plan=plan())
    made.run(20)
    entry = next(e for e in made.entries if getattr(e.fact, "action", "") == "advance")
    changed = replace(entry, fact=entry.fact.model_copy(update=altered))
    others = [changed if e.seq == entry.seq else e for e in made.entries]
    told = explain(others, entry.seq)
    assert told["differs"] == list(altered)
    assert said in text(told)
