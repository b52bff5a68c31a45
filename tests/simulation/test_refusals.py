"""A refusal that trying again alone does not cure: paused, weights as they were, tried again."""

from __future__ import annotations

import pytest

from analysis import sample_ratio
from rollout.decide.fold import fold_all
from rollout.decide.record.facts import Decided, HumanSaid
from rollout.decide.record.reasons import Reason
from rollout.decide.record.route_facts import RouteFailed
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.simulate import MemoryRouter
from tests.support.worlds import BAD, Lab, plan

NO = "a webhook says no"


def at(lab, canary):
    lab.run_until(lambda state: state.split.canary == canary and not state.delivery.is_open)
    return lab


def say(lab, command):
    command_fact = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=command, actor="ana")
    lab.journal.append([command_fact], lab.entries[-1].seq)


def paused(lab):
    lab.run_until(lambda state: state.phase == "paused")
    return lab.state


@pytest.mark.parametrize(("confirmed", "refused"), [(0, 5), (5, 25), (50, 100)])
def test_a_refused_change_pauses_with_the_reason_at_what_is_confirmed(confirmed, refused):
    lab = Lab()
    if confirmed:
        at(lab, confirmed)
    lab.router.refusing = NO
    state = paused(lab)
    *_, wanted, pause = [decision for decision in lab.decisions if decision.action != "hold"]
    assert wanted.split == Split(refused)
    assert (pause.reasons, pause.split) == ((Reason.ROUTE_REFUSED,), Split(confirmed))
    assert pause.sentence.startswith(f"Pause v2 at {confirmed} %: the mesh refuses the change")
    assert NO in pause.sentence
    assert (state.split, state.wanted) == (Split(confirmed),) * 2
    assert state.delivery.status == "settled"
    before = len(lab.facts)
    lab.run(20)
    assert lab.state.phase == "paused"
    assert not [fact for fact in lab.facts[before:] if isinstance(fact, RouteFailed)]


def test_resume_tries_again_and_a_cured_mesh_is_promoted():
    lab = at(Lab(), 5)
    lab.router.refusing = NO
    paused(lab)
    say(lab, "resume")
    lab.run_until(lambda state: state.phase == "stepping")
    assert paused(lab).split == Split(5), "still refused"
    lab.router.refusing = ""
    say(lab, "resume")
    assert lab.run().phase == "promoted"


class Denying(MemoryRouter):
    """A mesh that may not be read for a while, as by an API server that has just started."""

    reads = 0

    def read(self, plan, total, before=None):
        if self.reads:
            self.reads -= 1
            raise RouteError("may not get it", refused=True)
        return super().read(plan, total, before)


@pytest.mark.parametrize(("denials", "pauses"), [(2, []), (3, [(Reason.ROUTE_REFUSED,)])])
def test_a_look_that_is_denied_reads_again_before_it_pauses(denials, pauses):
    mesh = Denying()
    lab = at(Lab(plan=plan(deadline="1h"), router=mesh), 5)
    mesh.reads = denials
    lab.run(30)
    assert mesh.reads == 0
    assert [decision.reasons for decision in lab.decisions if decision.action == "pause"] == pauses
    if not pauses:
        assert lab.run().phase == "promoted"
    assert lab.state == fold_all((entry.seq, entry.fact) for entry in lab.entries)


class Deletable(MemoryRouter):
    """A mesh whose route may be deleted: all pods then share the traffic. A write makes it anew."""

    gone = False

    def read(self, plan, total, before=None):
        if self.gone:
            raise RouteError("there is no such object", refused=True, absent=True)
        return super().read(plan, total, before)

    def write(self, plan, split, mark, before=None, *, is_last=False):
        super().write(plan, split, mark, before, is_last=is_last)
        self.gone = False

    def share(self, plan):
        return 0.5 if self.gone else super().share(plan)


@pytest.fixture
def deleted():
    """A lab whose route was deleted at 5 %, and which was paused for it for a while."""
    mesh = Deletable()
    lab = at(Lab(plan=plan(deadline="1h"), router=mesh), 5)
    mesh.gone = True
    paused(lab)
    lab.run(60)
    return lab


def test_resume_makes_a_deleted_route_anew_and_what_came_without_it_is_no_mismatch(deleted):
    assert sample_ratio.mismatched(deleted.state.shares)
    say(deleted, "resume")
    deleted.run(0.5)
    resumed = next(decision for decision in deleted.decisions if decision.action == "resume")
    assert resumed.reasons == ("human:resume", Reason.ROUTE_AGAIN)
    explanation = "are written again, after the mesh refused (there is no such object)"
    assert explanation in resumed.sentence
    assert deleted.router.statuses[deleted.plan.id].split == Split(5)
    assert (deleted.state.delivery.status, deleted.state.shares) == (
        "settled",
        sample_ratio.start(),
    )
    assert deleted.run().phase == "promoted"
    assert deleted.state == fold_all((entry.seq, entry.fact) for entry in deleted.entries)


