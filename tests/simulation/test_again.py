"""A promotion taken back and a plan tried anew, by a person's word."""

from __future__ import annotations

import pytest

from rollout.cli.act.again import record_undo_or_retry
from rollout.cli.act.command import worded
from rollout.decide.fold import fold_all
from rollout.decide.record.facts import Command, Confirmed, Decided, HumanSaid, Started
from rollout.decide.record.split import Split
from rollout.decide.step import step
from rollout.errors import InputError
from rollout.ports import Ports
from rollout.tick.controller import Controller
from rollout.tick.fleet import attempt_id, service_key
from tests.support.reaper import Killed, Mortal, Reaper
from tests.support.worlds import BAD, GOOD, Lab, plan


def say(made: Lab, command: Command, reason: str = "ticket 7"):
    said = worded(command, actor="ada@host", reason=reason, now=made.clock.now())
    return record_undo_or_retry(made.journal, made.plan.name, said)


def ended(canary=GOOD, **ports):
    made = Lab(canary, plan=plan(warmup="2s"), **ports)
    made.run()
    return made


def tick(made: Lab, seconds: float = 1.0) -> None:
    for _ in range(round(seconds / 0.5)):
        made.controller.tick()
        made.clock.sleep(0.5)


def stable_of(made: Lab) -> str | None:
    return made.controller.fleet.stable(*service_key(made.plan))


def test_an_undo_gives_the_old_version_all_traffic_at_the_next_tick():
    made = ended()
    assert stable_of(made) == "v2"
    (entry,) = say(made, "undo")
    assert isinstance(entry.fact, HumanSaid)
    assert (entry.fact.actor, entry.fact.reason) == ("ada@host", "ticket 7")
    made.controller.tick()
    assert made.state.phase == "undone"
    assert made.router.statuses[made.plan.id].split == Split(0, 100)
    assert stable_of(made) == "v1"
    decided = made.decisions[-1]
    assert decided.sentence == (
        "Undo the promotion of v2, all traffic to v1: asked by ada@host (ticket 7)."
    )


def test_it_is_recorded_before_it_acts_and_replays():
    made = ended()
    say(made, "undo")
    tick(made)
    kinds = [fact.kind for fact in made.facts if fact.kind != "observed"]
    assert kinds[-3:] == ["human-said", "decided", "confirmed"]
    index = max(i for i, fact in enumerate(made.facts) if isinstance(fact, Decided))
    before = fold_all((e.seq, e.fact) for e in made.entries[:index])
    assert step(before, made.facts[index].at, made.plan.id) == made.facts[index]


def test_the_record_says_which_version_is_stable():
    made = ended()
    say(made, "undo")
    tick(made)
    told = [fact.stable for fact in made.facts if isinstance(fact, Confirmed)]
    assert told == [None, None, None, "v2", "v1"]
    assert [f.stable for f in ended(BAD).facts if isinstance(f, Confirmed)][-1] == "v1"


def test_a_mesh_that_refuses_is_asked_again_and_the_word_can_be_taken_back():
    made = ended()
    say(made, "undo")
    made.router.down = "DestinationRule summarizer has no subset v1"
    tick(made, 20)
    assert (made.state.phase, stable_of(made)) == ("undoing", "v2")
    assert made.state.route_problem == "DestinationRule summarizer has no subset v1"
    said = worded("promote", actor="ada", reason="", now=made.clock.now())
    made.journal.append([said.model_copy(update={"rollout": made.plan.id})], made.entries[-1].seq)
    made.router.down = ""
    tick(made, 40)
    assert (made.state.phase, stable_of(made)) == ("promoted", "v2")


def test_nothing_else_ends_an_undo():
    made = ended()
    say(made, "undo")
    made.router.stuck = True
    tick(made, 2)
    for command in ("abort", "pause"):
        fact = HumanSaid(rollout=made.plan.id, at=1.0, command=command, actor="ada")
        made.journal.append([fact], made.entries[-1].seq)
        tick(made)
        assert (made.state.phase, made.state.asked) == ("undoing", None)


@pytest.mark.parametrize(
    ("canary", "command", "words"),
    [
        (GOOD, "retry", "nothing to retry: v2 has all traffic"),
        (BAD, "undo", "nothing to undo: v1 has all traffic"),
    ],
)
def test_words_that_make_no_sense_are_refused(canary, command, words):
    made = ended(canary)
    with pytest.raises(InputError, match=words):
        say(made, command)
    assert not any(isinstance(fact, HumanSaid) for fact in made.facts)


