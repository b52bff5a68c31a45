"""A segment's plan that holds back: of all requests, and whatever interrupts it never of fewer."""

from __future__ import annotations

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.reasons import Reason
from rollout.decide.record.split import Split
from rollout.decide.step import step
from rollout.errors import RouteError
from rollout.explain.status import report
from rollout.ports import RouteStatus
from rollout.simulate import MemoryRouter
from tests.support.worlds import GOOD, Behaviour, Lab, plan

NO = "the role may not patch it"
WHOLE, HELD = Split(100, way="segment"), Split(95)
STEPS = [Split(50, way="segment"), WHOLE, HELD, Split(100)]


class Closed(MemoryRouter):
    """A mesh that may refuse to be read too."""

    def read(self, plan, total, before=None):
        if self.refusing:
            raise RouteError(self.refusing, refused=True)
        return super().read(plan, total, before)


def lab(share="10%", **spec):
    segment = {"header": {"name": "x-team", "exact": "beta"}}
    more = {"share": share} if share else {}
    wide = [{"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}]
    given = {
        "ramp": {"steps": ["50%", "100%"], "bake": "8s"},
        "traffic": {"segment": {**segment, **more}},
        "guardrails": wide,
        "holdback": {"share": "5%", "lasts": "30s"},
        **spec,
    }
    return Lab(plan=plan(**given), router=Closed())


def at(rollout, split):
    rollout.run_until(
        lambda s: s.split == split and not s.delivery.is_open and s.steady_at is not None
    )
    return rollout


def say(rollout, command):
    fact = HumanSaid(rollout=rollout.plan.id, at=rollout.clock.now(), command=command, actor="ada")
    rollout.journal.append([fact], rollout.entries[-1].seq)


def written(rollout):
    """What was written, without repetitions."""
    splits = [split for _, split, _ in rollout.router.writes]
    return [split for index, split in enumerate(splits) if splits[:index][-1:] != [split]]


def replays(rollout):
    for index, entry in enumerate(rollout.entries):
        if entry.fact.kind == "decided":
            state = fold_all((e.seq, e.fact) for e in rollout.entries[:index])
            assert step(state, entry.fact.at, rollout.plan.id) == entry.fact
    return True


@pytest.mark.parametrize("share", ["10%", None])
def test_after_the_whole_segment_comes_all_but_the_holdback(share):
    rollout = lab(share)
    assert rollout.run().phase == "promoted"
    assert written(rollout) == STEPS
    back = next(decision for decision in rollout.decisions if decision.action == "hold back")
    assert back.sentence.startswith(
        "Hold back 5 % on v1, v2 from 100 % of the segment to 95 %: every guardrail"
    )
    assert replays(rollout)


def test_what_comes_next_is_the_promotion_not_the_segment():
    rollout = at(lab(), HELD)
    assert report(rollout.plan.id, rollout.state, rollout.clock.now()).next.startswith(
        "promote in "
    )


def test_a_pause_meanwhile_and_a_resume_hold_back_anew():
    rollout = at(lab(), HELD)
    say(rollout, "pause")
    rollout.run(5)
    say(rollout, "resume")
    assert rollout.run().phase == "promoted"
    assert rollout.actions[-5:] == ["hold back", "pause", "resume", "hold back", "promote"]
    assert written(rollout) == STEPS
    assert replays(rollout)


@pytest.mark.parametrize("before", [WHOLE, HELD])
def test_a_refused_change_pauses_at_what_is_confirmed_and_resume_goes_on_from_there(before):
    rollout = at(lab(), before)
    rollout.router.refusing = NO
    paused = rollout.run_until(lambda state: state.phase == "paused")
    assert rollout.decisions[-1].reasons == (Reason.ROUTE_REFUSED,)
    assert (paused.split, paused.wanted, paused.delivery.status) == (before, before, "settled")
    rollout.router.refusing = ""
    say(rollout, "resume")
    assert rollout.run().phase == "promoted"
    assert written(rollout) == STEPS
    assert replays(rollout)


def test_a_refused_promotion_pauses_at_the_holdback_which_begins_anew():
    rollout = at(lab(), HELD)
    rollout.run_until(lambda state: state.phase == "promoting" or _nearly(rollout, state))
    rollout.router.refusing = NO
    assert rollout.run_until(lambda state: state.phase == "paused").split == HELD
    rollout.router.refusing = ""
    say(rollout, "resume")
    assert rollout.run().phase == "promoted"
    assert rollout.actions[-2:] == ["hold back", "promote"]


def _nearly(rollout, state):
    return rollout.clock.now() >= state.delivery.confirmed_at + 29


def test_harm_is_still_found_in_that_pause_and_the_rollback_is_tried_without_end():
    rollout = at(lab(), HELD)
    rollout.router.refusing = NO
    rollout.run_until(lambda state: state.phase == "paused")
    rollout.world.behaviours = {"v1": GOOD, "v2": Behaviour(errors=0.5)}
    rollout.run_until(lambda state: state.phase == "reverting")
    assert rollout.run(30).phase == "reverting"
    rollout.router.refusing = ""
    assert rollout.run().phase == "rolled back"
    assert rollout.router.statuses[rollout.plan.id].split == Split(0)


@pytest.mark.parametrize(("hand", "after"), [(40, [95, 100]), (97, [97, 100])])
def test_a_hands_weight_of_all_is_beyond_the_segment_and_never_lowered(hand, after):
    rollout = at(lab(onDrift="adopt"), Split(50, way="segment"))
    rollout.router.statuses[rollout.plan.id] = RouteStatus(Split(hand), "a hand")
    before = len(rollout.router.writes)
    assert rollout.run().phase == "promoted"
    assert [split for _, split, _ in rollout.router.writes[before:]] == [Split(n) for n in after]
