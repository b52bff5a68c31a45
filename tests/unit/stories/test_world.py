"""The simulated servers keep to what real ones do, as far as stories rest on it."""

from __future__ import annotations

import pytest

from rollout.errors import ClusterError, JournalError, JournalMovedError
from rollout.route.kube.objects import VIRTUAL_SERVICE
from rollout.stories.faults import FAULTS
from rollout.stories.setting import CANARY, SERVICE, STABLE, Setting
from rollout.stories.world.apiserver import AcceptedWrite
from rollout.stories.world.client import ApiClient
from rollout.stories.world.routes import build_objects, read_shares
from rollout.stories.world.store import SimulatedJournal
from rollout.stories.world.world import BEGIN, StoryWorld


def _world(**setting):
    return StoryWorld(Setting(**setting), seed=1)


def _client(world):
    return ApiClient(world.api, "test", lambda _name: None, lambda _seconds: None)


def _weigh(live, canary):
    for entry, weight in zip(live["spec"]["http"][0]["route"], (100 - canary, canary), strict=True):
        entry["weight"] = weight
    return {"spec": live["spec"]}


def test_a_patch_is_of_the_version_that_it_names():
    world = _world()
    client = _client(world)
    live = client.get(VIRTUAL_SERVICE, "default", SERVICE)
    version = {"metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}}
    client.patch(VIRTUAL_SERVICE, "default", SERVICE, _weigh(live, 10) | version)
    with pytest.raises(ClusterError) as raised:
        client.patch(VIRTUAL_SERVICE, "default", SERVICE, _weigh(live, 50) | version)
    assert raised.value.status == 409
    assert read_shares(world.api.objects[world.key]).canary == pytest.approx(0.1)


def test_an_unclear_answer_is_of_a_write_that_was_carried_out():
    world = _world()
    world.api.faults["unclear"] = world.now + 10
    client = _client(world)
    live = client.get(VIRTUAL_SERVICE, "default", SERVICE)
    with pytest.raises(ClusterError) as raised:
        client.patch(VIRTUAL_SERVICE, "default", SERVICE, _weigh(live, 30))
    assert raised.value.status == 0
    assert read_shares(world.api.objects[world.key]).canary == pytest.approx(0.3)


@pytest.mark.parametrize("mesh", ["istio", "gateway"])
@pytest.mark.parametrize(
    ("start", "share"), [("stable", 0), ("tenth", 0.1), ("half", 0.5), ("swapped", 1)]
)
def test_shares_are_read_as_a_mesh_reads_them_whatever_testers_have(mesh, start, share):
    for pin in ("no", "yes"):
        objects = build_objects(Setting(mesh=mesh, start=start, pin=pin), SERVICE)
        assert read_shares(objects[0][1]).canary == share


def test_requests_follow_an_object_once_it_has_reached_the_proxies():
    world = _world(start="half")
    assert world.main.share() == 0.5
    world.push_delay = 5.0
    live = world.api.objects[world.key]
    world.api.edit(world.key, lambda body: body.update(_weigh(live, 0)))
    world.advance(world.now + 4)
    assert world.main.share() == 0.5
    world.advance(world.now + 2)
    assert world.main.share() == 0
    before = world.main.served[CANARY]
    world.advance(world.now + 5)
    assert world.main.served[CANARY] == before
    assert world.main.served[STABLE] > 1000


def test_a_sample_can_be_read_once_it_is_there_and_while_its_window_lasts():
    world = _world(clients="1")
    query = 'istio_requests_total{destination_service_name=~"svc",reporter="source"}[10s]'
    world.advance(BEGIN + 1)
    (row, *_) = world.prometheus.answer(query, world.now)
    assert float(row["values"][-1][1]) > 0
    world.prometheus.delay, newest = 3.0, row["values"][-1][0]
    world.advance(newest + 5 + 1)
    assert world.prometheus.answer(query, world.now)[0]["values"][-1][0] == newest
    world.advance(newest + 5 + 3.1)
    assert world.prometheus.answer(query, world.now)[0]["values"][-1][0] == newest + 5
    assert world.prometheus.answer(query, world.now + 3600) == []


def test_a_journal_that_was_cut_is_noticed_by_who_has_read_it():
    world = _world()
    world.step()
    journal = SimulatedJournal(world.disks[0], "reader", lambda _name: None)
    (first, *_) = journal.read()
    head = len(world.disks[0].rows)
    with pytest.raises(JournalMovedError):
        journal.append([first.fact], head - 1)
    world.disks[0].restore(head - 1)
    with pytest.raises(JournalError, match="cut or replaced"):
        journal.read(head)


def test_others_go_on_while_a_process_stands_still():
    world = _world(replicas="2")
    world.step()
    world.step()
    first, second = world.processes
    first.freezes = ("query", 30.0)
    while first.freezes:
        world.step()
    assert world.disks[0].holder == second.name, "the Lease has gone to the other one"
    assert not first.leads()


def test_an_older_version_refuses_a_newer_one_s_entry_until_it_goes():
    world = _world()
    world.step()
    FAULTS["downgrade"].happen(world, 5.0)
    head = len(world.disks[0].rows)
    writes: list[AcceptedWrite] = []
    world.api.on_write = writes.append
    for _ in range(4):
        world.step()
    assert (len(world.disks[0].rows), writes) == (head, [])
    assert "this version cannot read" in world.problems[-1]
    for _ in range(60):
        world.step()
    assert len(world.disks[0].rows) > head
    assert writes
