"""Requests without the label that tells bad ones: few are judged against whoever gains by them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.worlds import Behaviour, Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}


def lab(shares, canary=None, **spec):
    """A world in which a share of the canary's and of stable's good requests have no label."""
    world: Any
    spec = {"deadline": "90s", "whenInconclusive": "pause", **spec}
    rollout = Lab(canary or Behaviour(), plan=plan(guardrails=[ERRORS], **spec), rate=400.0)
    world = rollout.world
    answer = world._answer

    def answer_with_bare(asked):
        answered = answer(asked)
        series = [
            labelled
            for one_series in answered.series.get("errors", ())
            for labelled in divide(one_series, shares[one_series.arm])
        ]
        return replace(answered, series={"errors": tuple(series)}, origins={"errors": {}})

    world._answer = answer_with_bare
    return rollout


def divide(series, share):
    if series.bad or not share:
        return [series]
    ((at, (units,)),) = series.samples
    bare = float(int(units * share))
    return [
        replace(series, samples=((at, (units - bare,)),)),
        replace(series, key="bare", unlabelled=True, samples=((at, (bare,)),)),
    ]


def shares(canary=0.0, stable=0.0):
    return {"canary": canary, "stable": stable}


@pytest.mark.parametrize("of", [shares(0.0005, 0.0005), shares(canary=0.001), shares(stable=0.003)])
def test_a_few_are_no_obstacle(of):
    rollout = lab(of, deadline="5m")
    assert rollout.run().phase == "promoted"
    assert not any("blind" in decided.sentence for decided in rollout.decisions)


def test_more_than_the_margin_prove_neither_safety_nor_harm():
    rollout = lab(shares(canary=0.03))
    rollout.run(120)
    assert rollout.state.phase == "paused"
    assert "3 % of the canary's requests" in rollout.decisions[-1].sentence
    assert "have no label envoy_response_code" in rollout.decisions[-1].sentence


def test_they_hide_no_failures_of_the_canary():
    # Were all of stable's bad ones as well, that many failures would be no more than those.
    rollout = lab(shares(stable=0.03), Behaviour(errors=0.03), deadline="60s")
    rollout.run(90)
    assert "promote" not in rollout.actions
    rollout = lab(shares(canary=0.03), Behaviour(errors=0.06))
    assert rollout.run().phase == "rolled back"


@pytest.mark.parametrize("of", [shares(canary=0.06), shares(stable=0.06)])
def test_above_one_in_twenty_the_guardrail_is_blind(of):
    rollout = lab(of)
    rollout.run(60)
    assert rollout.state.phase != "promoted"
    problem = rollout.state.guardrails["errors"].problem
    assert problem.endswith("have no label envoy_response_code: above 5 % nothing can be compared")
    assert any("blind" in decided.sentence for decided in rollout.decisions)
