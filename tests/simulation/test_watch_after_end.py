"""What was rolled back is watched for an hour more, until the service's next write."""

from __future__ import annotations

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import HookCalled, HumanSaid
from rollout.decide.record.route_facts import Followed
from rollout.decide.rules.conclusion import conclude
from rollout.decide.text.following import describe_following
from rollout.tick.attempts import facts_for
from rollout.tick.fleet import fleet_of
from tests.support.following import (
    CutOffRouter,
    following_plan,
    hooks_called,
    outcomes,
    run_to_following,
    tick,
)
from tests.support.worlds import BAD, GOOD, Lab, plan


def watched(canary=BAD) -> tuple[Lab, CutOffRouter]:
    """A rollback that was seen, under a controller that goes on watching it."""
    router = CutOffRouter()
    lab = Lab(canary, plan=following_plan(), router=router, watches=True)
    lab.run()
    return lab, router


def test_traffic_that_comes_back_within_an_hour_is_the_same_alarm_and_its_end_is_seen():
    lab, router = watched()
    assert outcomes(lab) == ["seen"]
    router.stays_at = 0.25
    tick(lab, 30)
    assert outcomes(lab) == ["seen", "not followed"]
    router.stays_at = None
    tick(lab, 30)
    assert outcomes(lab) == ["seen", "not followed", "seen"]
    assert lab.state.phase == "rolled back"


def test_each_alarm_calls_its_hooks_with_keys_of_their_own():
    hook = {"name": "tell", "when": "notFollowed", "url": "http://127.0.0.1:1/"}
    router = CutOffRouter()
    lab = Lab(BAD, plan=following_plan(hooks=[hook]), router=router, watches=True)
    lab.run()
    for _ in range(2):
        router.stays_at = 0.25
        tick(lab, 30)
        router.stays_at = None
        tick(lab, 30)
    assert outcomes(lab) == ["seen", *["not followed", "seen"] * 2]
    calls = [(fact.hook, fact.attempt) for fact in lab.facts if isinstance(fact, HookCalled)]
    assert calls == [("tell", 1), ("tell", 2)]


def test_the_watch_goes_on_after_a_restart_and_ends_after_an_hour():
    lab, router = watched()
    lab.restart()
    router.stays_at = 0.25
    tick(lab, 30)
    assert outcomes(lab)[-1] == "not followed"
    other, router = watched()
    for _ in range(61):
        other.clock.sleep(60)
        other.controller.tick()
    router.stays_at = 0.25
    tick(other, 30)
    assert outcomes(other) == ["seen"]


def test_a_controller_of_one_plan_does_not_watch():
    lab = Lab(BAD, plan=following_plan())
    lab.run()
    count = len(lab.entries)
    tick(lab, 30)
    assert len(lab.entries) == count


def test_what_nobody_could_tell_is_seen_in_the_hour_after_and_then_its_hooks_are_called():
    hook = {"name": "tell", "when": "rolledBack", "url": "http://127.0.0.1:1/"}
    lab = Lab(BAD, plan=following_plan(hooks=[hook]), watches=True)
    run_to_following(lab)
    lab.world.rate = 0.1
    lab.run()
    assert (outcomes(lab), hooks_called(lab)) == (["not seen"], [])
    lab.world.rate = 100.0
    tick(lab, 30)
    assert (outcomes(lab), hooks_called(lab)) == (["not seen", "seen"], ["tell"])


def test_an_undo_past_a_failed_successor_is_the_newest_write_of_the_service():
    router = CutOffRouter()
    lab = Lab(GOOD, plan=following_plan(), router=router, watches=True)
    lab.run()
    arms = {"stable": {"version": "v2"}, "canary": {"version": "v3"}}
    successor = following_plan(name="next", **arms)
    lab.world.behaviours = {**lab.world.behaviours, "v3": BAD}
    lab.controller.start([successor])
    while lab.controller.states[successor.id].phase != "following":
        tick(lab, 0.5)
    router.stays_at = 0.4
    tick(lab, 45)
    assert outcomes(lab) == ["seen", "not followed"]
    say = HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command="undo", actor="ada")
    lab.controller.offer(facts_for(lab.controller.fleet, say, "test"))
    router.stays_at = None
    tick(lab, 30)
    assert (lab.state.phase, outcomes(lab)[-1]) == ("undone", "seen")
    lab.controller.start([plan("third", canary={"version": "v4"})])


def test_an_outcome_keeps_the_words_of_its_counts():
    lab, router = watched()
    router.stays_at = 0.25
    tick(lab, 30)
    alarm = [fact for fact in lab.facts if isinstance(fact, Followed)][-1]
    unloaded = fleet_of(lab.journal).states[lab.rollout]
    for state in (lab.state, unloaded):
        assert describe_following(state) == alarm.sentence


def test_every_outcome_follows_from_the_entries_before_it():
    lab, router = watched()
    router.stays_at = 0.25
    tick(lab, 30)
    entries = lab.entries
    followed = [index for index, e in enumerate(entries) if isinstance(e.fact, Followed)]
    assert len(followed) == 2
    for index in followed:
        before = fold_all((e.seq, e.fact) for e in entries[:index])
        assert conclude(before, entries[index].fact.at, lab.plan.id) == entries[index].fact