def test_where_no_write_makes_it_the_pause_comes_again(deleted):
    deleted.router.refusing = "there is no such object"
    say(deleted, "resume")
    deleted.run(10)
    assert deleted.state.phase == "paused"
    assert (deleted.state.wanted, deleted.state.delivery.status) == (Split(5), "settled")
    assert deleted.decisions[-2].reasons == (Reason.ROUTE_REFUSED,)


def test_a_resume_that_was_recorded_without_it_brings_nothing(deleted):
    say(deleted, "resume")
    deleted.run(0.5)
    facts = deleted.facts
    index = next(
        n for n, decision in enumerate(facts) if getattr(decision, "action", "") == "resume"
    )
    old = facts[index].model_copy(update={"reasons": ("human:resume",)})
    before = list(enumerate(facts[:index], 1))
    for fact, is_open in [(old, False), (facts[index], True)]:
        assert fold_all([*before, (index + 1, fact)]).delivery.awaits(index + 1) == is_open


class CountingMesh(MemoryRouter):
    """A mesh that counts how often it is asked to change."""

    attempts = 0

    def write(self, plan, split, mark, before=None, *, is_last=False):
        self.attempts += 1
        super().write(plan, split, mark, before, is_last=is_last)


def test_harm_is_still_found_while_paused_and_the_rollback_is_tried_without_end():
    mesh = CountingMesh()
    lab = Lab(BAD, router=mesh)
    at(lab, 5)
    lab.router.refusing = NO
    lab.run_until(lambda state: state.phase == "reverting")
    before, mesh.attempts = len(lab.facts), 0
    lab.run(120)
    assert lab.state.phase == "reverting"
    assert mesh.attempts > 20, "at most 5 s apart"
    failures = [fact for fact in lab.facts[before:] if isinstance(fact, RouteFailed)]
    assert len(failures) <= 1, "an entry when the reason is new"
    lab.router.refusing = ""
    assert lab.run().phase == "rolled back"
    assert lab.router.statuses[lab.plan.id].split == Split(0)


def test_a_mesh_that_is_only_away_is_waited_for():
    lab = at(Lab(), 5)
    lab.router.down = "the API server does not answer"
    lab.run(20)
    assert lab.state.phase == "stepping"
    lab.router.down = ""
    assert lab.run().phase == "promoted"
    assert not [decision for decision in lab.decisions if Reason.ROUTE_REFUSED in decision.reasons]


def test_a_refusal_that_is_cured_before_the_next_look_is_no_pause():
    lab = at(Lab(), 5)
    lab.router.refusing = NO
    lab.run_until(lambda state: state.delivery.is_refused)
    lab.router.refusing = ""
    assert lab.run().phase == "promoted"
    assert not [decision for decision in lab.decisions if decision.action == "pause"]


def test_a_restart_in_the_pause_goes_on_in_it():
    lab = at(Lab(), 5)
    lab.router.refusing = NO
    paused(lab)
    lab.restart()
    assert lab.state == fold_all((entry.seq, entry.fact) for entry in lab.entries)
    assert (lab.state.phase, lab.state.delivery.status) == ("paused", "settled")
    assert isinstance([f for f in lab.facts if isinstance(f, Decided)][-1], Decided)


def test_what_the_traffic_did_while_the_object_was_gone_holds_nothing_after_a_resume():
    lab = at(Lab(plan=plan(deadline="1h"), router=Deletable()), 5)
    lab.router.gone = True
    paused(lab)
    lab.run(60)
    assert sample_ratio.mismatched(lab.state.shares)
    lab.router.gone = False
    say(lab, "resume")
    assert lab.run(180).phase == "promoted"


def test_a_share_that_contradicts_the_weight_is_none_forgotten_by_a_resume(monkeypatch):
    lab = at(Lab(plan=plan(deadline="1h")), 5)
    say(lab, "pause")
    paused(lab)
    monkeypatch.setattr(lab.router, "share", lambda _plan: 0.5)
    lab.run(60)
    say(lab, "resume")
    lab.run(4)
    assert sample_ratio.mismatched(lab.state.shares)


def test_a_paused_rollout_says_why_as_long_as_it_is_paused():
    lab = at(Lab(), 5)
    lab.router.refusing = NO
    paused(lab)
    lab.run(4)
    sentence = lab.decisions[-1].sentence
    assert sentence.startswith("Hold v2 at 5 %: paused")
    assert "(a webhook says no)" in sentence
    assert "rolls back after 1d" in sentence
