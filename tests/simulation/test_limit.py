"""A limit on the canary's own share of bad units, in whole rollouts."""

import pytest

from tests.support.worlds import Behaviour, Lab, plan

BOUND = {"name": "errors", "template": "envoy/errors", "limit": "2%"}


def lab(canary, stable=None, **spec):
    rollout = Lab(canary, plan=plan(guardrails=[BOUND], **spec), rate=200.0)
    rollout.world.behaviours = {"v1": stable or Behaviour(), "v2": canary}
    return rollout


def test_a_canary_within_its_limit_is_promoted_even_if_stable_is_better():
    rollout = lab(Behaviour(errors=0.008), Behaviour(errors=0.0))
    assert rollout.run().phase == "promoted"
    sentence = rollout.decisions[-1].sentence
    assert "of the canary's requests are bad (" in sentence
    assert "allowed 2)" in sentence


@pytest.mark.parametrize("stable", [0.0, 0.06])
def test_a_canary_beyond_its_limit_is_rolled_back_whatever_stable_does(stable):
    rollout = lab(Behaviour(errors=0.06), Behaviour(errors=stable))
    assert rollout.run().phase == "rolled back"
    sentence = rollout.decisions[-1].sentence
    assert "errors more than 2 % bad requests: " in sentence
    assert "if requests are independent" in sentence


def test_a_cold_start_is_no_evidence():
    rollout = lab(Behaviour(errors=0.5), warmup="20s")
    rollout.run_until(lambda state: state.stepped)
    rollout.run(12)
    assert not rollout.state.is_terminal


SLOW = {"name": "slow", "template": "envoy/latency", "slower": {"than": "83.3ms", "limit": "20%"}}


def edge_lab(canary, stable=None):
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}
    rollout = Lab(canary, plan=plan(guardrails=[errors, SLOW]), rate=200.0)
    rollout.world.behaviours = {"v1": stable or Behaviour(), "v2": canary}
    return rollout


def test_a_share_beyond_an_edge_can_have_a_limit_of_its_own():
    rollout = edge_lab(Behaviour())
    assert rollout.run().phase == "promoted"
    sentence = rollout.decisions[-1].sentence
    assert "of the canary's requests took longer than 83.3 ms (" in sentence
    assert "allowed 20)" in sentence
    assert "slow: " in sentence


@pytest.mark.parametrize("stable", [Behaviour(), Behaviour(tail_share=0.5)])
def test_a_canary_beyond_it_is_rolled_back_whatever_stable_does(stable):
    rollout = edge_lab(Behaviour(tail_share=0.5), stable)
    assert rollout.run().phase == "rolled back"
    sentence = rollout.decisions[-1].sentence
    assert "slow more than 20 % requests slower than 83.3 ms: " in sentence
