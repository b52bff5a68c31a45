"""What is asserted before each write, whatever rules and folds have come to."""

from __future__ import annotations

from analysis.fast_replace import replace
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.tick import deliver
from tests.support.worlds import BAD, Lab


def test_a_rollback_never_gives_the_canary_weight():
    lab = Lab(BAD)
    lab.run_until(lambda state: state.split.canary == 5)
    lab.router.stuck = True
    state = lab.run_until(lambda state: state.phase == "reverting")
    wrong = replace(state, delivery=replace(state.delivery, wanted=Split(50, 100)))
    writes = list(lab.router.writes)
    problem = deliver.apply(lab.controller._router, lab.rollout, wrong, lambda _: wrong)
    assert isinstance(problem, RouteError)
    assert lab.router.writes == writes
