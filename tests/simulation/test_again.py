"""A promotion taken back and a plan tried anew, by a person's word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.cli.act.again import record_undo_or_retry
from rollout.cli.act.command import worded
from rollout.decide.fold import fold_all
from rollout.decide.record.facts import Command, Decided, HumanSaid, Started
from rollout.decide.record.route_facts import Confirmed
from rollout.decide.record.split import Split
from rollout.decide.record.write_id import attempt_id
from rollout.decide.step import step
from rollout.errors import InputError
from rollout.ports import Ports
from rollout.tick.attempts import EndpointCheck, facts_for
from rollout.tick.controller import Controller
from rollout.tick.fleet import fleet_of, recorded_stable, service_key
from tests.support.reaper import Killed, Mortal, Reaper
from tests.support.worlds import BAD, GOOD, Lab, plan


def say(lab: Lab, command: Command, reason: str = "ticket 7"):
    command_fact = worded(command, actor="ada@host", reason=reason, now=lab.clock.now())
    return record_undo_or_retry(lab.journal, lab.plan.name, command_fact)


def ended(canary=GOOD, **ports):
    lab = Lab(canary, plan=plan(warmup="2s"), **ports)
    lab.run()
    return lab


def tick(lab: Lab, seconds: float = 1.0) -> None:
    for _ in range(round(seconds / 0.5)):
        lab.controller.tick()
        lab.clock.sleep(0.5)


def stable_of(lab: Lab) -> str | None:
    return lab.controller.fleet.stable(*service_key(lab.plan))


def test_an_undo_gives_the_old_version_all_traffic_at_the_next_tick():
    lab = ended()
    assert stable_of(lab) == "v2"
    (entry,) = say(lab, "undo")
    assert isinstance(entry.fact, HumanSaid)
    assert (entry.fact.actor, entry.fact.reason) == ("ada@host", "ticket 7")
    lab.controller.tick()
    assert lab.state.phase == "undone"
    assert lab.router.statuses[lab.plan.id].split == Split(0, 100)
    assert stable_of(lab) == "v1"
    decided = lab.decisions[-1]
    assert decided.sentence == (
        "Undo the promotion of v2, all traffic to v1: asked by ada@host (ticket 7)."
    )


def test_it_is_recorded_before_it_acts_and_replays():
    lab = ended()
    say(lab, "undo")
    tick(lab)
    kinds = [fact.kind for fact in lab.facts if fact.kind != "observed"]
    assert kinds[-3:] == ["human-said", "decided", "confirmed"]
    index = max(i for i, fact in enumerate(lab.facts) if isinstance(fact, Decided))
    before = fold_all((e.seq, e.fact) for e in lab.entries[:index])
    assert step(before, lab.facts[index].at, lab.plan.id) == lab.facts[index]


def test_the_record_says_which_version_is_stable():
    lab = ended()
    say(lab, "undo")
    tick(lab)
    stable_versions = [fact.stable for fact in lab.facts if isinstance(fact, Confirmed)]
    assert stable_versions == [None, None, None, "v2", "v1"]
    assert [f.stable for f in ended(BAD).facts if isinstance(f, Confirmed)][-1] == "v1"


def test_a_mesh_that_refuses_is_asked_again_and_the_word_can_be_taken_back():
    lab = ended()
    say(lab, "undo")
    lab.router.down = "DestinationRule summarizer has no subset v1"
    tick(lab, 20)
    assert (lab.state.phase, stable_of(lab)) == ("undoing", "v2")
    assert lab.state.route_problem == "DestinationRule summarizer has no subset v1"
    promotion = worded("promote", actor="ada", reason="", now=lab.clock.now())
    lab.journal.append([promotion.model_copy(update={"rollout": lab.plan.id})], lab.entries[-1].seq)
    lab.router.down = ""
    tick(lab, 40)
    assert (lab.state.phase, stable_of(lab)) == ("promoted", "v2")


def test_nothing_else_ends_an_undo():
    lab = ended()
    say(lab, "undo")
    lab.router.stuck = True
    tick(lab, 2)
    for command in ("abort", "pause"):
        fact = HumanSaid(rollout=lab.plan.id, at=1.0, command=command, actor="ada")
        lab.journal.append([fact], lab.entries[-1].seq)
        tick(lab)
        assert (lab.state.phase, lab.state.asked) == ("undoing", None)


@pytest.mark.parametrize(
    ("canary", "command", "words"),
    [
        (GOOD, "retry", "nothing to retry: v2 has all traffic"),
        (BAD, "undo", "nothing to undo: v1 has all traffic"),
    ],
)
def test_words_that_make_no_sense_are_refused(canary, command, words):
    lab = ended(canary)
    with pytest.raises(InputError, match=words):
        say(lab, command)
    assert not any(isinstance(fact, HumanSaid) for fact in lab.facts)


@pytest.mark.parametrize("command", ["undo", "retry"])
def test_a_rollout_under_way_is_aborted_not_undone(command):
    lab = Lab()
    with pytest.raises(InputError, match=r"has not ended \(waiting\): `surefoot abort`"):
        say(lab, command)


def follow_up(lab: Lab) -> str:
    """Another plan of the same service begins after the first."""
    after = plan("next", stable={"version": "v2"}, canary={"version": "v3"})
    (rollout,) = lab.controller.start([after])
    return rollout


def test_only_the_newest_promotion_of_a_service_is_undone():
    lab = ended()
    later = follow_up(lab)
    with pytest.raises(InputError, match=rf"{later} is under way .*`surefoot abort next`"):
        say(lab, "undo")
    # Nor does a word that somebody wrote into the journal by other means move traffic.
    fact = HumanSaid(rollout=lab.plan.id, at=1.0, command="undo", actor="eve")
    lab.journal.append([fact], lab.entries[-1].seq)
    lab.controller.catch_up()
    assert lab.state.is_terminal


def run_follow_up(lab: Lab, behaviour) -> str:
    """The next plan of the service, until its end."""
    lab.world.behaviours = {**lab.world.behaviours, "v3": behaviour}
    later = follow_up(lab)
    while lab.controller.active:
        tick(lab)
    return later


def test_the_newest_promotion_is_undone_also_after_a_failed_successor():
    lab = ended()
    later = run_follow_up(lab, BAD)
    assert (lab.controller.states[later].phase, stable_of(lab)) == ("rolled back", "v2")
    (entry,) = say(lab, "undo")
    assert isinstance(entry.fact, HumanSaid)
    assert entry.fact.past_successor
    tick(lab)
    assert (lab.state.phase, stable_of(lab)) == ("undone", "v1")
    fleet = fleet_of(lab.journal)
    assert fleet.stable(*service_key(lab.plan)) == "v1", "a restart reads the same"
    with pytest.raises(InputError, match="was undone, nothing to undo: v1 has all traffic"):
        say(lab, "undo")


def test_an_older_promotion_is_undone_after_the_newer_one():
    lab = ended()
    later = run_follow_up(lab, GOOD)
    with pytest.raises(InputError, match=f"{later} was promoted after {lab.plan.id}"):
        say(lab, "undo")
    command = worded("undo", actor="ada", reason="", now=lab.clock.now())
    record_undo_or_retry(lab.journal, "next", command)
    tick(lab)
    assert (lab.controller.states[later].phase, stable_of(lab)) == ("undone", "v2")
    say(lab, "undo")
    tick(lab)
    assert (lab.state.phase, stable_of(lab)) == ("undone", "v1")


def test_an_undo_that_had_no_effect_when_it_was_recorded_gains_none():
    lab = ended()
    run_follow_up(lab, BAD)
    fact = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="undo", actor="kubernetes")
    lab.journal.append([fact], lab.entries[-1].seq)
    tick(lab)
    assert (lab.state.phase, stable_of(lab)) == ("promoted", "v2")


def asking(lab: Lab, **spec: Any):
    """An undo of the lab's plan with this `spec`, and what it was told of the unknown."""
    notes: list[str] = []
    router, edited = lab.router, plan(**spec)
    check = EndpointCheck(lambda _: router.endpoints(edited, "stable"), lab.clock.now, notes.append)
    return (lambda: check(edited)), notes


