"""An end waits until the counted requests follow it: seen, not followed, or nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.route_facts import Confirmed, RouteFailed
from rollout.decide.record.split import Split
from rollout.decide.text.following import describe_following
from rollout.errors import InputError
from rollout.explain.status import report
from rollout.journal.index import end_of
from rollout.operate.status.conditions import of_rollout
from rollout.ports import RouteStatus
from tests.support.following import (
    CutOffRouter,
    RemovableRouter,
    following_plan,
    hooks_called,
    outcomes,
    run_to_following,
    tick,
)
from tests.support.worlds import BAD, GOOD, Lab, plan


def lab_of(canary=GOOD, **spec: Any) -> Lab:
    return Lab(canary, plan=following_plan(**spec))


@pytest.mark.parametrize(("canary", "end"), [(GOOD, "promoted"), (BAD, "rolled back")])
def test_an_end_is_seen_in_the_counts(canary, end):
    lab = lab_of(canary)
    run_to_following(lab)
    assert lab.state.stable_after is None
    confirmed = [fact for fact in lab.facts if isinstance(fact, Confirmed)][-1]
    assert (confirmed.follows, confirmed.stable) == (True, None)
    assert lab.run().phase == end
    assert outcomes(lab) == ["seen"]
    assert lab.state.stable_after == ("v2" if end == "promoted" else "v1")


@pytest.mark.parametrize(("canary", "end"), [(GOOD, "promoted"), (BAD, "rolled back")])
def test_an_end_of_a_segment_whose_size_nobody_declares_is_seen(canary, end):
    segment = {"header": {"name": "x-ward", "exact": "icu"}}
    ramp = {"steps": ["50%", "100%"], "bake": "8s"}
    lab = lab_of(canary, traffic={"segment": segment}, ramp=ramp)
    run_to_following(lab)
    following, previous = lab.state.following, lab.state.delivery.previous
    assert following is not None
    assert previous is not None
    share = 1 - 0.1 if end == "promoted" else 0.1 * previous.share
    assert following.old_share == pytest.approx(share, rel=0.2)
    assert lab.run().phase == end
    assert outcomes(lab) == ["seen"]


@pytest.mark.parametrize("seed", range(12))
def test_a_proxy_of_two_that_is_cut_off_is_never_agreement_however_few_requests_come(seed):
    router = CutOffRouter()
    spec: dict[str, Any] = {"ramp": {"steps": ["50%"], "bake": "1m"}, "followWithin": "2m"}
    lab = Lab(GOOD, plan=following_plan(**spec), router=router, seed=seed)
    lab.run_until(lambda state: state.split.canary == 50)
    tick(lab, 4)
    lab.controller.note(
        HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="abort", actor="ada")
    )
    run_to_following(lab)
    lab.world.rate, router.stays_at = 3.0, 0.25
    assert lab.run().phase == "rolled back"
    assert outcomes(lab) == ["not followed"]


def test_a_first_write_that_was_only_refused_leaves_no_traffic_to_wait_for():
    lab = lab_of()
    lab.router.refusing = "a webhook says no"
    lab.run_until(lambda state: bool(state.delivery.attempts))
    lab.controller.note(
        HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="abort", actor="ada")
    )
    lab.router.refusing = ""
    lab.run_until(lambda state: state.is_terminal, 4)
    assert (lab.state.phase, outcomes(lab)) == ("rolled back", [])


def test_traffic_that_goes_on_is_an_alarm_and_holds_the_next_rollout_up():
    router = CutOffRouter()
    lab = Lab(BAD, plan=following_plan(), router=router)
    run_to_following(lab)
    router.stays_at = 0.05
    lab.run()
    assert lab.state.phase == "rolled back"
    assert outcomes(lab) == ["not followed"]
    successor = plan("next", canary={"version": "v3"})
    with pytest.raises(InputError, match="does not follow"):
        lab.controller.start([successor])
    lab.controller.note(
        HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="confirm", actor="ada")
    )
    lab.controller.start([successor])


@pytest.mark.parametrize(("canary", "end"), [(GOOD, "promoted"), (BAD, "rolled back")])
def test_a_look_that_failed_meanwhile_explains_nothing_once_the_mesh_answers_again(canary, end):
    lab = lab_of(canary)
    run_to_following(lab)
    move, lab.world.rate = lab.state.move, 0.1  # nobody can tell whether traffic follows
    lab.router.down = "the API server is too slow"
    tick(lab, 6)
    assert lab.state.explanation is lab.state.last
    assert "too slow" in report(lab.plan.id, lab.state, lab.clock.now()).said
    lab.router.down = ""
    lab.run_until(lambda state: state.phase == "following" and not state.delivery.is_open)
    assert lab.state.explanation is move
    assert lab.run().phase == end
    assert lab.decisions[-1].action == "hold", "the failed look was recorded"
    assert move is not None
    assert report(lab.plan.id, lab.state, lab.clock.now()).said == move.sentence
    (progress,) = [c for c in of_rollout(lab.state, None) if c.type == "Progressing"]
    assert progress.message == move.sentence


def test_without_requests_nobody_can_tell():
    lab = lab_of(BAD)
    run_to_following(lab)
    lab.world.rate = 0.1
    assert lab.run().phase == "rolled back"
    assert outcomes(lab) == ["not seen"]


def test_a_weight_that_comes_back_meanwhile_is_written_over_whatever_the_plan_says_of_drift():
    lab = lab_of(BAD, onDrift="adopt")
    run_to_following(lab)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(30, 100), "by hand")
    lab.run()
    assert lab.state.phase == "rolled back"
    assert lab.router.statuses[lab.plan.id].split == Split(0, 100)
    assert outcomes(lab) == ["seen"]
    confirmed = [fact for fact in lab.facts if isinstance(fact, Confirmed)][-2:]
    assert [(fact.follows, fact.stable) for fact in confirmed] == [(True, None)] * 2


def test_a_write_that_is_repeated_is_no_end():
    lab = lab_of(BAD, drain="20s")
    run_to_following(lab)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(30, 100), "by hand")
    tick(lab, 6)
    assert lab.state.phase == "following"
    assert end_of(lab.entries) is None


def test_a_promotion_that_somebody_moves_is_paused_and_no_alarm():
    lab = lab_of(onDrift="adopt", drain="20s")
    run_to_following(lab)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(0, 100), "by hand")
    tick(lab, 60)
    assert lab.state.phase == "paused"
    assert (lab.state.following, outcomes(lab)) == (None, [])
    lab.router.down = "no answer"
    tick(lab, 6)
    lab.router.down = ""
    tick(lab, 20)
    assert (lab.state.phase, end_of(lab.entries)) == ("paused", None)


@pytest.mark.parametrize("word", ["abort", "undo"])
def test_a_promotion_that_is_not_seen_yet_is_taken_back_by_a_word(word):
    lab = lab_of(drain="30s")
    run_to_following(lab)
    lab.controller.note(
        HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=word, actor="ada")
    )
    assert lab.run().phase == "rolled back"
    assert lab.router.statuses[lab.plan.id].split.canary == 0


@pytest.mark.parametrize(
    ("rate", "allowed", "called"),
    [(100.0, {}, ["tell"]), (0.1, {}, []), (0.1, {"whenNotSeen": "call"}, ["tell"])],
)
def test_hooks_of_an_end_nobody_can_see_need_the_plan_s_word(rate, allowed, called):
    hook = {"name": "tell", "when": "rolledBack", "url": "http://127.0.0.1:1/", **allowed}
    lab = lab_of(BAD, hooks=[hook])
    run_to_following(lab)
    lab.world.rate = rate
    lab.run()
    tick(lab, 5)
    assert hooks_called(lab) == called


@given(
    end=st.sampled_from(["good", "bad"]),
    share=st.none() | st.floats(0, 1),
    rate=st.sampled_from([0.0, 20.0, 200.0]),
    dark=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=15)
def test_every_end_ends_within_its_time_and_is_seen_only_where_traffic_follows(
    end, share, rate, dark, seed
):
    router = CutOffRouter()
    canary = GOOD if end == "good" else BAD
    lab = Lab(canary, plan=following_plan(), router=router, seed=seed)
    run_to_following(lab)
    following = lab.state.following
    assert following is not None
    old_share = following.old_share or 0.0
    began, lab.world.rate, lab.world.dark, router.stays_at = lab.clock.now(), rate, dark, share
    lab.run()
    assert lab.state.is_terminal
    assert lab.clock.now() - began <= 40 + 2 * lab.plan.spec.interval
    losing = 0.0 if share is None else share if end == "bad" else 1 - share
    if dark or not rate:
        assert outcomes(lab) == ["not seen"]
    elif losing == 0:
        assert outcomes(lab) == ["seen"]
    elif losing >= following.allowed + 0.75 * old_share:
        assert outcomes(lab) == ["not followed"]


def test_an_outage_of_ours_is_no_time_in_which_traffic_was_looked_at():
    lab = lab_of(BAD)
    run_to_following(lab)
    lab.clock.sleep(3600)
    lab.restart()
    lab.run()
    assert outcomes(lab) == ["seen"]


def test_a_contradicted_write_is_not_followed_where_too_little_comes_after_it():
    router = CutOffRouter()
    lab = Lab(BAD, plan=following_plan(), router=router)
    run_to_following(lab)
    router.stays_at = 0.25
    lab.run_until(lambda state: state.following is not None and state.following.contradictions > 0)
    lab.world.rate, router.stays_at = 0.2, None
    lab.run()
    assert outcomes(lab) == ["not followed"]


def test_series_that_have_gone_are_named_where_nobody_can_tell():
    lab = lab_of()
    run_to_following(lab)
    lab.world.dark = True
    tick(lab, 1)
    lab.run()
    assert outcomes(lab) == ["not seen"]
    assert "2 of 2 series of v1 have been silent since" in describe_following(lab.state)


@pytest.mark.parametrize("word", ["abort", "pause", "promote", "resume"])
def test_a_command_to_a_rollback_that_is_followed_is_answered_and_changes_nothing(word):
    lab = lab_of(BAD, drain="10s")
    run_to_following(lab)
    lab.controller.note(
        HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=word, actor="ada")
    )
    lab.controller.tick()
    assert lab.decisions[-1].reasons == (f"nothing-to-{word}", "following")
    assert lab.run().phase == "rolled back"


def test_an_object_that_is_gone_meanwhile_is_one_entry_and_no_obstacle():
    router = RemovableRouter()
    lab = Lab(BAD, plan=following_plan(drain="10s"), router=router)
    run_to_following(lab)
    router.is_removed = True
    assert lab.run().phase == "rolled back"
    assert outcomes(lab) == ["seen"]
    assert len([fact for fact in lab.facts if isinstance(fact, RouteFailed)]) == 1


@pytest.mark.parametrize(("canary", "end"), [(GOOD, "promoted"), (BAD, "rolled back")])
def test_an_end_is_seen_where_the_size_of_the_segment_is_unknown(canary, end):
    segment = {"header": {"name": "x-team", "exact": "beta"}}
    lab = lab_of(canary, traffic={"segment": segment})
    assert lab.run(900).phase == end
    assert outcomes(lab) == ["seen"]


def test_an_object_that_cannot_be_read_holds_no_end_up():
    lab = lab_of(BAD, drain="10s")
    run_to_following(lab)
    lab.router.down = "no answer"
    assert lab.run(60).phase == "rolled back"
    assert outcomes(lab) == ["seen"]


def test_an_end_by_hand_while_the_mesh_is_away_says_that_nobody_can_tell():
    lab = lab_of(BAD, drain="20s")
    run_to_following(lab)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(30, 100), "by hand")
    lab.router.refusing = "no answer"
    lab.run_until(lambda state: state.delivery.has_to_write)
    lab.router.down = "no answer"
    lab.controller.note(
        HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="abandon", actor="ada")
    )
    assert lab.run(30).phase == "rolled back"
    assert lab.state.stable_after == "v1"
    assert describe_following(lab.state).startswith("it was ended by hand")


def test_an_end_whose_drain_is_longer_than_its_following_says_that_nothing_could_be_counted():
    lab = lab_of(BAD, drain="40s", followWithin="30s")
    run_to_following(lab)
    lab.run()
    assert outcomes(lab) == ["not seen"]
    sentence = describe_following(lab.state)
    assert "counting begins 40s after a write" in sentence
    assert "`followWithin` is 30s" in sentence
    assert "silent" not in sentence
