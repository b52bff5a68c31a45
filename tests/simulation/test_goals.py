"""Goals and experiments: a declared end, a winner, shares that follow the evidence."""

from __future__ import annotations

import pytest

from analysis.counting.counts import Counts
from analysis.fast_replace import replace
from analysis.verdict.superiority_test import SuperiorityTest
from rollout.decide.evidence.goals import conclude_goals
from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, HumanSaid, Observed
from rollout.decide.record.split import Split
from rollout.decide.rules.experiment import choose_share
from rollout.decide.state.trial import BestEvidence
from rollout.decide.step import step
from rollout.explain.decision.replayed import explain, text
from rollout.explain.status import report, states_of
from rollout.plan.model.trial.terms import Allocation
from rollout.ports import RouteStatus
from tests.support.worlds import Behaviour, Lab, plan

STABLE, BETTER = Behaviour(errors=0.02), Behaviour(errors=0.002)
GOALS = [{"guardrail": "errors"}, {"guardrail": "accuracy", "edge": 0.5}]


def experiment(canary=BETTER, *, goals=GOALS, seed=1, spec=None, **terms):
    """A lab at 50 %, whose experiment ends after 60 looks."""
    declared = {"end": {"looks": 60}, "winner": "promote", **terms}
    steps = {"steps": ["5%", "50%"], "bake": "8s"}
    own = plan(goals=goals, experiment=declared, ramp=steps, deadline="1h", **(spec or {}))
    lab = Lab(plan=own, canary=canary, seed=seed)
    lab.world.behaviours = {"v1": STABLE, "v2": canary}
    return lab


def moves(lab):
    return [fact for fact in lab.decisions if fact.action == "reallocate"]


def test_a_winner_is_promoted_at_the_end_and_not_before():
    lab = experiment()
    assert lab.run(900).phase == "promoted"
    last = lab.decisions[-1]
    assert last.reasons == ("better:errors", "all-safe")
    assert lab.state.goal_looks - lab.state.trial.looks_before >= 60, "not those of steps before"
    assert last.numbers["goals"]["errors"]["conclusion"] == "better"
    assert "errors is better" in last.sentence


def test_early_ends_it_once_every_goal_is_known():
    lab = experiment(goals=GOALS[:1], early=True)
    assert lab.run(900).phase == "promoted"
    assert lab.state.goals["errors"].looks < 60


@pytest.mark.parametrize(
    ("canary", "reason"),
    [(STABLE, "not-better"), (Behaviour(errors=0.026), "worse:errors")],
    ids=["equal", "a little worse"],
)
def test_who_wins_nothing_goes_back(canary, reason):
    margin = [{"name": "errors", "template": "envoy/errors", "margin": {"absolute": "5%"}}]
    lab = experiment(canary, goals=GOALS[:1], end={"looks": 1500}, spec={"guardrails": margin})
    assert lab.run(4000).phase == "rolled back"
    assert lab.decisions[-1].reasons == (reason,)


def test_harm_ends_an_experiment_at_once():
    lab = experiment(Behaviour(errors=0.2), end={"looks": 10_000})
    assert lab.run(900).phase == "rolled back"
    assert lab.decisions[-1].reasons[0].startswith("harmful")


def test_the_plan_may_leave_the_winner_to_a_person():
    lab = experiment(winner="ask")
    assert lab.run(900).phase == "paused"
    assert lab.decisions[-2].reasons[0] == "awaiting-person"
    lab.controller.note(
        HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command="resume", actor="ann")
    )
    assert lab.run(900).phase == "promoted"


def test_whom_nobody_answers_goes_back_after_the_plans_patience():
    lab = experiment(winner="ask", spec={"patience": "2m"})
    assert lab.run(900).phase == "rolled back"
    assert lab.decisions[-1].reasons == ("patience-over",)


def test_time_at_the_last_step_ends_it():
    lab = experiment(end={"after": "3m"})
    lab.run_until(lambda state: state.trial.since is not None)
    began = lab.clock.now()
    lab.run(900)
    assert 178 <= lab.decisions[-1].at - began <= 186


def test_shares_follow_the_evidence_between_floor_and_cap():
    allocation = {"floor": "10%", "cap": "80%", "every": 10}
    lab = experiment(allocation=allocation, end={"looks": 150})
    assert lab.run(2000).phase == "promoted"
    assert [move.split.share for move in moves(lab)] == [0.8]
    worse = experiment(Behaviour(errors=0.028), allocation=allocation, end={"looks": 400}, seed=3)
    worse.run(2000)
    shares = [move.split.share for move in moves(worse)]
    assert shares
    assert all(0.2 <= share <= 0.8 for share in shares)  # stable has a cap, too
    assert min(shares) < 0.5


def test_shares_move_no_more_often_than_declared():
    allocation = {"floor": "5%", "cap": "95%", "every": 12}
    looks = []
    for seed in range(3):
        lab = experiment(STABLE, allocation=allocation, end={"looks": 300}, seed=seed)
        lab.run(2000)
        since = 0
        for fact in lab.facts:
            since += isinstance(fact, Observed)
            if isinstance(fact, Decided) and fact.action == "reallocate":
                looks.append(since)
                since = 0
    assert len(looks) > 3
    assert min(looks) >= 12