def test_an_old_version_that_cannot_answer_is_undone_by_force_alone():
    lab = ended()
    lab.controller.catch_up()
    lab.router.has_stable_endpoints = False
    check = EndpointCheck(lambda it: lab.router.endpoints(it, "stable"), lab.clock.now)
    undo = HumanSaid(rollout=lab.plan.id, at=1.0, command="undo", actor="ada")
    with pytest.raises(InputError) as refusal:
        facts_for(lab.controller.fleet, undo, "test", check)
    assert str(refusal.value) == (
        "v1 has no ready endpoint (cluster summarizer-v1 of Envoy), so nothing would answer: scale "
        "it up first, or undo all the same with `surefoot undo demo --force` or the annotation "
        "`surefoot.dev/force-undo`"
    )
    forced = undo.model_copy(update={"forced": True})
    assert facts_for(lab.controller.fleet, forced, "test", check) == [forced]


def test_an_old_version_of_which_nobody_can_tell_is_undone():
    lab = ended()
    ask, notes = asking(lab)
    lab.router.down = "the API server does not answer"
    assert ask() == ""
    assert notes == ["unknown whether v1 has endpoints (cluster summarizer-v1 of Envoy)"]


def test_versions_that_scale_from_zero_are_undone_unasked():
    lab = ended()
    lab.router.has_stable_endpoints = False
    ask, _ = asking(lab, awaitEndpoints=False)
    assert ask() == ""


def test_an_answer_of_the_mesh_holds_for_ten_seconds():
    lab = ended()
    ask, notes = asking(lab)
    lab.router.has_stable_endpoints = None
    for _ in range(5):
        ask()
    assert len(notes) == 1
    lab.router.has_stable_endpoints = False
    lab.clock.sleep(10)
    assert "no ready endpoint" in ask()


