"""What a new rollout is recorded with, and what an older one goes on without."""

import pytest

from analysis.verdict.rate_test import RateTest
from rollout.decide.state.rollout import begin_rollout
from rollout.tick.attempts import started
from tests.support.asking import ERRORS, plan


@pytest.mark.parametrize("is_older", [False, True])
def test_a_collapse_is_watched_for_since_a_rollout_records_it(is_older):
    fact = started(plan(guardrails=[ERRORS]), at=1.0, controller="test")
    if is_older:
        fact = fact.model_copy(update={"watches_collapse": False})
        assert "watches_collapse" not in fact.model_dump_json()
    test = begin_rollout(fact).guardrails["errors"].test
    assert isinstance(test, RateTest)
    assert test.margin.watches_collapse is not is_older
