"""Less than full authority: the record says what full would do, and others move the weights."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, HumanSaid, Observed, Started
from rollout.decide.record.route_facts import Confirmed, RouteRead
from rollout.decide.record.split import Split
from rollout.decide.step import step
from rollout.errors import RouteError
from rollout.ports import RouteStatus
from rollout.simulate import MemoryRouter
from tests.support.worlds import BAD, GOOD, Behaviour, Lab, plan

SLOW = Behaviour(tail_share=0.2)


def give(lab, canary, total=100):
    """Somebody else gives the canary so much."""
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(canary, total), "flagger")


def ask(lab, command):
    lab.controller.note(
        HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command=command, actor="ann")
    )


def observing(authority="observe", canary=GOOD, **spec):
    return Lab(plan=plan(authority=authority, deadline="1h", **spec), canary=canary)


def wishes(lab):
    """What would have been done, holds left out."""
    would = [decided.would.action for decided in lab.decisions if decided.would]
    return [action for action in would if action != "hold"]


def as_observer(fact):
    """What an observer records of the same: the live split, where full confirms its own."""
    if isinstance(fact, Started):
        return fact.model_copy(update={"authority": "observe"})
    if isinstance(fact, Confirmed):
        return RouteRead(rollout=fact.rollout, at=fact.at, lived=fact.lived, split=fact.split)
    return fact


def replay_as_observer(facts):
    """At each look the observer's decision, and full's on the same record; None: as before."""
    state, looks = None, list[Any]()
    for seq, fact in enumerate(facts, 1):
        if isinstance(fact, Decided):
            looks[-1] = looks[-1][0], fact
            continue
        state = fold(state, as_observer(fact), seq)
        if isinstance(fact, Observed):
            decided = step(state, fact.at, fact.rollout, fact.lived)
            assert decided is not None
            looks.append((decided, None))
            state = fold(state, decided, seq)
    return looks


def without_exposure(numbers):
    """A share that others move is tested anew from there, as after every edit by hand."""
    return {name: number for name, number in numbers.items() if name != "exposure"}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("canary", [GOOD, BAD, SLOW], ids=["good", "bad", "slow"])
def test_what_it_would_do_is_what_full_authority_does_on_the_same_record(canary, seed):
    lab = Lab(canary=canary, seed=seed)
    lab.run(300)
    assert lab.actions[-1] in {"promote", "roll back"}
    looks = replay_as_observer(lab.facts)
    steps = [fact.action for _, fact in looks if fact is not None and fact.action != "hold"]
    assert steps == lab.actions
    weighed = [look for look in looks if look[0].reasons[0] != "awaiting-weight"]
    assert len(weighed) >= 5
    for decided, fact in weighed:
        assert decided.action == "hold"
        full = ("hold", decided.split) if fact is None else (fact.action, fact.split)
        assert (decided.would.action, decided.would.split) == full
        if fact is not None:
            assert decided.reasons == fact.reasons
            assert without_exposure(decided.numbers) == without_exposure(fact.numbers)


def test_an_observer_takes_the_live_split_as_given_and_writes_nothing():
    lab = observing(canary=BAD)
    lab.run(10)
    assert lab.decisions[-1].sentence.startswith("Would hold v2 at 0 %: the route gives v2 no")
    give(lab, 25)
    lab.run(60)
    assert lab.state.phase == "observing"
    assert lab.state.split.share == 0.25
    assert {decided.action for decided in lab.decisions} == {"hold"}
    assert wishes(lab)[-1] == "roll back"
    assert "drifted" not in {fact.kind for fact in lab.facts}
    last = lab.decisions[-1]
    assert last.sentence.startswith("Would roll back v2 from 25 % to 0 %, all traffic to v1: ")
    assert last.sentence.endswith("; authority observe, so nothing is written.")
    give(lab, 5)  # people take it down themselves
    lab.run(10)
    assert lab.state.split.share == 0.05
    assert lab.router.writes == []


def test_it_records_at_each_look():
    lab = observing()
    give(lab, 25)
    lab.run(60)
    looks = [fact for fact in lab.facts if fact.kind == "observed"]
    assert len(lab.decisions) >= len(looks) > 20


@pytest.mark.parametrize("ending", ["abort", "deadline"])
def test_neither_an_abort_nor_the_deadline_writes(ending):
    lab = observing()
    give(lab, 25)
    lab.run(60)
    if ending == "abort":
        ask(lab, "abort")
    lab.run(4000)
    assert (lab.state.phase, lab.actions) == ("observed", ["end"])
    assert lab.router.writes == []
    assert lab.state.stable_after is None
    assert lab.router.statuses[lab.plan.id].split == Split(25)


def test_a_commanded_promotion_is_answered_and_not_done():
    lab = observing()
    give(lab, 25)
    lab.run(20)
    ask(lab, "promote")
    lab.run(2)
    assert "promote" in wishes(lab)
    assert any(decided.sentence.startswith("Would promote v2") for decided in lab.decisions[-3:])
    assert lab.router.writes == []


def test_abort_only_writes_its_rollbacks_and_nothing_else():
    lab = observing("abort-only", canary=BAD)
    lab.run(10)
    give(lab, 25)
    lab.run(120)
    assert (lab.state.phase, lab.actions) == ("rolled back", ["roll back"])
    assert [split for _, split, _ in lab.router.writes] == [Split(0)]
    assert "authority" not in lab.decisions[-1].sentence


def test_abort_only_leaves_a_good_canary_alone_until_a_person_aborts():
    lab = observing("abort-only")
    give(lab, 50)
    lab.run(120)
    assert "promote" in wishes(lab)
    assert lab.router.writes == []
    ask(lab, "abort")
    lab.run(20)
    assert lab.state.phase == "rolled back"
    assert [split for _, split, _ in lab.router.writes] == [Split(0)]


def test_a_promotion_by_others_is_not_rolled_back_for_want_of_stable():
    lab = observing("abort-only")
    give(lab, 50)
    lab.run(60)
    give(lab, 100)
    lab.run(4000)
    assert lab.router.writes == []
    assert (lab.state.phase, lab.actions) == ("observed", ["end"])


@pytest.mark.parametrize("word", ["promote", "resume"])
def test_advance_asks_a_person_for_the_promotion_only(word):
    lab = Lab(plan=plan(authority="advance", deadline="1h"))
    lab.run(200)
    assert lab.actions == ["advance", "advance", "advance", "pause"]
    asked = lab.decisions[-2] if lab.decisions[-1].action == "hold" else lab.decisions[-1]
    assert asked.would is not None
    assert asked.would.action == "promote"
    assert asked.reasons == ("awaiting-person", "all-safe")
    assert "leaves the promotion to a person" in asked.sentence
    ask(lab, word)
    assert lab.run(30).phase == "promoted"


def test_advance_rolls_back_by_itself():
    lab = Lab(canary=BAD, plan=plan(authority="advance"))
    assert lab.run(200).phase == "rolled back"


@pytest.mark.parametrize(
    ("own", "installed", "holds"),
    [
        (None, "observe", "observe"),
        ("observe", "full", "observe"),
        ("advance", "abort-only", "abort-only"),
        ("abort-only", "advance", "abort-only"),
        (None, "full", None),
    ],
)
def test_the_narrower_of_plan_and_installation_holds_and_is_recorded(own, installed, holds):
    lab = Lab(plan=plan(authority=own))
    lab.controller.authority = installed
    other = plan("other", service="other", authority=own)
    lab.controller.start([other])
    started = lab.facts[-1]
    assert isinstance(started, Started)
    assert started.authority == holds
    assert lab.controller.states[other.id].authority == (holds or "full")
    assert ("authority" in started.model_dump()) == (holds is not None)


def test_an_installation_that_only_observes_writes_nothing_that_was_decided_before():
    lab = Lab()
    lab.run_until(lambda state: state.split.canary == 5)
    written = list(lab.router.writes)
    lab.controller._router.authority = "observe"
    lab.run(60)
    assert lab.router.writes == written
    assert lab.state.pause is not None
    assert "--authority observe allows no such write" in lab.state.pause.sentence


class Absent(MemoryRouter):
    def read(self, plan, total, before=None):
        raise RouteError("rds.json has no route to v2", absent=True)


def test_a_route_that_cannot_be_read_gets_a_sentence():
    lab = Lab(plan=plan(authority="observe"), router=Absent())
    lab.run(10)
    text = "the route cannot be read (rds.json has no route to v2), so nobody knows"
    assert text in lab.decisions[-1].sentence


def test_a_controller_that_starts_again_observes_as_before():
    lab = observing(canary=BAD)
    lab.run(10)
    give(lab, 25)
    lab.run(30)
    before = lab.state
    lab.restart()
    assert lab.controller.full_state(lab.rollout) == before
    lab.run(30)
    assert wishes(lab)[-1] == "roll back"
