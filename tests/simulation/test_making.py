"""A route that the plan makes comes before everything else: without it stable may meet nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.reasons import Reason
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

    def read(self, plan, total, before=None):
        if not self.writes and not self.down:
            raise RouteError("there is no such object", refused=True, absent=True)
        return super().read(plan, total, before)


@dataclass
class Elsewhere(MemoryRouter):
    """A route that nobody can read as ours, until its problem is mended."""

    problem: str = "it leads to no arm"

    def read(self, plan, total, before=None):
        if self.problem:
            raise RouteError(self.problem)
        return super().read(plan, total, before)


@dataclass
class Flickering(Dark):
    """The API server fails to answer every other read at first."""

    reads: int = 0

    def read(self, plan, total, before=None):
        self.reads += 1
        if self.reads < 8 and self.reads % 2:
            raise RouteError("the API server does not answer", unread=True)
        return super().read(plan, total, before)


@dataclass
class BehindGateway:
    """Prometheus behind a gateway: it sees no request before there is a route."""

    inner: Observer
    router: Dark

    def observe(self, asks, now):
        if not self.router.writes:
            return {query.rollout: Answer() for query in asks}
        return self.inner.observe(asks, now)


def lab(canary=GOOD, route="gateway", router=None, **spec):
    router = router or Dark()

    def wrap(ports):
        observer = (
            BehindGateway(ports.observer, router) if isinstance(router, Dark) else ports.observer
        )
        return replace(ports, observer=observer)

    return Lab(canary, plan(route=ROUTES[route], **spec), router=router, wrap=wrap)


def resume(rollout):
    """A person's word."""
    return HumanSaid(rollout=rollout.plan.id, at=rollout.clock.now(), command="resume", actor="ada")


@pytest.mark.parametrize("route", ROUTES)
def test_a_rollout_at_an_edge_without_traffic_makes_its_route_and_ends(route):
    rollout = lab(route=route)
    assert rollout.run().phase == "promoted"
    assert rollout.actions[:2] == ["make route", "advance"]
    assert rollout.router.writes[0][1] == Split(0)
    assert "Create the route, all traffic to v1: it comes before" in rollout.decisions[0].sentence
    assert lab(BAD, route).run().phase == "rolled back"


def test_a_route_that_is_there_is_not_written_before_the_first_step():
    rollout = lab(router=MemoryRouter())
    assert rollout.run().phase == "promoted"
    assert rollout.actions[:2] == ["make route", "advance"]
    assert rollout.router.writes[0][1] == Split(5)


def test_a_route_that_gives_the_canary_traffic_waits_until_it_is_moved_back():
    router = MemoryRouter()
    rollout = lab(router=router)
    router.statuses[rollout.plan.id] = RouteStatus(Split(30), "theirs")
    rollout.run(20)
    assert (router.writes, rollout.actions) == ([], [])
    assert rollout.decisions[-1].reasons == (Reason.NOT_AT_STABLE,)
    assert "the route sends 30 % to summarizer-v2" in rollout.decisions[-1].sentence
    del router.statuses[rollout.plan.id]
    assert rollout.run().phase == "promoted"


def test_a_mesh_that_cannot_be_read_is_read_again():
    rollout = lab()
    rollout.router.down = "the API server does not answer"
    rollout.run(10)
    assert (rollout.actions, rollout.router.writes) == ([], [])
    rollout.router.down = ""
    assert rollout.run().phase == "promoted"
    assert rollout.actions[:2] == ["make route", "advance"]


def test_a_route_that_leads_elsewhere_waits_with_its_words():
    router = Elsewhere()
    rollout = lab(router=router)
    rollout.run(10)
    assert rollout.decisions[-1].reasons == (Reason.ROUTE_UNREAD,)
    assert "leads to no arm" in rollout.decisions[-1].sentence
    assert router.writes == []
    router.problem = ""
    assert rollout.run().phase == "promoted"


def test_a_route_that_is_found_missing_after_an_outage_is_made():
    rollout = lab(router=Flickering())
    assert rollout.run().phase == "promoted"
    assert "pause" not in rollout.actions


def test_a_route_that_is_removed_before_the_first_step_is_named_and_made_again():
    rollout = lab()
    rollout.run_until(lambda state: state.delivery.confirmed_at is not None)
    rollout.router.writes.clear()
    rollout.run_until(lambda state: state.phase == "paused", 10)
    paused = next(
        decision for decision in rollout.decisions if Reason.ROUTE_REFUSED in decision.reasons
    )
    assert "there is no such object" in paused.sentence
    rollout.controller.note(resume(rollout))
    assert rollout.run().phase == "promoted"


def test_the_route_is_made_once_through_a_restart_too():
    rollout = lab()
    rollout.run_until(lambda state: state.delivery.confirmed_at is not None)
    assert not rollout.state.stepped
    rollout.restart()
    assert rollout.run().phase == "promoted"
    assert rollout.actions.count("make route") == 1
