"""A segment's plan that holds back: of all requests, and whatever interrupts it never of fewer."""

from __future__ import annotations

import pytest

from rollout.cli.text.report import report
from rollout.decide.fold import fold_all
from rollout.decide.record.facts import REFUSED, HumanSaid
from rollout.decide.record.split import Split
from rollout.decide.step import step
from rollout.errors import RouteError
from rollout.ports import RouteStatus
from rollout.simulate import MemoryRouter
from tests.support.worlds import GOOD, Behaviour, Lab, plan

NO = "the role may not patch it"
WHOLE, HELD = Split(100, way="segment"), Split(95)
STEPS = [Split(50, way="segment"), WHOLE, HELD, Split(100)]


class Closed(MemoryRouter):
    """A mesh that may refuse to be read too."""

    def read(self, plan, total):
        if self.refusing:
            raise RouteError(self.refusing, refused=True)
        return super().read(plan, total)


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


def at(made, split):
    made.run_until(lambda s: s.split == split and s.awaiting is None and s.steady_at is not None)
    return made


def say(made, command):
    fact = HumanSaid(rollout=made.plan.id, at=made.clock.now(), command=command, actor="ada")
    made.journal.append([fact], made.entries[-1].seq)


def written(made):
    """What was written, without repetitions."""
    splits = [split for _, split, _ in made.router.writes]
    return [split for place, split in enumerate(splits) if splits[:place][-1:] != [split]]


def replays(made):
    for index, entry in enumerate(made.entries):
        if entry.fact.kind == "decided":
            state = fold_all((e.seq, e.fact) for e in made.entries[:index])
            assert step(state, entry.fact.at, made.plan.id) == entry.fact
    return True


@pytest.mark.parametrize("share", ["10%", None])
def test_after_the_whole_segment_comes_all_but_the_holdback(share):
    made = lab(share)
    assert made.run().phase == "promoted"
    assert written(made) == STEPS
    back = next(each for each in made.decisions if each.action == "hold back")
    assert back.sentence.startswith(
        "Hold back 5 % on v1, v2 from 100 % of the segment to 95 %: every guardrail"
    )
    assert replays(made)


def test_what_comes_next_is_the_promotion_not_the_segment():
    made = at(lab(), HELD)
    assert report(made.plan.id, made.state, made.clock.now()).next.startswith("promote in ")


def test_a_pause_meanwhile_and_a_resume_hold_back_anew():
    made = at(lab(), HELD)
    say(made, "pause")
    made.run(5)
    say(made, "resume")
    assert made.run().phase == "promoted"
    assert made.actions[-5:] == ["hold back", "pause", "resume", "hold back", "promote"]
    assert written(made) == STEPS
    assert replays(made)


@pytest.mark.parametrize("before", [WHOLE, HELD])
def test_a_refused_change_pauses_at_what_is_confirmed_and_resume_goes_on_from_there(before):
    made = at(lab(), before)
    made.router.refusing = NO
    paused = made.run_until(lambda state: state.phase == "paused")
    assert made.decisions[-1].reasons == (REFUSED,)
    assert (paused.split, paused.wanted, paused.awaiting) == (before, before, None)
    made.router.refusing = ""
    say(made, "resume")
    assert made.run().phase == "promoted"
    assert written(made) == STEPS
    assert replays(made)


def test_a_refused_promotion_pauses_at_the_holdback_which_begins_anew():
    made = at(lab(), HELD)
    made.run_until(lambda state: state.phase == "promoting" or _nearly(made, state))
    made.router.refusing = NO
    assert made.run_until(lambda state: state.phase == "paused").split == HELD
    made.router.refusing = ""
    say(made, "resume")
    assert made.run().phase == "promoted"
    assert made.actions[-2:] == ["hold back", "promote"]


def _nearly(made, state):
    return made.clock.now() >= state.confirmed_at + 29


def test_harm_is_still_found_in_that_pause_and_the_rollback_is_tried_without_end():
    made = at(lab(), HELD)
    made.router.refusing = NO
    made.run_until(lambda state: state.phase == "paused")
    made.world.behaviours = {"v1": GOOD, "v2": Behaviour(errors=0.5)}
    made.run_until(lambda state: state.phase == "reverting")
    assert made.run(30).phase == "reverting"
    made.router.refusing = ""
    assert made.run().phase == "rolled back"
    assert made.router.statuses[made.plan.id].split == Split(0)


@pytest.mark.parametrize(("hand", "after"), [(40, [95, 100]), (97, [97, 100])])
def test_a_hands_weight_of_all_is_beyond_the_segment_and_never_lowered(hand, after):
    made = at(lab(onDrift="adopt"), Split(50, way="segment"))
    made.router.statuses[made.plan.id] = RouteStatus(Split(hand), "a hand")
    before = len(made.router.writes)
    assert made.run().phase == "promoted"
    assert [split for _, split, _ in made.router.writes[before:]] == [Split(n) for n in after]
