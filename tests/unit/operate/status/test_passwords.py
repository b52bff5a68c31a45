"""A password in a plan's URLs is in no status, condition or Event, and in no hook's payload."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from rollout.errors import RouteError
from rollout.ports import HookCall, HookReply, Ports
from rollout.simulate import MemoryRouter
from rollout.tick.attempts import started
from rollout.tick.hooks import HookRunner
from tests.support.plans import Operated, resource
from tests.support.worlds import BAD, Lab, plan, recorded_plan

SECRET = "s3cr3t-Horse"
URL = f"http://eve:{SECRET}@127.0.0.1:1"
SPEC: dict[str, Any] = {"route": {"envoy": {"file": "rds.json", "admin": URL}}}


class TellingRouter(MemoryRouter):
    """A mesh that takes no weight, and names its address."""

    def write(self, *_: object, **__: object) -> None:
        raise RouteError(f"Envoy at {URL} does not answer", unread=True)


def test_no_status_and_no_event_shows_it():
    world = Operated(router=TellingRouter())
    world.apply(**SPEC)
    world.run_until(lambda: "RouteFailed" in world.reasons())
    world.run()
    views = json.dumps([world.status(), world.cluster.events, world.cluster.patches])
    assert "eve:***@127.0.0.1" in views
    assert SECRET not in views
    recorded = [fact for entry in world.journal.read() if (fact := entry.fact).kind != "started"]
    assert SECRET not in "".join(fact.model_dump_json() for fact in recorded)


def test_a_plan_that_is_refused_is_told_without_it():
    world = Operated()
    manifest = world.apply(**SPEC).document()
    manifest["spec"]["whenInconclusive"] = URL
    world.cluster.held["default/demo"]["spec"] = manifest["spec"]
    world.cluster.held["default/demo"]["metadata"]["generation"] = 2
    world.run()
    state, _, message = world.condition("Accepted")
    assert state == "False"
    assert "eve:***@" in message
    assert SECRET not in json.dumps([world.status(), world.cluster.events])


def test_a_refused_status_does_not_differ_from_the_one_that_is_shown():
    """Else it would be written again at every look."""
    world = Operated(router=TellingRouter())
    world.apply(**SPEC)
    world.run_until(lambda: "RouteFailed" in world.reasons())
    world.run(5)
    resource_version = world.cluster.held["default/demo"]["metadata"]["resourceVersion"]
    assert int(resource_version) < 20


class HeardHooks:
    """Receives calls, and answers none."""

    def __init__(self) -> None:
        self.calls: list[HookCall] = []

    def call(self, call: HookCall) -> None:
        self.calls.append(call)

    def replies(self) -> Sequence[HookReply]:
        return []


@pytest.mark.parametrize("when", ["before", "promoted"])
def test_no_payload_of_a_hook_has_it(when):
    hooks = HeardHooks()
    hook = {"name": "tell", "when": when, "url": "https://chat.example/x"}
    lab = Lab(
        plan=plan(**SPEC, hooks=[hook]),
        wrap=lambda ports: Ports(ports.observer, ports.router, ports.journal, ports.clock, hooks),
    )
    state = lab.run_until(lambda _: bool(hooks.calls))
    sentence = {"sentence": f"Envoy at {URL} does not answer"}  # as an older version recorded it
    last, move = (d and d.model_copy(update=sentence) for d in (state.last, state.move))
    HookRunner(hooks).begin(lab.rollout, replace(state, last=last, move=move))
    assert hooks.calls[-1].body["sentence"] == "Envoy at http://eve:***@127.0.0.1:1 does not answer"
    assert SECRET not in json.dumps([dict(call.body) for call in hooks.calls])


def test_a_rollout_under_way_goes_on_with_a_password_that_a_new_plan_may_not_have():
    world = Operated(canary=BAD)
    spec: dict[str, Any] = {"prometheus": {"url": URL, "scrape": "1s"}}
    recorded = recorded_plan(**spec)
    manifest = resource()
    manifest["spec"] = recorded.document()["spec"]
    world.cluster.apply(manifest)
    world.run()
    assert world.condition("Accepted")[:2] == ("False", "Invalid")
    assert "declare an access" in world.condition("Accepted")[2]
    assert recorded.id not in world.states
    world.journal.append([started(recorded, at=world.clock.now(), controller="older")], after=0)
    world.run()
    assert world.condition("Accepted")[0] == "True"
    world.run_until(lambda: world.states[recorded.id].is_terminal)
    world.cluster.held["default/demo"]["metadata"]["annotations"] = {"surefoot.dev/retry": "now"}
    world.run()
    assert len(world.states) == 2
    assert SECRET not in json.dumps([world.status(), world.cluster.events])
