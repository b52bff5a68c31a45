"""Objects that people edit between our writes, or that take a part of them only."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from rollout.cli.act.again import record_undo_or_retry
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.route_facts import Confirmed, RouteFailed, RouteRead
from rollout.errors import ClusterError
from rollout.explain.entry import sentence
from rollout.route.kube.router import ClusterRouter
from tests.support.cluster_routes import LiveRouter, climbed
from tests.support.routes import Json, merged, to, virtual_service
from tests.support.worlds import Lab, plan

MARK = "mark.surefoot.dev/reviews"


@dataclass
class EditedObjects:
    """A cluster with one object, whose API server refuses what `refusal` gives a reason for."""

    live: Json
    refusal: Callable[[Json], ClusterError | None] = lambda _: None

    def get(self, kind, namespace, name):
        return copy.deepcopy(self.live)

    def patch(self, kind, namespace, name, body, *, dry=False):
        patched = merged(self.live, copy.deepcopy(body))
        if error := self.refusal(body):
            raise error
        if body["metadata"]["resourceVersion"] != self.live["metadata"]["resourceVersion"]:
            raise ClusterError("the object has been modified", 409)
        self.edit(patched)
        return self.get(kind, namespace, name)

    def edit(self, live):
        self.live = live
        live["metadata"]["resourceVersion"] = str(int(live["metadata"]["resourceVersion"]) + 1)

    @property
    def routes(self):
        return self.live["spec"]["http"]


def begin(**spec):
    """A rollout at its first step, and its object."""
    live = virtual_service([to("reviews", None, "v1")])
    live["metadata"] |= {"resourceVersion": "1", "uid": "a"}
    objects = EditedObjects(live)
    route = {"istio": {"virtualService": "reviews"}}
    asked = plan(service="reviews", route=route, **spec)
    return climbed(Lab(plan=asked, router=LiveRouter(inner=ClusterRouter(objects)))), objects


def add_route(objects):
    """People make a route to stable, which a plan that names none moves as well."""
    live = copy.deepcopy(objects.live)
    live["spec"]["http"].insert(
        0, {"match": [{"uri": {"exact": "/new"}}], "route": [to("reviews", 100, "v1")]}
    )
    objects.edit(live)


def forget(objects):
    """People replace the object from a file that lacks what others noted."""
    live = copy.deepcopy(objects.live)
    live["metadata"].pop("annotations", None)
    objects.edit(live)


def abort(lab):
    command = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="abort", actor="ana")
    lab.journal.append([command], lab.entries[-1].seq)


def entries(objects):
    return [len(route["route"]) for route in objects.routes]


def test_a_route_that_is_itself_the_drift_keeps_no_entry_of_ours():
    lab, objects = begin(onDrift="revert")
    add_route(objects)
    lab.run_until(lambda _: entries(objects) == [2, 2])
    forget(objects)
    abort(lab)
    assert lab.run(60).phase == "rolled back"
    assert entries(objects) == [1, 1]


def test_a_route_that_people_make_while_a_write_fails_keeps_no_entry_of_ours():
    lab, objects = begin()
    objects.refusal = lambda _: ClusterError("overloaded", 503)
    lab.run_until(lambda state: state.delivery.attempts > 0)
    add_route(objects)
    objects.refusal = lambda _: None
    lab.run_until(lambda _: entries(objects) == [2, 2])
    index = next(i for i, f in enumerate(lab.facts) if isinstance(f, RouteRead) and f.lacking)
    assert lab.facts[index].lacking
    forget(objects)
    abort(lab)
    assert lab.run(60).phase == "rolled back"
    assert entries(objects) == [1, 1]


def put_back(objects):
    """People put all traffic back and take our notes away."""
    live = copy.deepcopy(objects.live)
    live["spec"]["http"] = [{"name": "r1", "route": [to("reviews", None, "v1")]}]
    live["metadata"].pop("annotations", None)
    objects.edit(live)


def refuse_removals(objects, times, status):
    """The API server does not take our note away so many times."""
    left = [times]

    def refuse(body):
        notes = body["metadata"].get("annotations") or {}
        is_removal = MARK in notes and notes[MARK] is None
        is_removal = is_removal or ("annotations" in body["metadata"] and not notes)
        if not is_removal or not left[0]:
            return None
        left[0] -= 1
        return ClusterError("no", status)

    objects.refusal = refuse


@pytest.mark.parametrize(("times", "status"), [(1, 500), (2, 503), (2, 403), (1, 0)])
def test_a_note_of_an_end_that_changed_nothing_is_taken_away_in_the_end(times, status):
    lab, objects = begin()
    put_back(objects)
    before = objects.live["metadata"]["resourceVersion"]
    refuse_removals(objects, times, status)
    abort(lab)
    assert lab.run(200).phase == "rolled back"
    assert (
        "annotations" not in objects.live["metadata"] or not objects.live["metadata"]["annotations"]
    )
    assert int(objects.live["metadata"]["resourceVersion"]) > int(before), "late patches conflict"
    failed = [fact for fact in lab.facts if isinstance(fact, RouteFailed)]
    assert any("our note is still there" in fact.problem for fact in failed)


@pytest.mark.parametrize("status", [403, 503])
def test_a_note_that_may_never_be_taken_away_holds_no_rollback_open_and_is_named(status):
    lab, objects = begin()
    put_back(objects)
    refuse_removals(objects, 10_000, status)
    abort(lab)
    assert lab.run(30).phase == "rolled back"
    failed = [fact for fact in lab.facts if isinstance(fact, RouteFailed)]
    assert any("our note is still there" in fact.problem for fact in failed)
    confirmed = [fact for fact in lab.facts if isinstance(fact, Confirmed)]
    assert confirmed[-1].remark == "our note is still in the route"
    assert "our note is still in the route" in sentence(confirmed[-1])


def test_an_outage_while_a_note_is_taken_away_leaves_none():
    """Where the route cannot be read, nothing says that only a note is left."""
    lab, objects = begin()
    put_back(objects)
    until, get = lab.clock.now() + 120, objects.get

    def fail(*address):
        if MARK in objects.live["metadata"].get("annotations", {}) and lab.clock.now() < until:
            raise ClusterError("down", 503)
        return get(*address)

    objects.get = fail
    abort(lab)
    assert lab.run(300).phase == "rolled back"
    assert lab.clock.now() > until
    assert MARK not in objects.live["metadata"]["annotations"]


def test_a_rollback_of_what_gets_nothing_by_now_says_so():
    lab, objects = begin()
    put_back(objects)
    lab.run_until(lambda state: state.phase == "paused")
    abort(lab)
    assert lab.run(200).phase == "rolled back"
    end = next(decided for decided in lab.decisions if decided.action == "roll back")
    assert "from 0 %" not in end.sentence
    assert end.sentence.startswith("Roll back v2, which gets nothing any more, all traffic to v1")


def begin_other(lab, name):
    """A rollout of another service, on a route of its own in the same object."""
    route = {"istio": {"virtualService": "reviews", "host": "reviews", "http": ["r2"]}}
    (rollout,) = lab.controller.start([plan(name, service="mobile", route=route)])
    return rollout


def decide_by_hand(lab, rollout, command):
    order = HumanSaid(rollout=rollout, at=lab.clock.now(), command=command, actor="ana")
    lab.journal.append([order], lab.entries[-1].seq)
    end = lab.clock.now() + 300
    while not lab.controller.states[rollout].is_terminal:
        assert lab.clock.now() < end, "it never ended"
        lab.controller.tick()
        lab.clock.sleep(0.5)


@pytest.mark.parametrize("is_tidied", [False, True], ids=["as written", "stable tidied away"])
def test_an_undo_leaves_what_another_service_promoted_to_the_same_canary_since(is_tidied):
    live = virtual_service([to("reviews", None, "v1")], [to("reviews", None, "v1")])
    live["spec"]["http"][0]["match"] = [{"uri": {"exact": "/web"}}]
    live["metadata"] |= {"resourceVersion": "1", "uid": "a"}
    objects = EditedObjects(live)
    route = {"istio": {"virtualService": "reviews", "host": "reviews", "http": ["r1"]}}
    asked = plan(service="reviews", route=route)
    lab = Lab(plan=asked, router=LiveRouter(inner=ClusterRouter(objects)))
    climbed(lab)
    decide_by_hand(lab, lab.plan.id, "promote")
    decide_by_hand(lab, other := begin_other(lab, "other"), "promote")
    assert lab.controller.states[other].phase == "promoted"
    if is_tidied:
        live = copy.deepcopy(objects.live)
        for route in live["spec"]["http"]:
            route["route"] = [entry for entry in route["route"] if entry["weight"]]
        objects.edit(live)
    held = copy.deepcopy(objects.routes[1])
    undo = HumanSaid(rollout="", at=lab.clock.now(), command="undo", actor="ana")
    record_undo_or_retry(lab.journal, lab.plan.name, undo)
    assert lab.run(60).phase in {"promoted", "undoing", "undone"}
    lab.run_until(lambda state: state.phase == "undone")
    assert objects.routes[1] == held, "the other's promotion stands"
    assert [entry["destination"]["subset"] for entry in objects.routes[0]["route"]] == ["v1"]
    assert not objects.live["metadata"]["annotations"]
