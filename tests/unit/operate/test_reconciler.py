"""Plans as resources: what an apply, an edit, a deletion and a restart lead to."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.errors import ClusterError
from rollout.journal.memory import MemoryJournal
from rollout.operate.status.conditions import utc
from rollout.simulate import MemoryRouter
from tests.support.plans import Operated, PlanCluster, resource
from tests.support.worlds import BAD


@pytest.fixture
def world():
    return Operated()


def stepping(world, plan):
    return lambda: plan.id in world.states and world.states[plan.id].phase == "stepping"


def test_an_applied_plan_is_promoted_and_says_so(world):
    plan = world.apply()
    world.run_until(lambda: world.states.get(plan.id) and world.states[plan.id].is_terminal)
    world.run()
    status = world.status()
    assert (status["phase"], status["weight"], status["verdict"]) == ("promoted", "100%", "safe")
    assert status["rollout"] == plan.id
    assert world.condition("Promoted")[:2] == ("True", "AllSafe")
    assert world.condition("Progressing")[:2] == ("False", "Promoted")
    assert [r for r in world.reasons() if r != "Blind"] == [
        *["Started", "Advance", "Advance", "Advance", "Promote", "Promoted"]
    ]


def test_harm_is_rolled_back_and_says_so():
    world = Operated(canary=BAD)
    plan = world.apply()
    world.run_until(lambda: world.states.get(plan.id) and world.states[plan.id].is_terminal)
    world.run()
    holds, reason, message = world.condition("RolledBack")
    assert (holds, reason[:7]) == ("True", "Harmful")
    assert "Roll back v2" in message
    assert world.reasons()[-2:] == ["RollBack", "RolledBack"]


def test_the_journal_is_witnessed_outside_of_it(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.run()
    journal = world.status()["journal"]
    entry = world.journal.read()[journal["entry"] - 1]
    assert (entry.hash, entry.fact.kind) == (journal["hash"], "confirmed")


def test_a_bad_plan_starts_nothing_and_tells_every_mistake(world):
    bad = resource(created=world.clock.now())
    bad["spec"]["ramp"]["steps"] = ["5%", "1%"]
    bad["spec"]["guardrails"][0]["margin"] = {"ratio": 1}
    world.cluster.apply(bad)
    world.run(5)
    holds, reason, message = world.condition("Accepted")
    assert (holds, reason) == ("False", "Invalid")
    assert [line.split(": ")[0] for line in message.splitlines()] == [
        "spec.ramp.steps[1]",
        "spec.guardrails[0].margin",
    ]
    assert world.status()["phase"] == "refused"
    assert world.reasons() == ["Invalid"]
    assert not world.kinds()


def test_a_mended_plan_starts(world):
    bad = resource(created=world.clock.now())
    bad["spec"]["ramp"]["steps"] = ["5%", "1%"]
    world.cluster.apply(bad)
    world.run()
    plan = world.apply()
    world.run()
    assert world.condition("Accepted")[0] == "True"
    assert plan.id in world.states


def test_an_edit_waits_for_the_rollout_under_way(world):
    first = world.apply()
    world.run_until(stepping(world, first))
    second = world.apply(canary={"version": "v3"}, stable={"version": "v2"})
    world.run()
    assert world.condition("Pending")[:2] == ("True", "RolloutUnderWay")
    assert second.id not in world.states
    assert world.status()["observedGeneration"] == 2
    assert world.status()["rollout"] == first.id
    world.run_until(lambda: world.states[first.id].phase == "promoted")
    world.run()
    assert world.status()["rollout"] == second.id
    assert world.condition("Pending") == ("", "", "")


def test_flagger_advances_after_an_edit_of_the_interval(world):
    """It ticks at once, without new evidence; ours is another rollout, and waits for this one."""
    first, plain = world.apply(), Operated()
    plain.apply()
    world.run_until(stepping(world, first))
    plain.run_until(stepping(plain, first))
    for number in range(4):
        world.apply(interval=f"{3 + number}s")
        world.run(0.5)
    plain.run(2.0)
    assert world.kinds() == plain.kinds()
    assert world.states[first.id].split == plain.states[first.id].split


def test_an_edit_back_cancels_what_was_pending(world):
    first = world.apply()
    world.run_until(stepping(world, first))
    world.apply(deadline="10m")
    world.run()
    world.apply()
    world.run()
    assert world.condition("Pending") == ("", "", "")
    assert world.condition("Accepted")[0] == "True"


def test_an_invalid_edit_leaves_the_rollout_under_way_alone(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))
    edited = resource()
    edited["spec"]["ramp"]["steps"] = ["50%", "1%"]
    world.cluster.apply(edited)
    world.run()
    assert world.condition("Accepted")[:2] == ("False", "Invalid")
    assert world.status()["rollout"] == plan.id
    world.run_until(lambda: world.states[plan.id].phase == "promoted")


def test_an_edit_back_to_an_ended_plan_does_not_start_it_again():
    world = Operated(canary=BAD)
    first = world.apply()
    world.run_until(lambda: first.id in world.states and world.states[first.id].is_terminal)
    second = world.apply(deadline="10m")
    world.run_until(stepping(world, second))
    world.apply()
    world.run()
    assert world.condition("Accepted")[:2] == ("False", "Ended")
    assert world.status()["rollout"] == second.id


def test_a_deletion_is_an_abort_told_once(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.cluster.delete("demo")
    world.run_until(lambda: world.states[plan.id].phase == "rolled back", 5)
    commands = [e.fact for e in world.journal.read() if isinstance(e.fact, HumanSaid)]
    assert [(command.command, command.actor) for command in commands] == [("abort", "kubernetes")]
    assert "default/demo was deleted" in commands[0].reason


def test_a_plan_that_the_watch_does_not_show_is_not_taken_for_deleted(world):
    """As after a change of the leader: the new one's watch had broken before the plan came."""
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.cluster.late = {"default/demo"}
    world.run(60)
    world.cluster.late = set()
    world.run_until(lambda: world.states[plan.id].phase == "promoted")
    assert "human-said" not in world.kinds()


