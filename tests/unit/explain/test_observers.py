"""Every reader of a rollout that only observes says what it would do, and that it does not."""

from __future__ import annotations

import pytest

from rollout.cli.inspect.wait import find_ending
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.split import Split
from rollout.explain.decision.replayed import explain
from rollout.explain.entry import sentence, what
from rollout.explain.permission import give_permission
from rollout.explain.status import report
from rollout.journal.memory import MemoryJournal
from rollout.operate.status.conditions import PlanAcceptance
from rollout.operate.status.events import event_of
from rollout.operate.status.history import RolloutHistory
from rollout.operate.status.status import with_rollout
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from rollout.page.views import cards
from rollout.ports import RouteStatus
from rollout.review.look import differences
from tests.support.plans import resource
from tests.support.worlds import BAD, GOOD, Lab, plan


def observed(canary=BAD, *, seconds=60.0):
    """A rollout that has observed a canary at 25 % for a while."""
    lab = Lab(canary, plan(authority="observe", deadline="1h"))
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(25), "others")
    lab.run(seconds)
    return lab


def list_events(lab):
    """The Events of every entry that a resource would get."""
    history = RolloutHistory(lab.controller.states)
    for entry in lab.entries:
        history.note(entry)
    plan_resource = resource("demo")
    return [
        event["reason"]
        for new in history.new_entries("default/demo")
        if (event := event_of(plan_resource, new.entry, new.phase))
    ]


def test_status_says_what_would_be_done_and_by_which_authority():
    lab = observed()
    status = report(lab.rollout, lab.state, lab.clock.now()).as_json()
    assert (status["phase"], status["authority"]) == ("observing", "observe")
    assert (status["would"], status["weight"]) == ("roll back", 0.25)
    assert status["said"].startswith("Would roll back v2 from 25 % to 0 %")
    assert status["next"].startswith("look on, and end by surefoot abort demo or in ")


def test_a_rollout_of_full_authority_says_nothing_of_it():
    lab = Lab()
    lab.run(20)
    status = report(lab.rollout, lab.state, lab.clock.now())
    assert (status.authority, status.would) == ("full", "")
    assert not any("would" in fact.model_dump() for fact in lab.decisions)


def test_the_log_names_the_wish():
    lab = observed()
    line = lab.decisions[-1]
    assert what(line) == "would roll back"
    assert "authority observe, so nothing is written" in sentence(line)


def test_a_person_is_called_by_a_wish():
    lab = observed()
    (card,) = cards(lab.controller.states, lab.clock.now())
    assert card.calls == "would roll back"
    good = observed(GOOD)
    (card,) = cards(good.controller.states, good.clock.now())
    assert card.calls == ""


def test_the_page_of_a_rollout_has_both():
    lab = observed()
    assert isinstance(lab.journal, MemoryJournal)
    pages = PageSet(JournalReader(lab.journal, lab.clock.now, pause=0), lab.journal, Links())
    html = pages.rollout(lab.rollout)
    assert "observing, would roll back" in html
    assert "<dt>authority</dt><dd>observe</dd>" in html
    assert "would roll back" in pages.home()


def test_a_pipeline_is_told_to_stop():
    lab = observed()
    permission = give_permission(lab.rollout, lab.state, "step", lab.clock.now())
    assert permission.answer == "stop"
    assert permission.why == (
        "harm is shown by errors, latency and accuracy: the canary would be rolled back"
    )


def ended(canary, **spec):
    """A rollout that has observed a canary at 25 % until its deadline, or an abort."""
    lab = Lab(canary, plan(authority="observe", **spec))
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(25), "others")
    return lab


def ask_ended(lab, goal="step"):
    assert lab.state.phase == "observed"
    return give_permission(lab.rollout, lab.state, goal, lab.clock.now() + 3600)


@pytest.mark.parametrize("goal", ["step", "promotion"])
def test_a_pipeline_may_go_on_after_an_observation_that_proved_the_canary_safe(goal):
    lab = ended(GOOD, deadline="4m")
    lab.run(600)
    answered = ask_ended(lab, goal)
    assert (answered.answer, answered.rolls_back) == ("go", False)
    assert set(answered.guardrails.values()) == {"safe"}


@pytest.mark.parametrize("goal", ["step", "promotion"])
@pytest.mark.parametrize(("inconclusive", "goes_back"), [("pause", False), ("rollback", True)])
def test_an_observation_without_a_proof_ends_the_waiting(goal, inconclusive, goes_back):
    lab = ended(GOOD, deadline="16s", whenInconclusive=inconclusive)
    lab.run()
    answered = ask_ended(lab, goal)
    assert (answered.answer, answered.rolls_back) == ("stop", goes_back)
    assert "(surefoot retry observes again)" in answered.why


def test_an_observation_that_a_person_ended_is_no_leave_to_go_on():
    lab = ended(GOOD, deadline="1h")
    lab.run(30)
    fact = HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command="abort", actor="ana")
    lab.controller.note(fact)
    lab.run()
    answered = ask_ended(lab)
    assert (answered.answer, answered.rolls_back) == ("stop", False)
    assert "asked by ana" in answered.why


def test_harm_that_an_observation_ended_in_is_told_first():
    lab = ended(BAD, deadline="1m")
    lab.run()
    answered = ask_ended(lab)
    assert (answered.answer, answered.rolls_back) == ("stop", True)
    assert answered.why.startswith("harm is shown by ")


def test_a_wish_is_one_event_until_it_changes():
    events = list_events(observed(seconds=120))
    assert 1 <= events.count("WouldRollBack") <= 2, "some 50 looks would"


def test_the_resource_shows_it():
    lab = observed()
    history = RolloutHistory(lab.controller.states)
    for entry in lab.entries:
        history.note(entry)
    story = history.story("default/demo")
    assert story is not None
    status = with_rollout(resource("demo"), PlanAcceptance(), story, lab.clock.now())
    assert (status["phase"], status["weight"]) == ("observing", "25%")
    assert status["decision"]["sentence"].startswith("Would roll back")


def test_why_comes_to_the_same_wish_again():
    lab = observed()
    entry = next(own for own in reversed(lab.entries) if own.fact.kind == "decided")
    assert explain(lab.entries, entry.seq)["replayed"]
    fact = lab.decisions[-1]
    other = fact.model_copy(update={"would": None})
    assert differences(fact, other) == ("would",)


def test_an_observation_that_a_person_ends_is_an_end():
    lab = observed()
    lab.controller.note(
        HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command="abort", actor="ann")
    )
    lab.run(5)
    ending = find_ending(lab.rollout, lab.state)
    assert ending is not None
    assert (ending.phase, ending.cause) == ("observed", "person")
    assert ending.exit_code("decided") == 0
    assert ending.exit_code("promoted") == 5
    assert ending.sentence.startswith("End the observation of v2, nothing was written; would roll")
