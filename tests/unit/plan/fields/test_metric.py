"""Words of a declared metric."""

from __future__ import annotations

import pytest

from rollout.plan.model.metric import RatioOfSums


@pytest.mark.parametrize(("per", "words"), [("call", "a call"), ("answer", "an answer")])
def test_a_ratio_is_told_of_one_unit(per, words):
    document = {"sum": {"series": "s"}, "count": {"series": "c"}, "per": per}
    assert RatioOfSums.model_validate(document).metric.of_one == words
