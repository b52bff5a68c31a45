"""Somebody moves the weights unseen: what the traffic told meanwhile counts for no split."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from analysis import sample_ratio
from rollout.decide.fold import fold_all
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.route_facts import Confirmed, Drifted, RouteFailed
from rollout.decide.record.split import Split
from rollout.decide.step import step
from rollout.ports import RouteStatus
from rollout.simulate import MemoryRouter
from tests.support.worlds import BAD, GOOD, Lab, plan


@dataclass
class SilentRouter(MemoryRouter):
    """A mesh with a watch that may go silent: then it shows what it showed last."""

    last: RouteStatus | None = None

    def cached(self, plan, total, before=None):
        return self.last or self.read(plan, total)


@dataclass
class CutOff(MemoryRouter):
    """A mesh that goes away when 25 % is to be written."""

    cut: bool = False

    def write(self, plan, split, mark, before=None, *, is_last=False):
        if split.canary == 25 and not self.cut:
            self.cut, self.down = True, "the API server does not answer"
        super().write(plan, split, mark, before, is_last=is_last)


def edited(policy):
    """A lab whose weight was moved by hand a while ago, and which has just come to know it."""
    mesh = SilentRouter()
    lab = Lab(plan=plan(onDrift=policy, deadline="1h"), router=mesh)
    lab.run_until(lambda state: state.split.canary == 25 and state.steady_at is not None)
    mesh.last = mesh.statuses[lab.plan.id]
    mesh.statuses[lab.plan.id] = RouteStatus(Split(6), "a hand")
    lab.run(40)
    assert lab.decisions[-1].reasons == ("exposure-mismatch",)
    assert sample_ratio.mismatched(lab.state.shares)
    mesh.last = None
    lab.run_until(lambda _: bool(drifts(lab)))
    return lab


def drifts(lab):
    return [fact for fact in lab.facts if isinstance(fact, Drifted)]


@pytest.mark.parametrize("policy", ["adopt", "revert"])
def test_a_mismatch_of_the_time_before_an_edit_was_seen_holds_nothing(policy):
    lab = edited(policy)
    assert [fact.anew for fact in drifts(lab)] == [True]
    assert not sample_ratio.mismatched(lab.state.shares)
    assert lab.run(180).phase == "promoted"


def test_after_a_pause_for_it_too():
    lab = edited("pause")
    assert (lab.state.phase, lab.state.shares) == ("paused", sample_ratio.start())
    assert lab.state.traffic_tally.requests == 0, "what is said of it begins anew, too"
    lab.run(20)
    assert lab.state.shares != sample_ratio.start(), "the new split is tested"
    assert not sample_ratio.mismatched(lab.state.shares)


def test_the_looks_that_the_edit_was_in_the_midst_of_count_for_nothing():
    lab = edited("adopt")
    lab.run_until(lambda state: state.shares != sample_ratio.start())
    lab.run_until(lambda state: state.split.canary > 6)
    assert not [
        decision for decision in lab.decisions[-3:] if "exposure-mismatch" in decision.reasons
    ]


def test_a_share_that_contradicts_the_adopted_split_is_still_a_mismatch(monkeypatch):
    lab = edited("adopt")
    monkeypatch.setattr(lab.router, "share", lambda _plan: 0.5)
    lab.run(60)
    assert lab.decisions[-1].reasons == ("exposure-mismatch",)


def test_an_entry_that_does_not_say_so_leaves_the_state_as_it_was_then():
    lab = edited("adopt")
    index = lab.facts.index(drifts(lab)[0])
    old = lab.facts[index].model_copy(update={"anew": False})
    before = list(enumerate(lab.facts[:index], 1))
    assert sample_ratio.mismatched(fold_all([*before, (index + 1, old)]).shares)
    assert not sample_ratio.mismatched(fold_all([*before, (index + 1, lab.facts[index])]).shares)


def test_an_edit_of_the_policy_alone_moves_no_traffic():
    lab = Lab(plan=plan(onDrift="adopt"))
    lab.run_until(lambda state: state.split.canary == 25 and state.steady_at is not None)
    gathered = lab.state.shares
    status = lab.router.statuses[lab.plan.id]
    lab.router.statuses[lab.plan.id] = RouteStatus(
        status.split, status.write_id, policy="another pool"
    )
    state = lab.run_until(lambda _: bool(drifts(lab)))
    assert [fact.anew for fact in drifts(lab)] == [False]
    assert state.shares == gathered, "and this look spans the edit"


def test_every_decision_replays():
    lab = edited("adopt")
    lab.run(180)
    for index, entry in enumerate(lab.entries):
        if entry.fact.kind == "decided":
            state = fold_all((e.seq, e.fact) for e in lab.entries[:index])
            assert step(state, entry.fact.at, lab.plan.id) == entry.fact


def lost(policy="pause", canary=GOOD, **spec):
    """A lab at 25 % whose mesh cannot be read since its last look."""
    lab = Lab(canary, plan=plan(onDrift=policy, **spec))
    lab.run_until(lambda state: state.split.canary == 25 and state.steady_at is not None)
    lab.router.down = "the API server does not answer"
    lab.run_until(lambda state: state.delivery.attempts > 0)
    lab.run(3)
    lab.router.writes.clear()
    return lab


def back(lab, canary=None):
    """The mesh can be read again; by then a hand has moved the weights."""
    if canary is not None:
        lab.router.statuses[lab.plan.id] = RouteStatus(Split(canary), "a hand")
    lab.router.down = ""
    lab.run_until(lambda state: not state.delivery.is_open)
    lab.run(3)  # a look


@pytest.mark.parametrize(("policy", "canary_weight"), [("pause", 5), ("adopt", 5), ("revert", 25)])
def test_an_edit_while_the_mesh_could_not_be_read_is_drift(policy, canary_weight):
    lab = lost(policy)
    back(lab, 5)
    assert [(fact.seen, fact.anew) for fact in drifts(lab)] == [(Split(5), True)]
    assert lab.router.statuses[lab.plan.id].split == Split(canary_weight)
    assert [split for _, split, _ in lab.router.writes] == [Split(25)] * (policy == "revert")
    assert (lab.state.split, lab.state.route_problem) == (Split(canary_weight), "")
    assert lab.state.phase == ("paused" if policy == "pause" else "stepping")


def test_what_shows_as_it_was_confirmed_is_confirmed_and_not_written():
    lab = lost()
    back(lab)
    last = next(f for f in reversed(lab.facts) if isinstance(f, Confirmed | RouteFailed | Drifted))
    assert isinstance(last, Confirmed)
    assert (lab.router.writes, drifts(lab)) == ([], [])
    assert lab.run().phase == "promoted"


def test_adopted_weights_with_another_hand_s_mark_are_confirmed_too():
    lab = lost("adopt")
    back(lab, 10)
    lab.router.down = "once more"
    lab.run_until(lambda state: state.delivery.is_open)
    back(lab)
    assert (lab.router.writes, len(drifts(lab)), lab.state.split) == ([], 1, Split(10))


def test_a_policy_that_was_told_is_not_told_again_after_an_outage():
    lab = Lab(plan=plan(onDrift="pause"))
    lab.run_until(lambda state: state.split.canary == 25 and state.steady_at is not None)
    status = lab.router.statuses[lab.plan.id]
    lab.router.statuses[lab.plan.id] = RouteStatus(
        status.split, status.write_id, policy="another pool"
    )
    lab.run_until(lambda state: state.phase == "paused")
    lab.router.down = "the API server does not answer"
    lab.run_until(lambda state: state.delivery.is_open)
    lab.router.writes.clear()
    back(lab)
    assert (len(drifts(lab)), lab.router.writes) == (1, [])


@pytest.mark.parametrize("edited", [None, 5])
def test_a_rollback_waits_for_no_reading(edited):
    lab = lost(canary=BAD)
    lab.run_until(lambda state: state.phase == "reverting")
    if edited is not None:
        lab.router.statuses[lab.plan.id] = RouteStatus(Split(edited), "a hand")
    lab.router.down = ""
    assert lab.run(10).phase == "rolled back"
    assert [split for _, split, _ in lab.router.writes] == [Split(0)]
    assert drifts(lab) == []


def give_command(lab, command):
    fact = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=command, actor="ana")
    lab.journal.append([fact], lab.entries[-1].seq)
    lab.run(3)


@pytest.mark.parametrize(
    ("policy", "phase", "canary_weight"),
    [("pause", "paused", 5), ("adopt", "paused", 5), ("revert", "promoted", 100)],
)
def test_a_promotion_said_in_the_outage_overwrites_no_edit_unrecorded(policy, phase, canary_weight):
    lab = lost(policy)
    give_command(lab, "promote")
    assert lab.state.phase == "promoting"
    back(lab, 5)
    assert [(fact.seen, fact.anew) for fact in drifts(lab)] == [(Split(5), True)]
    assert (lab.state.phase, lab.router.statuses[lab.plan.id].split) == (
        phase,
        Split(canary_weight),
    )
    if phase == "paused":
        assert lab.router.writes == []
        assert "somebody else moved the weights" in lab.decisions[-2].sentence


def test_without_an_edit_it_is_carried_out_when_the_mesh_is_back():
    lab = lost()
    give_command(lab, "promote")
    assert lab.router.writes == []
    back(lab)
    assert (lab.state.phase, drifts(lab)) == ("promoted", [])


def test_a_promotion_that_the_mesh_never_takes_ends_by_the_deadline():
    lab = lost(deadline="1m")
    give_command(lab, "promote")
    assert lab.run(70).phase == "reverting"
    back(lab, 5)
    assert (lab.state.phase, drifts(lab)) == ("rolled back", [])


@pytest.mark.parametrize(
    ("policy", "canary_weight"), [("pause", 10), ("adopt", 10), ("revert", 25)]
)
def test_an_advance_that_an_outage_cut_off_overwrites_no_edit_unrecorded(policy, canary_weight):
    lab = Lab(plan=plan(onDrift=policy), router=CutOff())
    lab.run_until(lambda state: state.wanted.canary == 25 and state.delivery.attempts > 0)
    lab.run(3)
    lab.router.writes.clear()
    back(lab, 10)
    assert [fact.seen for fact in drifts(lab)] == [Split(10)]
    assert lab.router.statuses[lab.plan.id].split == Split(canary_weight)
    assert [split for _, split, _ in lab.router.writes] == [Split(25)] * (policy == "revert")


def test_a_resume_in_the_outage_overwrites_nothing():
    lab = lost()
    for command in ("pause", "resume"):
        give_command(lab, command)
    back(lab, 5)
    assert (lab.router.writes, lab.state.phase) == ([], "paused")
    assert [fact.seen for fact in drifts(lab)] == [Split(5)]


def test_a_new_controller_after_an_outage_knows_what_to_read():
    lab = lost()
    lab.restart()
    assert lab.state == fold_all((entry.seq, entry.fact) for entry in lab.entries)
    back(lab, 5)
    assert (lab.router.writes, len(drifts(lab))) == ([], 1)


def test_every_decision_of_an_outage_replays():
    lab = lost("adopt")
    back(lab, 5)
    give_command(lab, "resume")  # the edit has put our write back: a person goes on
    assert lab.run().phase == "promoted"
    for index, entry in enumerate(lab.entries):
        if entry.fact.kind == "decided":
            state = fold_all((e.seq, e.fact) for e in lab.entries[:index])
            assert step(state, entry.fact.at, lab.plan.id) == entry.fact


@pytest.mark.parametrize("word", ["resume", "confirm"])
@pytest.mark.parametrize("phase", ["stepping", "following"])
def test_a_command_without_effect_does_not_hide_an_edit_of_the_same_moment(phase, word):
    lab = Lab(plan=plan(onDrift="pause", followWithin="40s", drain="20s"))
    lab.run_until(lambda state: state.phase == phase and state.split.canary >= 25)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(6), "a hand")
    say = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=word, actor="ada")
    lab.controller.note(say)
    lab.controller.tick()
    assert (lab.state.phase, lab.state.split.canary) == ("paused", 6)
    assert lab.decisions[-1].reasons[0].startswith("drift")
