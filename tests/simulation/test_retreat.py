"""A canary that turns one-armed is taken back to 0 %, without a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from rollout.cli.act.command import worded
from rollout.decide.record.facts import Decided, HumanSaid
from rollout.decide.record.route_facts import Followed
from rollout.decide.record.split import Split
from rollout.explain.status import report
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Ask, Observer, Ports, RouteStatus
from rollout.simulate.ports import MemoryRouter
from tests.support.following import CutOffRouter, hooks_called, outcomes
from tests.support.worlds import GOOD, Lab, plan


@dataclass
class OneArmed:
    """An observer that loses the canary's series while `is_silent`."""

    observer: Observer
    is_silent: bool = False

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        answers = self.observer.observe(asks, now)
        return {key: self._strip(answer) for key, answer in answers.items()}

    def _strip(self, answer: Answer) -> Answer:
        if not self.is_silent:
            return answer
        series = {
            name: tuple(s for s in group if s.arm == "stable")
            for name, group in answer.series.items()
        }
        return replace(answer, series={name: group for name, group in series.items() if group})


class LateRouter(MemoryRouter):
    """A mesh whose proxies have yet to take what the object shows."""

    is_late: bool = False

    def share(self, plan: Plan) -> float:
        return 0.0 if self.is_late else super().share(plan)


