"""The ladder of steps: how far a rollout came, and where it stands."""

from __future__ import annotations

from rollout.decide.record.facts import HumanSaid
from rollout.explain.ladder import climb, find_highest
from rollout.explain.status import report
from tests.support.worlds import BAD, GOOD, Lab


def ladder_of(lab):
    status = report(lab.rollout, lab.state, lab.clock.now())
    return [
        (rung.label, rung.progress) for rung in climb(lab.state, status, find_highest(lab.entries))
    ]


def test_before_a_first_step_all_is_ahead():
    lab = Lab()
    assert ladder_of(lab)[:2] == [("0 %", "now"), ("5 %", "ahead")]


def test_a_step_is_now_and_those_before_it_were_reached():
    lab = Lab()
    lab.run_until(lambda state: state.split.share > 0.04)
    rungs = ["reached", "now", "ahead", "ahead", "ahead"]
    assert [progress for _, progress in ladder_of(lab)] == rungs


def test_after_a_promotion_all_was_reached():
    lab = Lab(GOOD)
    assert lab.run().phase == "promoted"
    assert ladder_of(lab)[-1] == ("100 %", "now")
    assert {progress for _, progress in ladder_of(lab)[:-1]} == {"reached"}


def test_after_a_rollback_the_steps_that_were_reached_say_so():
    lab = Lab(BAD)
    assert lab.run().phase == "rolled back"
    highest = find_highest(lab.entries)
    assert 0 < highest < 0.5
    rungs = dict(ladder_of(lab))
    assert rungs["5 %"] == "reached"
    assert rungs["50 %"] == rungs["100 %"] == "not reached"
    assert ladder_of(lab)[-1] == ("rolled back, 0 %", "now")


def test_after_an_abort_it_is_the_same():
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.share > 0.2)
    fact = HumanSaid(
        rollout=lab.rollout, at=lab.clock.now(), command="abort", actor="a person", reason=""
    )
    lab.journal.append([fact], lab.entries[-1].seq)
    lab.run()
    assert [progress for _, progress in ladder_of(lab)][:4] == [*["reached"] * 3, "not reached"]
