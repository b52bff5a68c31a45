"""What stable's past says is rehearsed: bursts, the tests that allow for them, and the words."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import ONE_POD
from rollout.decide.record.facts import FoundPods, Learned
from rollout.rehearse.assumptions import KnownFigures, base
from rollout.rehearse.past import MOST_LOOKS, put_in_bursts, space_looks
from rollout.rehearse.preflight import preflight
from rollout.rehearse.runs import rehearse
from rollout.rehearse.sample_size import reach
from rollout.rehearse.scenario import Rate, Scenario
from rollout.rehearse.summary import Rehearsal, summarise
from rollout.simulate import Behaviour, MemoryRouter, SimulatedService
from tests.support.worlds import plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"ratio": 1.5}}
PLAN = plan(guardrails=[ERRORS], ramp={"steps": ["10%", "50%"], "bake": "30s"}, deadline="20m")
SAME, WORSE = Scenario("same"), Scenario("worse", errors=Rate(5.0))
FIGURES = KnownFigures(rate=50.0, errors=0.01)


BURSTS = Dispersion(cluster=9.0, inflation=9.0, ticks=1440, by="totals", rate=0.01, unexcluded=0.0)


def learnt(dispersion=BURSTS):
    return Learned(rollout="of another plan", at=1.0, dispersions={"errors": dispersion})


def run(past, changes, runs):
    start = base(PLAN, FIGURES, past)
    by_name = rehearse(PLAN, start, changes, runs=runs, seed=4)
    return {name: summarise(PLAN, start, SAME, own) for name, own in by_name.items()}


@pytest.mark.parametrize("burst", [1.0, 9.0])
def test_bad_requests_come_in_bursts_of_that_size_and_are_no_more_of_them(burst):
    service = SimulatedService(
        MemoryRouter(), {"v1": Behaviour(error_burst=burst), "v2": Behaviour()}, rate=2000.0
    )
    service.advance(PLAN, 0.0)
    counts = []
    for look in range(1, 3001):
        before = int(service.totals.get(("v1", "bad"), np.array([0])).sum())
        service.advance(PLAN, look * PLAN.spec.prometheus.scrape)
        counts.append(int(service.totals[("v1", "bad")].sum()) - before)
    drawn = np.array(counts)
    assert drawn.mean() == pytest.approx(0.005 * 2000 * PLAN.spec.prometheus.scrape, rel=0.03)
    assert drawn.var() / drawn.mean() == pytest.approx(burst, rel=0.1)


def test_a_version_that_answers_nothing_answers_nothing_in_bursts_either():
    service = SimulatedService(MemoryRouter(), {"v1": Behaviour(errors=1.0, error_burst=9.0)})
    assert service._draw_bad(1000, 1.0, 9.0) == 1000


def test_bursts_delay_the_verdict_and_do_not_turn_it():
    alone, together = run(None, (WORSE,), runs=4), run(learnt(), (SAME, WORSE), runs=4)
    assert alone["worse"].outcomes["rolled back"] == together["worse"].outcomes["rolled back"] == 1
    assert together["worse"].seconds[1] > 2 * alone["worse"].seconds[1]
    assert together["same"].outcomes["rolled back"] == 0


def test_so_many_more_requests_are_needed():
    (guardrail,) = PLAN.spec.guardrails
    alone, together = (
        reach(PLAN, base(PLAN, FIGURES, own), guardrail, SAME) for own in (None, learnt())
    )
    assert together.needs == pytest.approx(9 * alone.needs)
    assert together.sees == alone.sees


def test_pods_that_allow_no_verdict_leave_the_rehearsal_without_one():
    pods = learnt(Dispersion(problem=ONE_POD, lasting=0.09))
    pods = pods.model_copy(update={"found_pods": {"errors": FoundPods(label="pod", unused="")}})
    results = run(pods, (SAME,), runs=3)
    assert results["same"].outcomes["promoted"] == 0
    assert results["same"].outcomes["rolled back"] == 0


def test_the_past_is_told_and_stands_in_the_document():
    start = base(PLAN, FIGURES, learnt())
    remarks = preflight(PLAN, start, [SAME])
    texts = [remark.text for remark in remarks if remark.code == "past"]
    assert texts[0].startswith("errors: error rates allow for bad units in bursts of 9")
    assert not [remark for remark in remarks if remark.code == "independent"]
    result = run(learnt(), (SAME,), runs=1)["same"]
    document = Rehearsal("p", "r", 1, 1, "", start, (result,), remarks).as_json()
    assert document["base"]["learnt"]["errors"]["cluster"] == 9.0
    unasked = Rehearsal("p", "r", 1, 1, "", base(PLAN, FIGURES), (result,), ()).as_json()
    assert unasked["base"]["learnt"] is None


def test_a_judge_s_bursts_are_not_the_server_s():
    verdict = {"name": "facts", "template": "quality/verdict", "margin": {"ratio": 1.5}}
    both = plan(guardrails=[ERRORS, verdict])
    behaviour = put_in_bursts(both, Behaviour(), learnt())
    assert (behaviour.error_burst, behaviour.fail_burst) == (9.0, 1.0)


def test_a_long_deadline_has_no_more_looks_than_a_day_of_usual_ones():
    usual, often = plan(interval="30s", deadline="24h"), plan(interval="2s", deadline="24h")
    assert space_looks(usual) is usual
    assert space_looks(often).spec.interval == 30
    assert often.spec.deadline / space_looks(often).spec.interval <= MOST_LOOKS

    def list_codes(rehearsed):
        start = base(rehearsed, FIGURES, learnt())
        return {remark.code for remark in preflight(rehearsed, start, [SAME])}

    assert "spaced" in list_codes(often)
    assert "spaced" not in list_codes(usual)
