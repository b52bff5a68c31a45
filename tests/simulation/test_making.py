"""A route that the plan makes comes before everything else: without it stable may meet nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rollout.decide.record.facts import REFUSED, HumanSaid
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.ports import Answer, Observer, RouteStatus
from rollout.simulate import MemoryRouter
from tests.support.worlds import BAD, GOOD, Lab, plan

EDGE = {"parentRefs": [{"name": "edge"}], "port": 80}
ROUTES = {
    "istio": {"istio": {"virtualService": "a", "destinationRule": "a", "create": {}}},
    "gateway": {"gateway": {"httpRoute": "a", "create": EDGE}},
}


@dataclass
class Dark(MemoryRouter):
    """A mesh without a route until one is written."""

    def read(self, plan, total):
        if not self.writes and not self.down:
            raise RouteError("there is no such object", refused=True, absent=True)
        return super().read(plan, total)


@dataclass
class Elsewhere(MemoryRouter):
    """A route that nobody can read as ours, until its problem is mended."""

    problem: str = "it leads to no arm"

    def read(self, plan, total):
        if self.problem:
            raise RouteError(self.problem)
        return super().read(plan, total)


@dataclass
class Flickering(Dark):
    """The API server fails to answer every other read at first."""

    reads: int = 0

    def read(self, plan, total):
        self.reads += 1
        if self.reads < 8 and self.reads % 2:
            raise RouteError("the API server does not answer", unread=True)
        return super().read(plan, total)


@dataclass
class Edge:
    """Prometheus behind a gateway: it sees no request before there is a route."""

    inner: Observer
    router: Dark

    def observe(self, asks, now):
        if not self.router.writes:
            return {each.rollout: Answer() for each in asks}
        return self.inner.observe(asks, now)


def lab(canary=GOOD, route="gateway", router=None, **spec):
    router = router or Dark()

    def wrap(ports):
        observer = Edge(ports.observer, router) if isinstance(router, Dark) else ports.observer
        return replace(ports, observer=observer)

    return Lab(canary, plan(route=ROUTES[route], **spec), router=router, wrap=wrap)


def resume(made):
    """A person's word."""
    return HumanSaid(rollout=made.plan.id, at=made.clock.now(), command="resume", actor="ada")


@pytest.mark.parametrize("route", ROUTES)
def test_a_rollout_at_an_edge_without_traffic_makes_its_route_and_ends(route):
    made = lab(route=route)
    assert made.run().phase == "promoted"
    assert made.actions[:2] == ["make route", "advance"]
    assert made.router.writes[0][1] == Split(0)
    assert "Create the route, all traffic to v1: it comes before" in made.decisions[0].sentence
    assert lab(BAD, route).run().phase == "rolled back"


def test_a_route_that_is_there_is_not_written_before_the_first_step():
    made = lab(router=MemoryRouter())
    assert made.run().phase == "promoted"
    assert made.actions[:2] == ["make route", "advance"]
    assert made.router.writes[0][1] == Split(5)


def test_a_route_that_gives_the_canary_traffic_pauses_until_it_is_moved_back():
    router = MemoryRouter()
    made = lab(router=router)
    router.statuses[made.plan.id] = RouteStatus(Split(30), "theirs")
    made.run_until(lambda state: state.phase == "paused")
    made.run(10)
    assert router.writes == []
    assert made.decisions[-1].reasons == ("paused",)
    paused = next(each for each in made.decisions if REFUSED in each.reasons)
    assert "gives v2 30 of 100: move all traffic to v1, then resume" in paused.sentence
    del router.statuses[made.plan.id]
    made.controller.note(resume(made))
    assert made.run().phase == "promoted"


def test_a_mesh_that_cannot_be_read_is_tried_again():
    made = lab()
    made.router.down = "the API server does not answer"
    made.run(10)
    assert made.actions == ["make route"]
    assert made.router.writes == []
    made.router.down = ""
    assert made.run().phase == "promoted"


def test_a_route_that_leads_elsewhere_pauses_with_its_words():
    router = Elsewhere()
    made = lab(router=router)
    made.run_until(lambda state: state.phase == "paused")
    paused = next(each for each in made.decisions if REFUSED in each.reasons)
    assert "leads to no arm" in paused.sentence
    assert router.writes == []
    router.problem = ""
    made.controller.note(resume(made))
    assert made.run().phase == "promoted"


def test_a_route_that_is_found_missing_after_an_outage_is_made():
    made = lab(router=Flickering())
    assert made.run().phase == "promoted"
    assert "pause" not in made.actions


def test_a_route_that_is_removed_before_the_first_step_is_named_and_made_again():
    made = lab()
    made.run_until(lambda state: state.confirmed_at is not None)
    made.router.writes.clear()
    made.run_until(lambda state: state.phase == "paused", 10)
    paused = next(each for each in made.decisions if REFUSED in each.reasons)
    assert "there is no such object" in paused.sentence
    made.controller.note(resume(made))
    assert made.run().phase == "promoted"


def test_the_route_is_made_once_through_a_restart_too():
    made = lab()
    made.run_until(lambda state: state.confirmed_at is not None)
    assert not made.state.stepped
    made.restart()
    assert made.run().phase == "promoted"
    assert made.actions.count("make route") == 1