def test_a_deletion_waits_until_the_server_tells_it(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))

    def refuse(_name):
        raise ClusterError("no answer")

    world.cluster.fail = refuse
    world.cluster.delete("demo")
    world.run(20)
    assert "human-said" not in world.kinds()
    world.cluster.fail = lambda _name: None
    world.run_until(lambda: world.states[plan.id].phase == "rolled back", 60)


def test_what_only_finalizers_keep_is_deleted(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.cluster.held["default/demo"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.cluster.late = {"default/demo"}
    world.run_until(lambda: world.states[plan.id].phase == "rolled back", 5)


def test_a_deletion_is_told_once_however_long_the_mesh_takes(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.run(5)
    world.router.stuck = True
    world.cluster.delete("demo")
    world.run(30)
    assert world.states[plan.id].phase == "reverting"
    assert world.kinds().count("human-said") == 1
    world.router.stuck = False
    world.run_until(lambda: world.states[plan.id].phase == "rolled back", 10)


def test_an_object_that_only_a_finalizer_holds_is_deleted(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.cluster.held["default/demo"]["metadata"]["deletionTimestamp"] = utc(world.clock.now())
    world.run_until(lambda: world.states[plan.id].phase == "rolled back", 5)


def test_a_deletion_that_nobody_watched_is_found_at_the_start(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.cluster.delete("demo")
    world.restart()
    world.run_until(lambda: world.states and world.states[plan.id].phase == "rolled back", 5)


def test_a_deletion_undoes_no_promotion(world):
    plan = world.apply()
    world.run_until(lambda: plan.id in world.states and world.states[plan.id].is_terminal)
    before = world.kinds()
    world.cluster.delete("demo")
    world.run(10)
    assert world.kinds() == before


def test_no_list_is_not_an_empty_list(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.restart()
    world.cluster.has_resource = False
    world.run_until(lambda: world.states and world.states[plan.id].phase == "promoted")
    assert "human-said" not in world.kinds()


def test_rollouts_of_other_namespaces_are_not_ours_to_abort():
    world = Operated(namespace="clinical-ai")
    plan = world.apply()
    world.operator.namespace = None
    world.run_until(stepping(world, plan))
    world.operator.namespace = "clinical-ai"
    world.cluster.held.clear()
    world.run(5)
    assert world.states[plan.id].phase == "stepping"


def test_a_stable_version_that_is_not_the_recorded_one_is_refused(world):
    first = world.apply()
    world.run_until(lambda: first.id in world.states and world.states[first.id].is_terminal)
    world.apply(stable={"version": "v1"}, canary={"version": "v3"})
    world.run()
    holds, reason, message = world.condition("Accepted")
    assert (holds, reason) == ("False", "Refused")
    assert "stable-mismatch" in message
    assert world.status()["rollout"] == first.id


def test_a_second_plan_of_a_service_starts_when_the_first_has_ended():
    world = Operated(canary=BAD)
    world.apply("demo")
    world.run(2)
    other = world.apply("other", canary={"version": "v3"})
    world.run(2)
    assert world.condition("Accepted", "other")[:2] == ("False", "Refused")
    assert "is being rolled out by demo" in world.condition("Accepted", "other")[2]
    world.run_until(lambda: other.id in world.states)
    world.run()
    assert world.condition("Accepted", "other")[0] == "True"


def say(world, plan, command):
    asked = HumanSaid(rollout=plan.id, at=world.clock.now(), command=command, actor="ana")
    world.operator.controller.note(asked)


FAULTS: dict[str, dict[str, Any]] = {
    "never taken": {"refusing": "no route leads to v2"},
    "never readable": {"down": "there is no such object"},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("change", ["mended", "deleted"])
def test_after_an_abort_a_plan_that_is_mended_or_deleted_holds_nothing_up(change, fault):
    """What gave the canary nothing ends at once, so that nobody is asked to abort it again."""
    world = Operated(router=MemoryRouter(**FAULTS[fault]))
    first = world.apply()
    world.run(20)
    assert not world.states[first.id].is_terminal
    if change == "mended":
        say(world, first, "abort")
        mended = world.apply(canary={"version": "v3"})
    else:
        world.cluster.delete("demo")
        mended = world.apply("other", canary={"version": "v3"})
    world.run(3)
    assert world.states[first.id].phase == "rolled back"
    assert mended.id in world.states
    assert "abort" not in world.condition("Accepted", mended.name)[2]


def test_what_was_aborted_is_not_to_be_aborted_again(world):
    """Its mesh cannot be reached any more, and the canary has weight: a person may end it."""
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.run(20)
    world.router.down = "gone"
    world.cluster.delete("demo")
    world.run(5)
    other = world.apply("other", canary={"version": "v3"})
    world.run(2)
    message = world.condition("Accepted", "other")[2]
    assert "abort it first" not in message
    assert "goes back to v1 already" in message
    assert "surefoot abort demo --unreachable" in message
    say(world, plan, "abandon")
    world.router.down = ""
    world.run(5)
    assert other.id in world.states


def test_nothing_is_written_while_nothing_changes(world):
    plan = world.apply()
    world.run_until(lambda: plan.id in world.states and world.states[plan.id].is_terminal)
    world.run(5)
    count = len(world.cluster.patches)
    world.run(60)
    assert len(world.cluster.patches) == count


def test_a_status_that_somebody_else_wrote_is_put_right(world):
    world.apply()
    world.run(2)
    world.cluster.held["default/demo"]["status"]["phase"] = "promoted"
    world.run(15)
    assert world.status()["phase"] != "promoted"


def test_a_resource_that_cannot_be_shown_holds_up_no_other(world):
    """The definition keeps such a status out; an older one, or none of its schema, does not."""
    odd = world.cluster.apply(resource("odd"))
    odd["status"] = {"conditions": 1}
    world.cluster.held = {"default/odd": odd}
    problems: list[str] = []
    world.operator.controller.on_problem = world.operator._bulkheads.on_problem = problems.append
    world.apply("sound", service="other")
    world.run(2)
    assert world.status("sound")["phase"]
    assert ["default/odd" in problem for problem in problems] == [True]


def test_a_rollout_that_the_journal_lost_is_not_begun_anew(world):
    plan = world.apply()
    world.run_until(lambda: plan.id in world.states and world.states[plan.id].is_terminal)
    world.run(1)
    world.journal = MemoryJournal()
    world.restart()
    world.run(5)
    assert world.condition("Accepted")[:2] == ("False", "Forgotten")
    assert world.condition("Promoted")[0] == "True"
    assert (world.status()["rollout"], world.status()["weight"]) == (plan.id, "100%")
    world.apply(deadline="10m")
    world.run(2)
    assert world.condition("Accepted")[:2] == ("False", "Forgotten")
    assert world.router.share(plan) == 1.0
    world.cluster.delete("demo")
    world.apply()
    world.run(1)
    assert world.condition("Accepted")[0] == "True"


def test_an_edit_between_reading_and_showing_is_shown_next(world):
    world.apply()
    world.operator.tick()
    world.operator.tick()
    world.apply(deadline="10m")
    world.outbox.publish(world.cluster, world.clock.now())
    assert "status" not in world.cluster.held["default/demo"]
    world.run(1)
    assert world.status()["observedGeneration"] == 2
    assert world.condition("Pending")[0] == "True"


def test_nothing_but_the_status_is_ever_written(world):
    world.apply()
    world.run(30)
    for _, body in world.cluster.patches:
        assert body.keys() == {"metadata", "status"}
        assert body["metadata"].keys() == {"resourceVersion"}


def test_a_restart_tells_nothing_twice(world):
    plan = world.apply()
    world.run_until(stepping(world, plan))
    world.run()
    last_entry = world.status()["journal"]["entry"]
    world.cluster.events.clear()  # as Kubernetes does after an hour
    world.restart()
    world.run_until(lambda: world.states and world.states[plan.id].phase == "promoted")
    world.run()
    numbers = [int(name.split(".")[1]) for name in world.cluster.events]
    assert min(numbers) > last_entry
    assert world.reasons()[-1] == "Promoted"


def test_what_was_decided_while_nothing_could_be_told_is_told_after_a_restart(world):
    plan = world.apply()
    world.run(1)
    for _ in range(60):  # ticks, but nothing reaches the cluster
        world.operator.tick()
        world.clock.sleep(0.5)
    assert world.states[plan.id].phase == "stepping"
    world.restart()
    world.run(1)
    assert "Advance" in world.reasons()
    assert world.reasons().count("Started") == 1


def test_a_conditions_time_is_that_of_its_last_change(world):
    plan = world.apply()
    world.run(1)
    begun = {
        condition["type"]: condition["lastTransitionTime"]
        for condition in world.status()["conditions"]
    }
    world.run_until(lambda: world.states[plan.id].is_terminal)
    world.run(1)
    ended = {
        condition["type"]: condition["lastTransitionTime"]
        for condition in world.status()["conditions"]
    }
    assert ended["Accepted"] == begun["Accepted"]
    assert ended["RolledBack"] == begun["RolledBack"]
    assert ended["Promoted"] > begun["Promoted"]


def test_an_older_history_of_the_name_is_not_told_on_a_new_object(world):
    plan = world.apply()
    world.run_until(lambda: plan.id in world.states and world.states[plan.id].is_terminal)
    world.cluster.delete("demo")
    world.run(1)
    world.cluster.events.clear()
    world.clock.sleep(60)
    world.restart()
    world.apply()
    world.run(2)
    assert world.status()["phase"] == "promoted"
    assert world.reasons() == []


def test_an_hour_without_the_api_server_is_no_storm(world):
    requests = []

    def away(name):
        requests.append(world.clock.now())
        raise ClusterError("connection refused")

    world.apply()
    world.cluster.fail = away
    for _ in range(1200):
        world.operator.tick()
        with contextlib.suppress(ClusterError):
            world.outbox.publish(world.cluster, world.clock.now())
        world.clock.sleep(0.5)
    assert len(requests) < 40
    world.cluster.fail = PlanCluster().fail
    world.run(31)
    assert world.status()["phase"] == "promoted"
    assert world.reasons()[0] == "Started"


def test_a_calibration_is_waived_by_an_annotation(world):
    pods = {"label": "pod", "requireCalibration": True, "history": "1h"}
    plan = world.apply(pods=pods)
    world.run(2)
    assert world.condition("Accepted")[:2] == ("False", "Refused")
    assert "annotation surefoot.dev/uncalibrated" in world.condition("Accepted")[2]
    waived = world.cluster.held["default/demo"]
    waived["metadata"]["annotations"] = {"surefoot.dev/uncalibrated": "a new service: no past"}
    world.run(2)
    assert world.condition("Accepted")[0] == "True"
    assert world.journal.read()[0].fact.uncalibrated
    assert plan.id in world.states
