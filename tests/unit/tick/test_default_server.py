"""The controller's default Prometheus is recorded at the start, and then no other counts."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decide.record.facts import HumanSaid, Started
from rollout.decide.state.rollout import begin_rollout
from rollout.errors import AddressError
from rollout.journal.memory import MemoryJournal
from rollout.plan.model.prometheus import PrometheusServer
from rollout.ports import Ports
from rollout.reach import Reach
from rollout.simulate import MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.attempts import facts_for
from rollout.tick.controller import Controller
from tests.support.worlds import GOOD, plan

FIRST, SECOND = (PrometheusServer(url=f"https://{n}.example", access=n) for n in ("one", "two"))
OWN = PrometheusServer(url="http://own:9090")
UNNAMED: dict[str, Any] = {"prometheus": {"scrape": "1s"}}


@pytest.fixture
def journal():
    return MemoryJournal()


def control(journal, default=None):
    router = MemoryRouter()
    world = SimulatedService(router, {"v1": GOOD, "v2": GOOD}, seed=1, rate=10.0)
    ports = Ports(world, router, journal, VirtualClock())
    controller = Controller(ports, "test", prometheus=default)
    controller.catch_up()
    return controller


def server_of(controller, rollout):
    return controller.states[rollout].plan.spec.prometheus.server


def test_a_plan_that_names_no_server_is_read_at_the_default_for_good(journal):
    (rollout,) = control(journal, FIRST).start([plan(**UNNAMED)])
    for default in (None, SECOND):
        other = control(journal, default)
        other.start([plan(**UNNAMED)])
        assert server_of(other, rollout) == FIRST
    assert len(journal.read()) == 1


def test_a_plan_is_permitted_by_the_server_that_it_is_read_at(journal):
    controller = control(journal, FIRST)
    controller.permit = Reach(prometheus=["127.0.0.1"]).check_plan
    with pytest.raises(AddressError, match=r"one\.example"):
        controller.start([plan(**UNNAMED)])
    controller.permit = Reach(prometheus=["one.example"]).check_plan
    assert controller.start([plan(**UNNAMED)])


def test_the_default_is_no_part_of_the_plan(journal):
    accepted = plan(**UNNAMED)
    (rollout,) = control(journal, FIRST).start([accepted])
    state = control(journal).states[rollout]
    assert rollout == accepted.id == state.plan.id
    assert state.plan.document() == accepted.document()


def test_a_plan_that_names_its_server_is_read_there(journal):
    named = plan(prometheus={"url": OWN.url, "scrape": "1s"})
    (rollout,) = control(journal, FIRST).start([named])
    assert server_of(control(journal), rollout) == OWN
    assert "prometheus" not in journal.read()[0].fact.model_dump(mode="json")


def test_a_plan_may_name_another_access_to_the_default(journal):
    (rollout,) = control(journal, FIRST).start([plan(prometheus={"access": "x", "scrape": "1s"})])
    assert server_of(control(journal), rollout) == FIRST.model_copy(update={"access": "x"})


def test_without_a_default_nothing_is_recorded(journal):
    (rollout,) = control(journal).start([plan(**UNNAMED)])
    (entry,) = journal.read()
    assert "prometheus" not in entry.fact.model_dump(mode="json")
    assert server_of(control(journal, FIRST), rollout).url == "http://127.0.0.1:9090"


def test_another_attempt_is_read_where_the_first_one_was(journal):
    controller = control(journal, FIRST)
    (rollout,) = controller.start([plan(**UNNAMED)])
    abort = HumanSaid(rollout=rollout, at=1.0, command="abort", actor="eve")
    controller.note(abort)
    while not controller.states[rollout].is_terminal:
        controller.tick()
        controller.ports.clock.sleep(1.0)
    retry = abort.model_copy(update={"command": "retry"})
    *_, started = facts_for(control(journal, SECOND).fleet, retry, "test")
    assert isinstance(started, Started)
    assert started.rollout != rollout
    read = Started.model_validate_json(started.model_dump_json())
    assert begin_rollout(read).plan.spec.prometheus.server == FIRST
