"""What different versions of a judge scored is not compared, and evidence goes on."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from rollout.decide.evidence.judges import SEVERAL, describe_judge
from rollout.decide.evidence.units import read_units
from rollout.decide.record.facts import Observed
from rollout.decide.record.tally import LookTally
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import test_of as begin_test
from tests.support.worlds import plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
OWN = plan(guardrails=[{**ERRORS, "labels": {"judge": "judge"}}]).spec.guardrails[0]


def begin(guardrail=OWN):
    return GuardrailState(begin_test(guardrail, watches_collapse=True))


def look(own, at, canary, stable, *judges):
    """Read one look, and compare what it counted."""
    tally = LookTally(canary=canary, stable=stable, key="k", until=at, judges=judges)
    fact = Observed(rollout="r", at=at, tallies={"errors": tally})
    own, counts = read_units(own, fact, OWN, 0.0)
    if counts.canary_exposures:
        own = own.__class__(**{**vars_of(own), "test": own.test.update(counts)})
    return own


def vars_of(own):
    return {name: getattr(own, name) for name in own.__dataclass_fields__}


def test_one_judge_changes_nothing():
    named, unnamed = begin(), begin()
    for at in range(1, 6):
        named = look(named, at, (100, 3), (100, 1), "a")
        unnamed = look(unnamed, at, (100, 3), (100, 1))
    assert named.logs == unnamed.logs
    assert named.judged_anew is None


def test_a_look_of_two_judges_is_set_aside_and_told():
    own = look(begin(), 1.0, (100, 3), (100, 1), "a")
    mixed = look(own, 2.0, (100, 50), (100, 1), "a", "b")
    assert mixed.logs == own.logs
    assert mixed.problem == SEVERAL
    assert look(mixed, 3.0, (100, 3), (100, 1), "b").problem == ""


def test_with_another_judge_the_counts_start_anew_and_evidence_goes_on():
    first, second = begin(), begin()
    for at in range(1, 8):
        first = look(first, at, (200, 9), (200, 2), "a")
        second = look(second, at, (200, 60), (200, 40), "b")
    both = first
    for at in range(8, 15):
        both = look(both, at, (200, 60), (200, 40), "b")
    assert both.test.canary_units == second.test.canary_units
    assert both.logs.harm == pytest.approx(first.logs.harm + second.logs.harm)
    assert both.logs.safe == pytest.approx(first.logs.safe + second.logs.safe)
    assert describe_judge(both, 8.0 + 60) == (
        "another version of the judge has scored for 1m, and the counts are of it alone"
    )


def test_a_judge_that_comes_back_is_another_one():
    own = begin()
    for at, judge in enumerate("aba", start=1):
        own = look(own, at, (100, 1), (100, 1), judge)
    assert own.judged_anew.number == 2


def test_a_histogram_without_a_chosen_edge_carries_no_proof():
    shape = {"name": "errors", "template": "envoy/latency", "tolerance": "25%"}
    guardrail = plan(guardrails=[{**shape, "labels": {"judge": "judge"}}]).spec.guardrails[0]
    own = begin(guardrail)
    assert own.logs.safe == -math.inf
    for at, judge in ((1.0, "a"), (2.0, "b")):
        tally = LookTally(
            canary=(5, 5), stable=(5, 5), edges=(1.0, math.inf), key="k", until=at, judges=(judge,)
        )
        fact = Observed(rollout="r", at=at, tallies={"errors": tally})
        own, _ = read_units(own, fact, guardrail, 0.0)
    assert own.judged_anew.before.safe == 0.0


@pytest.mark.parametrize(
    ("guardrail", "problem"),
    [
        ({**ERRORS, "labels": {"judge": "envoy_response_code"}}, "for something else already"),
        ({"name": "e", "template": "envoy/errors", "never": {}}, "compares nothing"),
    ],
)
def test_a_label_that_cannot_tell_the_judge_is_refused(guardrail, problem):
    own = {"labels": {"judge": "judge"}, **guardrail}
    with pytest.raises(ValidationError, match=problem):
        plan(guardrails=[{**ERRORS, "name": "other"}, own])
