"""Somebody moves the weights unseen: what the traffic told meanwhile counts for no split."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from analysis import shares
from rollout.decide.facts import Drifted
from rollout.decide.fold import fold_all
from rollout.decide.split import Split
from rollout.decide.step import step
from rollout.ports import Seen
from rollout.simulate import MemoryRouter
from tests.worlds import Lab, plan


@dataclass
class Silent(MemoryRouter):
    """A mesh with a watch that may go silent: then it shows what it showed last."""

    last: Seen | None = None

    def glance(self, plan, total):
        return self.last or self.read(plan, total)


def edited(policy):
    """A lab whose weight was moved by hand a while ago, and which has just come to know it."""
    mesh = Silent()
    lab = Lab(plan=plan(onDrift=policy, deadline="1h"), router=mesh)
    lab.run_until(lambda state: state.split.canary == 25 and state.steady_at is not None)
    mesh.last = mesh.shown[lab.plan.id]
    mesh.shown[lab.plan.id] = Seen(Split(5), "a hand")
    lab.run(40)
    assert lab.decisions[-1].reasons == ("exposure-mismatch",)
    assert shares.mismatched(lab.state.shares)
    mesh.last = None
    lab.run_until(lambda _: bool(drifts(lab)))
    return lab


def drifts(lab):
    return [fact for fact in lab.facts if isinstance(fact, Drifted)]


@pytest.mark.parametrize("policy", ["adopt", "revert"])
def test_a_mismatch_of_the_time_before_an_edit_was_seen_holds_nothing(policy):
    lab = edited(policy)
    assert [fact.anew for fact in drifts(lab)] == [True]
    assert not shares.mismatched(lab.state.shares)
    assert lab.run(180).phase == "promoted"


def test_after_a_pause_for_it_too():
    lab = edited("pause")
    assert (lab.state.phase, lab.state.shares) == ("paused", shares.start())
    lab.run(20)
    assert lab.state.shares != shares.start(), "the new split is tested"
    assert not shares.mismatched(lab.state.shares)


def test_the_looks_that_the_edit_was_in_the_midst_of_count_for_nothing():
    lab = edited("adopt")
    lab.run_until(lambda state: state.shares != shares.start())
    lab.run_until(lambda state: state.split.canary > 5)
    assert not [each for each in lab.decisions[-3:] if "exposure-mismatch" in each.reasons]


def test_a_share_that_contradicts_the_adopted_split_is_still_a_mismatch(monkeypatch):
    lab = edited("adopt")
    monkeypatch.setattr(lab.router, "share", lambda _plan: 0.5)
    lab.run(60)
    assert lab.decisions[-1].reasons == ("exposure-mismatch",)


def test_an_entry_that_does_not_say_so_leaves_the_state_as_it_was_then():
    lab = edited("adopt")
    place = lab.facts.index(drifts(lab)[0])
    old = lab.facts[place].model_copy(update={"anew": False})
    before = list(enumerate(lab.facts[:place], 1))
    assert shares.mismatched(fold_all([*before, (place + 1, old)]).shares)
    assert not shares.mismatched(fold_all([*before, (place + 1, lab.facts[place])]).shares)


def test_an_edit_of_the_policy_alone_moves_no_traffic():
    lab = Lab(plan=plan(onDrift="adopt"))
    lab.run_until(lambda state: state.split.canary == 25 and state.steady_at is not None)
    gathered = lab.state.shares
    shown = lab.router.shown[lab.plan.id]
    lab.router.shown[lab.plan.id] = Seen(shown.split, shown.mark, policy="another pool")
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
