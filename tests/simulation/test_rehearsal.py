"""A rehearsal is the production tick: its figures agree with a lab stepped tick by tick."""

from __future__ import annotations

from statistics import mean

import pytest
from scipy.stats import ks_2samp

from rollout.rehearse.assumptions import KnownFigures, base
from rollout.rehearse.runs import rehearse, rehearse_once
from rollout.rehearse.scenario import Rate, Scenario
from rollout.simulate import SimulatedService
from tests.support.worlds import Lab, plan

RUNS = 40
SAME, WORSE = Scenario("same"), Scenario("worse", errors=Rate(3.6), latency=1.4)
PLAN = plan()
START = base(PLAN, KnownFigures(rate=100.0, labelled=0.6, lag=6.0))


def direct(change, seed):
    """(phase, seconds, canary's requests) of one rollout, ticked twice a second, sealed."""
    lab = Lab(seed=seed)
    lab.world.behaviours = {"v1": START.stable, "v2": change.of(START.stable)}
    lab.world.past = START.lag + 1.0
    phase = lab.run().phase
    return phase, lab.decisions[-1].at - lab.begun, lab.world.served["v2"]


@pytest.mark.parametrize(("change", "right"), [(SAME, "promoted"), (WORSE, "rolled back")])
def test_it_agrees_with_a_lab_run_directly(change, right):
    rehearsed = rehearse(PLAN, START, [change], runs=RUNS, seed=1)[change.name]
    directly = [direct(change, 1000 + seed) for seed in range(RUNS)]
    ours = mean(run.outcome == right for run in rehearsed)
    theirs = mean(phase == right for phase, _, _ in directly)
    assert ours == pytest.approx(theirs, abs=0.15)  # two standard errors at .9
    times = [at for _, at, _ in directly]
    assert ks_2samp([run.seconds for run in rehearsed], times).pvalue > 0.01
    requests = mean(served for _, _, served in directly)
    assert mean(run.canary_requests for run in rehearsed) == pytest.approx(requests, rel=0.25)


def test_a_long_plan_takes_few_looks_and_ends_at_its_deadline(monkeypatch):
    looks = []
    observe = SimulatedService.observe

    def counted(self, asks, now):
        looks.append(now)
        return observe(self, asks, now)

    monkeypatch.setattr(SimulatedService, "observe", counted)
    slow = plan(deadline="7d", interval="10s", whenBlind={"hold": "30d", "then": "pause"})
    run = rehearse_once(slow, base(slow, KnownFigures(rate=0.001)), SAME, (1, 0))
    assert run.outcome == "stuck"
    assert slow.spec.deadline <= run.seconds <= slow.spec.deadline + slow.spec.interval
    assert len(looks) < 300


def test_processes_and_one_give_the_same_runs():
    alone = rehearse(PLAN, START, [Scenario("bad", errors=Rate(9.0))], runs=101, seed=3)
    few = rehearse(PLAN, START, [Scenario("bad", errors=Rate(9.0))], runs=12, seed=3)
    assert alone["bad"][:12] == few["bad"]
    assert len(alone["bad"]) == 101


def test_a_dead_canary_a_blind_plan_and_a_stuck_one():
    dead = rehearse_once(PLAN, START, Scenario("dead", errors=Rate(0.0, 1.0)), (1, 0))
    assert dead.outcome == "rolled back"
    unlabelled = base(PLAN, KnownFigures(rate=100.0, labelled=0.0))
    blind = rehearse_once(PLAN, unlabelled, SAME, (1, 0))
    assert (blind.outcome, blind.canary_requests) == ("blind", 0)
    coarse = base(PLAN, KnownFigures(rate=100.0, latency_edges=(10.0, 100.0, 1000.0)))
    assert rehearse_once(PLAN, coarse, SAME, (1, 0)).outcome == "blind"
    thin = base(PLAN, KnownFigures(rate=2.0))
    stuck = rehearse_once(PLAN, thin, SAME, (1, 0))
    assert (stuck.outcome, stuck.reasons) == ("stuck", ("inconclusive",))


def test_progress_counts_every_run():
    heard: list[int] = []
    rehearse(PLAN, START, [SAME, WORSE], runs=12, seed=1, on_done=heard.append)
    assert sum(heard) == 24