class RetreatLab:
    """A rollout that has reached 25 % and then hears nothing of its canary."""

    def __init__(self, router: MemoryRouter | None = None, **spec: Any) -> None:
        router = router or MemoryRouter()
        self.lab = Lab(GOOD, plan=plan(deadline="10m", **spec), router=router, wrap=self._wrap)

    def _wrap(self, ports: Ports) -> Ports:
        self.observer = OneArmed(ports.observer)
        return replace(ports, observer=self.observer)

    def silence(self, weight: int = 25) -> None:
        self.lab.run_until(lambda state: state.split.canary >= weight)
        self.observer.is_silent = True
        self.lab.run_until(lambda state: state.phase == "retreated")

    def say(self, command) -> None:
        word = worded(command, actor="ada", reason="", now=self.lab.clock.now())
        assert isinstance(word, HumanSaid)
        self.lab.controller.note(word.model_copy(update={"rollout": self.lab.plan.id}))

    def tick(self, seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            self.lab.controller.tick()
            self.lab.clock.sleep(0.5)


def retreats(lab: Lab) -> list[Decided]:
    return [decided for decided in lab.decisions if decided.action == "retreat"]


def test_a_one_armed_canary_waits_at_nothing_and_climbs_again_with_its_endpoints():
    world = RetreatLab()
    world.silence()
    lab = world.lab
    assert lab.state.wanted.canary == 0
    assert retreats(lab)[-1].reasons == ("one-armed",)
    lab.router.has_endpoints = False
    world.tick(60)  # longer than `whenBlind.hold`, which does not run meanwhile
    assert (lab.state.phase, lab.state.split.canary) == ("retreated", 0)
    lab.router.has_endpoints, world.observer.is_silent = True, False
    lab.run_until(lambda state: state.split.canary == 5)
    assert lab.run().phase == "promoted"


def test_where_the_endpoints_were_ready_only_a_person_resumes():
    world = RetreatLab()
    world.silence()
    world.observer.is_silent = False
    world.tick(60)
    assert world.lab.state.phase == "retreated"
    assert "labels or scrapes" in world.lab.decisions[-1].sentence
    summary = report(world.lab.rollout, world.lab.state, world.lab.clock.now())
    assert summary.next.startswith("climb again when surefoot resume demo says so, or roll back in")
    world.say("resume")
    assert world.lab.run().phase == "promoted"


@pytest.mark.parametrize("has_endpoints", [True, None])
def test_a_retreat_that_nobody_sees_pauses_where_the_canary_may_get_requests(has_endpoints):
    world = RetreatLab(followWithin="20s", drain="2s")
    world.lab.router.has_endpoints = has_endpoints
    world.silence()
    world.tick(60)
    lab = world.lab
    assert (lab.state.phase, lab.state.split.canary) == ("paused", 0)
    assert outcomes(lab) == ["not followed"]
    assert lab.state.following is not None
    assert "may still get requests" in lab.state.following.sentence
    world.observer.is_silent = False
    world.say("resume")
    assert lab.run().phase == "promoted"


def test_a_retreat_that_nobody_sees_waits_where_the_canary_has_no_endpoints():
    world = RetreatLab(followWithin="20s", drain="2s")
    world.silence()
    world.lab.router.has_endpoints = False
    world.tick(60)
    assert (world.lab.state.phase, outcomes(world.lab)) == ("retreated", ["not seen"])


def test_the_deadline_ends_the_wait():
    world = RetreatLab()
    world.silence()
    world.tick(900)
    assert world.lab.state.phase == "rolled back"
    assert world.lab.decisions[-1].reasons[0] == "inconclusive"


def test_a_fourth_retreat_is_a_pause():
    world = RetreatLab(whenBlind={"hold": "10m"})
    for _ in range(4):
        world.silence(5)
        world.observer.is_silent = False
        world.tick(4)
        world.say("resume")
        world.tick(1)
    assert len(retreats(world.lab)) == 4
    pauses = [decided for decided in world.lab.decisions if decided.action == "pause"]
    assert [decided.reasons for decided in pauses] == [("retreats-used-up",)]
    assert pauses[0].split.canary == 0


def test_a_pause_stays_a_pause():
    world = RetreatLab()
    world.lab.run_until(lambda state: state.split.canary >= 25)
    world.say("pause")
    world.tick(2)
    began = world.lab.state.paused_at
    world.observer.is_silent = True
    world.lab.run_until(lambda state: state.split.canary == 0)
    assert (world.lab.state.phase, world.lab.state.paused_at) == ("paused", began)
    world.tick(4)
    sentence = world.lab.decisions[-1].sentence
    assert sentence.startswith("Hold v2 at 0 %: paused")
    assert retreats(world.lab)[0].sentence in sentence, "why it has less than it was paused at"


@pytest.mark.parametrize(("seconds", "actions"), [(4, []), (20, ["retreat"])])
def test_a_first_step_that_a_mesh_takes_a_little_late_is_no_retreat(seconds, actions):
    router = LateRouter()
    lab = Lab(GOOD, plan=plan(), router=router)
    router.is_late = True
    lab.run_until(lambda state: state.split.canary == 5)
    end = lab.clock.now() + seconds
    lab.run_until(lambda _: lab.clock.now() >= end)
    router.is_late = False
    lab.run_until(lambda _: lab.clock.now() >= end + 4)
    assert [action for action in lab.actions if action == "retreat"] == actions


def test_a_resume_before_the_mesh_shows_the_retreat_begins_the_ramp_again():
    world = RetreatLab()
    lab = world.lab
    lab.run_until(lambda state: state.split.canary >= 25)
    lab.router.down = "no answer"
    world.observer.is_silent = True
    lab.run_until(lambda state: state.delivery.is_open)
    lab.router.down = ""
    lab.router.stuck = True
    lab.run_until(lambda state: state.phase == "retreated")
    world.say("resume")
    world.tick(4)
    lab.router.stuck = world.observer.is_silent = False
    assert lab.run().phase == "promoted"


def test_a_retreat_that_somebody_moves_is_not_followed_any_more():
    world = RetreatLab(onDrift="adopt", followWithin="20s", drain="2s")
    world.silence()
    world.lab.router.statuses[world.lab.plan.id] = RouteStatus(Split(30, 100), "by hand")
    world.tick(40)
    assert not any(isinstance(fact, Followed) for fact in world.lab.facts)
    assert (world.lab.state.phase, world.lab.state.following) == ("retreated", None)


def test_a_retreat_that_the_mesh_refuses_is_tried_again_and_not_decided_again():
    world = RetreatLab()
    lab = world.lab
    lab.run_until(lambda state: state.split.canary >= 25)
    world.observer.is_silent, lab.router.refusing = True, "denied by a webhook"
    lab.run_until(lambda state: state.phase == "retreated")
    world.tick(60)
    assert (lab.state.phase, len(retreats(lab))) == ("retreated", 1)
    lab.router.refusing = ""
    lab.run_until(lambda state: state.split.canary == 0)


def test_a_retreat_that_traffic_does_not_follow_pauses_with_the_same_alarm():
    hook = {"name": "tell", "when": "notFollowed", "url": "http://127.0.0.1:1/"}
    router = CutOffRouter()
    world = RetreatLab(router, followWithin="20s", drain="2s", hooks=[hook])
    world.silence()
    world.observer.is_silent = False
    router.stays_at = 0.25
    world.lab.run_until(lambda state: state.phase == "paused")
    assert outcomes(world.lab) == ["not followed"]
    assert world.lab.decisions[-1].reasons == ("not-followed",)
    assert world.lab.state.split.canary == 0
    world.tick(2)
    assert hooks_called(world.lab) == ["tell"]