@pytest.mark.parametrize(
    ("route", "name"),
    [
        ({"istio": {"virtualService": "s"}}, "subset v1 of summarizer in namespace default"),
        (
            {"istio": {"virtualService": "s", "hosts": {"stable": "a", "canary": "b"}}},
            "host a in namespace default",
        ),
        ({"gateway": {"httpRoute": "s"}}, "Service summarizer-v1 in namespace default"),
    ],
)
def test_a_refusal_names_what_the_mesh_calls_the_old_version(route, name):
    check = EndpointCheck(lambda _: False, lambda: 0.0)
    guardrail = {"name": "errors", "template": "istio/errors", "margin": {"absolute": "1%"}}
    assert f"({name})" in check(plan(route=route, guardrails=[guardrail]))


def test_the_later_entry_counts_where_two_rollouts_end_at_once():
    lab = ended()
    later = run_follow_up(lab, GOOD)
    states = {r: lab.controller.states[r] for r in (later, lab.plan.id)}
    same = [
        replace(state, delivery=replace(state.delivery, confirmed_at=5.0))
        for state in states.values()
    ]
    assert recorded_stable(same) == recorded_stable(reversed(same)) == "v3"


def test_no_plan_begins_while_an_undo_is_under_way():
    lab = ended()
    say(lab, "undo")
    with pytest.raises(InputError, match="is being rolled out by"):
        follow_up(lab)
    tick(lab)
    with pytest.raises(InputError, match=r"stable-mismatch: next has spec\.stable\.version v2"):
        follow_up(lab)


def test_a_retry_is_a_rollout_of_its_own_with_evidence_of_its_own():
    lab = ended(BAD)
    retry, begun = say(lab, "retry")
    assert isinstance(retry.fact, HumanSaid)
    assert isinstance(begun.fact, Started)
    second = begun.fact.rollout
    assert second == attempt_id(lab.plan.id, 2) != lab.plan.id
    lab.world.behaviours = {"v1": GOOD, "v2": GOOD}
    lab.controller.catch_up()
    fresh = lab.controller.states[second]
    assert all(not guardrail.cursor.last for guardrail in fresh.guardrails.values())
    writes = len(lab.router.writes)
    while not lab.controller.states[second].is_terminal:
        tick(lab)
    assert lab.controller.states[second].phase == "promoted"
    assert lab.state.phase == "rolled back", "the first attempt never rises again"
    assert {mark.partition("/")[0] for _, _, mark in lab.router.writes[writes:]} == {second}


def test_run_goes_on_with_the_newest_attempt():
    lab = ended(BAD)
    say(lab, "retry")
    controller = Controller(Ports(lab.world, lab.router, lab.journal, lab.clock), "test")
    assert controller.start([lab.plan]) == [attempt_id(lab.plan.id, 2)]


def test_an_undone_plan_is_retried_and_a_third_attempt_counts_on():
    lab = ended()
    for number in (2, 3):
        say(lab, "undo")
        tick(lab)
        _, begun = say(lab, "retry")
        assert begun.fact.rollout == attempt_id(lab.plan.id, number)
        lab.controller.catch_up()
        while lab.controller.active:
            tick(lab)


def test_a_retry_is_refused_where_another_version_is_stable_by_now():
    lab = ended(BAD)
    other = plan("other", canary={"version": "v3"})
    lab.world.behaviours = {"v1": GOOD, "v2": BAD, "v3": GOOD}
    lab.controller.start([other])
    with pytest.raises(InputError, match="is being rolled out by"):
        say(lab, "retry")
    while lab.controller.active:
        tick(lab)
    with pytest.raises(InputError, match="stable-mismatch"):
        say(lab, "retry")


@pytest.mark.parametrize(("attempt", "name"), [(1, "a-12345678"), (2, "a-123456-2")])
def test_an_attempt_s_id_is_no_longer_than_the_first(attempt, name):
    assert attempt_id("a-12345678", attempt) == name
    assert len(attempt_id("a-12345678", 123)) == len("a-12345678")


def test_a_death_before_or_after_any_effect_of_an_undo_leaves_the_same_journal():
    def live(reaper: Reaper):
        lab = ended()
        say(lab, "undo")
        lab.wrap = lambda ports: Ports(
            ports.observer, Mortal(ports.router, reaper), Mortal(ports.journal, reaper), ports.clock
        )
        lab.restart()
        while not lab.state.is_terminal:
            try:
                lab.controller.tick()
            except Killed:
                lab.restart()
        return lab

    unharmed = Reaper(0, after=False)
    whole = live(unharmed)
    assert unharmed.effects == ["record", "route", "confirmed"]
    for at in range(1, unharmed.count + 1):
        for after in (False, True):
            again = live(Reaper(at, after=after))
            assert [e.hash for e in again.entries] == [e.hash for e in whole.entries]
            assert again.router.statuses == whole.router.statuses