@pytest.mark.parametrize("command", ["undo", "retry"])
def test_a_rollout_under_way_is_aborted_not_undone(command):
    made = Lab()
    with pytest.raises(InputError, match=r"has not ended \(waiting\): `surefoot abort`"):
        say(made, command)


def follow_up(made: Lab) -> str:
    """Another plan of the same service begins after the first."""
    after = plan("next", stable={"version": "v2"}, canary={"version": "v3"})
    (rollout,) = made.controller.start([after])
    return rollout


def test_only_the_newest_promotion_of_a_service_is_undone():
    made = ended()
    later = follow_up(made)
    with pytest.raises(InputError, match=f"{later} came after"):
        say(made, "undo")
    # Nor does a word that somebody wrote into the journal by other means move traffic.
    fact = HumanSaid(rollout=made.plan.id, at=1.0, command="undo", actor="eve")
    made.journal.append([fact], made.entries[-1].seq)
    made.controller.catch_up()
    assert made.state.terminal


def test_no_plan_begins_while_an_undo_is_under_way():
    made = ended()
    say(made, "undo")
    with pytest.raises(InputError, match="is being rolled out by"):
        follow_up(made)
    tick(made)
    with pytest.raises(InputError, match=r"stable-mismatch: next has spec\.stable\.version v2"):
        follow_up(made)


def test_a_retry_is_a_rollout_of_its_own_with_evidence_of_its_own():
    made = ended(BAD)
    said, begun = say(made, "retry")
    assert isinstance(said.fact, HumanSaid)
    assert isinstance(begun.fact, Started)
    second = begun.fact.rollout
    assert second == attempt_id(made.plan.id, 2) != made.plan.id
    made.world.behaviours = {"v1": GOOD, "v2": GOOD}
    made.controller.catch_up()
    fresh = made.controller.states[second]
    assert all(not gauge.cursor.last for gauge in fresh.gauges.values())
    writes = len(made.router.writes)
    while not made.controller.states[second].terminal:
        tick(made)
    assert made.controller.states[second].phase == "promoted"
    assert made.state.phase == "rolled back", "the first attempt never rises again"
    assert {mark.partition("/")[0] for _, _, mark in made.router.writes[writes:]} == {second}


def test_run_goes_on_with_the_newest_attempt():
    made = ended(BAD)
    say(made, "retry")
    controller = Controller(Ports(made.world, made.router, made.journal, made.clock), "test")
    assert controller.start([made.plan]) == [attempt_id(made.plan.id, 2)]


def test_an_undone_plan_is_retried_and_a_third_attempt_counts_on():
    made = ended()
    for number in (2, 3):
        say(made, "undo")
        tick(made)
        _, begun = say(made, "retry")
        assert begun.fact.rollout == attempt_id(made.plan.id, number)
        made.controller.catch_up()
        while made.controller.active:
            tick(made)


def test_a_retry_is_refused_where_another_version_is_stable_by_now():
    made = ended(BAD)
    other = plan("other", canary={"version": "v3"})
    made.world.behaviours = {"v1": GOOD, "v2": BAD, "v3": GOOD}
    made.controller.start([other])
    with pytest.raises(InputError, match="is being rolled out by"):
        say(made, "retry")
    while made.controller.active:
        tick(made)
    with pytest.raises(InputError, match="stable-mismatch"):
        say(made, "retry")


@pytest.mark.parametrize(("attempt", "name"), [(1, "a-12345678"), (2, "a-123456-2")])
def test_an_attempt_s_id_is_no_longer_than_the_first(attempt, name):
    assert attempt_id("a-12345678", attempt) == name
    assert len(attempt_id("a-12345678", 123)) == len("a-12345678")


def test_a_death_before_or_after_any_effect_of_an_undo_leaves_the_same_journal():
    def live(reaper: Reaper):
        made = ended()
        say(made, "undo")
        made.wrap = lambda ports: Ports(
            ports.observer, Mortal(ports.router, reaper), Mortal(ports.journal, reaper), ports.clock
        )
        made.restart()
        while not made.state.terminal:
            try:
                made.controller.tick()
            except Killed:
                made.restart()
        return made

    unharmed = Reaper(0, after=False)
    whole = live(unharmed)
    assert unharmed.effects == ["record", "route", "confirmed"]
    for at in range(1, unharmed.count + 1):
        for after in (False, True):
            again = live(Reaper(at, after=after))
            assert [e.hash for e in again.entries] == [e.hash for e in whole.entries]
            assert again.router.statuses == whole.router.statuses
