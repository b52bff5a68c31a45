"""Labels per exposure: a judge that leaves answers of one version out holds its promotion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rollout.decide.fold import fold
from rollout.decide.record.facts import Observed
from rollout.decide.record.split import Split
from rollout.decide.record.tally import LookTally
from rollout.decide.rules.progress import before_promotion
from rollout.decide.rules.view import view
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.sentence import sentence
from tests.support.states import T0, begun, delivering

VERDICTS = {"name": "facts", "template": "quality/verdict", "margin": {"absolute": "5%"}}
ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}


def judged(canary: float, stable: float, looks: int = 40, **spec) -> RolloutState:
    """A rollout at 50 %, whose judge labels these shares of each version's 200 requests a look."""
    state = begun(**{"guardrails": [ERRORS, VERDICTS], **spec})
    state = delivering(replace(state, phase="stepping"), confirmed=Split(50), confirmed_at=T0)
    dice = np.random.default_rng(7)
    for number in range(1, looks + 1):
        at = T0 + 30 * number
        tallies = {
            "errors": _tally(200, 200, at),
            "facts": _tally(dice.binomial(200, canary), dice.binomial(200, stable), at),
        }
        state = fold(state, Observed(rollout="demo", at=at, tallies=tallies), number)
    return state


def _tally(canary: int, stable: int, at: float) -> LookTally:
    return LookTally(
        canary=(canary, 0),
        stable=(stable, 0),
        key="k",
        until=at,
        canary_times=((at, 1),),
        stable_times=((at, 1),),
    )


def test_a_judge_that_leaves_out_some_answers_of_the_canary_holds_its_promotion():
    current = view(state := judged(0.6, 0.9), T0 + 2000)
    choice = before_promotion(current)
    assert choice is not None
    assert (choice.action, choice.reasons) == ("hold", ("labels-differ:facts",))
    text = sentence(state, choice.action, choice.split, choice.reasons, current)
    assert "facts: v2 has 40" in text
    assert "50 % of the traffic" in text


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_labels_that_are_as_frequent_hold_nothing(share):
    assert before_promotion(view(judged(share, share), T0 + 2000)) is None


def test_labels_from_before_the_weight_are_not_compared_with_it():
    state = judged(0.6, 0.9, guardrails=[ERRORS, {**VERDICTS, "lag": "30m"}])
    assert before_promotion(view(state, T0 + 2000)) is None
