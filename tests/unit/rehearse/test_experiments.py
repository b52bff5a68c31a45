"""A rehearsed experiment: an equal canary wins nothing, a better one does."""

from __future__ import annotations

import pytest

from rollout.rehearse.assumptions import KnownFigures, base
from rollout.rehearse.runs import rehearse
from rollout.rehearse.scenario import BETTER, usual_scenarios
from rollout.rehearse.summary import Rehearsal, summarise
from tests.support.worlds import plan

GUARDRAILS = [{"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}]


@pytest.mark.parametrize("winner", ["promote", "ask"])
def test_who_wins_and_who_does_not(winner):
    trial = {"end": {"looks": 60}, "winner": winner}
    own = plan(
        guardrails=GUARDRAILS,
        goals=[{"guardrail": "errors"}],
        experiment=trial,
        ramp={"steps": ["50%"], "bake": "8s"},
        deadline="1h",
    )
    start = base(own, KnownFigures(rate=100.0, errors=0.05), None)
    worlds = [world for world in usual_scenarios(own) if world.name in {"same", BETTER}]
    runs = rehearse(own, start, worlds, runs=4, seed=1)
    results = tuple(summarise(own, start, world, runs[world.name]) for world in worlds)
    by_name = {result.name: result.outcomes for result in results}
    assert by_name["same"]["no winner"] == 1
    assert by_name[BETTER]["promoted"] == 1
    rehearsal = Rehearsal("p", "r", 4, 1, "", start, results, (), has_experiment=True)
    assert rehearsal.decides


def test_a_plan_without_goals_has_no_better_world():
    assert BETTER not in [world.name for world in usual_scenarios(plan())]