def test_every_decision_is_made_again_from_the_record():
    lab = experiment(allocation={"floor": "10%", "cap": "90%", "every": 10}, end={"looks": 100})
    lab.run(900)
    entries = lab.entries
    for index, entry in enumerate(entries):
        fact = entry.fact
        if isinstance(fact, Decided):
            state = states_of(entries[:index])[fact.rollout]
            again = step(state, fact.at, fact.rollout, fact.lived)
            assert again is not None
            assert replace_time(again) == replace_time(fact)


def replace_time(fact):
    """A decision without what the controller adds when it records it."""
    return fact.model_copy(update={"controller": None})


def test_goals_alone_decide_nothing_and_are_shown():
    lab = Lab(plan=plan(goals=GOALS))
    other = Lab(plan=plan())
    assert lab.run(600).phase == other.run(600).phase
    assert lab.actions == other.actions
    lines = report(lab.rollout, lab.state, lab.clock.now()).goals
    assert [(line.name, line.conclusion) for line in lines] == [
        ("errors", "undecided"),
        ("accuracy", "undecided"),
    ]


def test_an_edge_that_no_bucket_has_is_said():
    lab = experiment(goals=[{"guardrail": "accuracy", "edge": 0.333}], end={"after": "1m"})
    lab.run(600)
    assert lab.decisions[-1].reasons == ("not-better",)
    assert "no bucket ends at 0.333" in lab.decisions[-1].sentence


def test_why_shows_each_goals_evidence():
    lab = experiment()
    lab.run(900)
    number = next(e.seq for e in reversed(lab.entries) if isinstance(e.fact, Decided))
    words = text(explain(lab.entries, number))
    assert "errors as a goal: better" in words
    assert "over all goals" in words


def test_status_says_how_far_it_has_come():
    lab = experiment(end={"looks": 60, "requests": 1_000_000})
    lab.run_until(lambda state: state.goals["errors"].looks >= 30)
    status = report(lab.rollout, lab.state, lab.clock.now())
    looks = lab.state.goal_looks - lab.state.trial.looks_before
    assert f"{looks} of 60 looks" in status.experiment
    assert status.experiment in status.next


MOVING = {"allocation": {"floor": "10%", "cap": "80%", "every": 10}, "end": {"after": "10m"}}


def give(lab, canary):
    """Somebody else gives the canary so many per cent."""
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(canary, 100), "somebody")


def ask(lab, command):
    lab.controller.note(
        HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command=command, actor="ann")
    )


@pytest.mark.parametrize("canary", [0, 3])
def test_a_weight_that_somebody_lowers_climbs_the_ramp_again(canary):
    lab = experiment(**MOVING, spec={"onDrift": "adopt"})
    lab.run_until(lambda state: state.trial.has_moved and not state.delivery.is_open)
    give(lab, canary)
    lab.run_until(lambda state: state.wanted.canary == canary)
    lab.run(120)
    after = lab.actions[lab.actions.index("reallocate") + 1 :]
    assert after[:2] == ["advance", "advance"]


def test_a_resume_after_an_edit_that_paused_climbs_again_too():
    lab = experiment(**MOVING)
    lab.run_until(lambda state: state.trial.has_moved and not state.delivery.is_open)
    give(lab, 0)
    lab.run_until(lambda state: state.phase == "paused")
    ask(lab, "resume")
    lab.run(20)
    assert lab.actions[-1] == "advance"


def test_time_in_a_pause_is_no_time_of_the_experiment():
    lab = experiment(end={"after": "3m"})
    lab.run_until(lambda state: state.trial.since is not None)
    began = lab.clock.now()
    ask(lab, "pause")
    lab.run(100)
    ask(lab, "resume")
    assert lab.run(900).phase == "promoted"
    assert lab.decisions[-1].at - began >= 278


def test_a_retreat_does_not_free_the_next_move():
    lab = experiment(**MOVING)
    lab.run_until(lambda state: state.trial.has_moved and not state.delivery.is_open)
    state = lab.state
    back = state.move.model_copy(update={"action": "retreat", "split": Split(0, state.total)})
    after = fold(state, back.model_copy(update={"reasons": ("one-armed",)}), len(lab.facts) + 1)
    assert not after.trial.has_moved
    assert after.trial.moved_looks == state.trial.moved_looks


def test_a_conclusion_is_not_taken_back():
    lab = experiment(end={"looks": 1000})
    lab.run(60)
    best = {"errors": BestEvidence(better=50.0)}
    state = replace(lab.state, trial=replace(lab.state.trial, best=best))
    assert conclude_goals(state)["errors"].conclusion == "better"
    worse = replace(state.trial, best={"errors": BestEvidence(better=50.0, worse=50.0)})
    assert conclude_goals(replace(state, trial=worse))["errors"].conclusion == "worse"


def test_who_only_observes_sees_the_end_too():
    lab = experiment(end={"after": "2m"}, spec={"authority": "observe"})
    give(lab, 50)
    lab.run(400)
    wishes = [fact.would.action for fact in lab.decisions if fact.would]
    assert "promote" in wishes


def test_shares_stay_within_bounds_that_are_no_whole_per_cent():
    allocation = Allocation.model_validate({"floor": "12.5%", "cap": "87.5%"})
    best = SuperiorityTest()
    for _ in range(20):
        best = best.update(Counts((500, 0), (500, 100)))
    assert choose_share(best, allocation) == 0.875
    assert choose_share(SuperiorityTest(), allocation) == 0.5
