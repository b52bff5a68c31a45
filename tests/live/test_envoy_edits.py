"""What people do to a route file: garbage, which a rollback replaces and keeps, and new names."""

import asyncio
import json

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from tests.support.envoy_moves import ROUTER, move, wait
from tests.support.local_envoy import ask_as, ask_many

pytestmark = pytest.mark.live


def versions(url, count):
    return [reply.version for reply in asyncio.run(ask_many(url, count))]


def back(net, before):
    """Roll back, until Envoy shows it."""
    ROUTER.write(net.plan, Split(0), "back", before)
    wait(lambda: ROUTER.read(net.plan, 100, before).write_id == "back", "receipt of the way back")
    assert ROUTER.read(net.plan, 100, before).split == Split(0)


GARBAGE = ["{", "", "[1]", '{"resources": [{"virtual_hosts": 7}]}', "half of a fi\udcff"]


@pytest.mark.parametrize("text", GARBAGE, ids=["cut off", "empty", "a list", "a number", "bytes"])
@pytest.mark.parametrize("share", [50, 0])
def test_a_rollback_replaces_a_file_that_nobody_can_use_and_keeps_it(net, text, share):
    """By what Envoy runs: also at nothing, since the file is what Envoy starts from."""
    before = ROUTER.read(net.plan, 100).leading
    move(net.plan, Split(share), f"{net.plan.id}/3")
    garbage = text.encode(errors="surrogateescape")
    net.envoy.file.with_suffix(".new").write_bytes(garbage)
    net.envoy.file.with_suffix(".new").replace(net.envoy.file)
    with pytest.raises(RouteError) as caught:
        ROUTER.read(net.plan, 100, before)
    assert caught.value.gives_nothing == (share == 0)
    with pytest.raises(RouteError):
        ROUTER.write(net.plan, Split(60), "no step on a file that nobody can read", before)
    assert net.envoy.file.read_bytes() == garbage
    back(net, before)
    assert set(versions(net.envoy.url, 50)) == {"v1"}
    assert ROUTER.read(net.plan, 100, before).aside == f"{net.envoy.file.name}.unusable"
    assert net.envoy.file.with_name(f"{net.envoy.file.name}.unusable").read_bytes() == garbage
    assert not ROUTER.read(net.plan, 100, before).is_pending


WEIGHTS = ["50.0", "5e1", '"50"', '"5e1"', "50.5", "-1", "4294967296", '" 50 "', '"5_0"', '"+50"']
WEIGHTS += ["[50]", "true", "NaN", "null", '"\u0665\u0660"', "9" * 5_000]


@pytest.mark.parametrize("weight", WEIGHTS, ids=range(len(WEIGHTS)))
def test_a_rollback_is_written_past_a_weight_however_it_is_written(net, weight):
    """Envoy takes some of these as 50; those that it refuses leave it with what it had."""
    before = ROUTER.read(net.plan, 100).leading
    move(net.plan, Split(50), f"{net.plan.id}/3")
    edited = net.envoy.file.read_text().replace('"weight": 50', f'"weight": {weight}')
    net.envoy.file.with_suffix(".new").write_text(edited)
    net.envoy.file.with_suffix(".new").replace(net.envoy.file)
    back(net, before)
    assert set(versions(net.envoy.url, 50)) == {"v1"}


ODD_PARTS = {
    "an empty virtual host": lambda document: document["resources"][0]["virtual_hosts"].append({}),
    "a name that is taken": lambda document: document["resources"][0]["virtual_hosts"].append(
        document["resources"][0]["virtual_hosts"][0]
    ),
}


@pytest.mark.parametrize("name", ODD_PARTS)
def test_a_rollback_arrives_although_envoy_takes_nothing_of_the_file(net, name):
    """A hand's mistake elsewhere in it: our weights are right, and Envoy runs on with the old."""
    before = ROUTER.read(net.plan, 100).leading
    move(net.plan, Split(50), f"{net.plan.id}/3")
    document = json.loads(net.envoy.file.read_text())
    ODD_PARTS[name](document)
    put(net, document)

    def is_back():
        ROUTER.write(net.plan, Split(0), "back", before)  # as a controller tries again
        return ROUTER.read(net.plan, 100, before).write_id == "back"

    wait(is_back, "receipt of the way back")
    assert ROUTER.read(net.plan, 100, before).split == Split(0)
    assert set(versions(net.envoy.url, 50)) == {"v1"}
    aside = net.envoy.file.with_name(ROUTER.read(net.plan, 100, before).aside)
    assert aside.name.startswith(f"{net.envoy.file.name}.unusable")


def test_no_file_that_nobody_can_use_is_kept_twice_or_lost(net):
    before = ROUTER.read(net.plan, 100).leading
    move(net.plan, Split(50), f"{net.plan.id}/3")
    for text in ("{", "{", "[]"):
        net.envoy.file.write_text(text)
        back(net, before)
    copies = sorted(net.folder.glob("*.unusable*"))
    assert [path.read_text() for path in copies] == ["{", "[]"]


def test_envoy_starts_again_from_a_file_that_a_rollback_made(net):
    before = ROUTER.read(net.plan, 100).leading
    move(net.plan, Split(50), f"{net.plan.id}/3")
    net.envoy.file.write_text("{")
    back(net, before)
    net.envoy.stop()
    with net.restart() as envoy:
        assert set(versions(envoy.url, 50)) == {"v1"}


@pytest.mark.parametrize("is_moved", [True, False], ids=["other domains", "same domains"])
def test_a_pin_in_a_virtual_host_that_somebody_renamed_is_not_moved(net, is_moved):
    document = json.loads(net.envoy.file.read_text())
    (host,) = document["resources"][0]["virtual_hosts"]
    pin = {"match": {"prefix": "/", "headers": [{"name": "x-tester", "presentMatch": True}]}}
    host["routes"].insert(0, pin | {"route": {"cluster": "summarizer-v2"}})
    put(net, document)
    wait(lambda: ROUTER.read(net.plan, 100).pinned, "pin that Envoy has loaded")
    before = ROUTER.read(net.plan, 100).leading
    ROUTER.write(net.plan, Split(20), "step")
    wait(lambda: ROUTER.read(net.plan, 100, before).write_id == "step", "step")
    document = json.loads(net.envoy.file.read_text())
    (host,) = document["resources"][0]["virtual_hosts"]
    host["name"] = "renamed"
    host["domains"] = ["*", "other.example"] if is_moved else host["domains"]
    put(net, document)
    wait(lambda: "renamed" in f"{ROUTER.read(net.plan, 100, before).pinned}", "the new name")
    assert ROUTER.read(net.plan, 100, before).strays == ()
    back(net, before)
    status = ROUTER.read(net.plan, 100, before)
    assert [pin for pin in status.pinned if "renamed" in pin], "the pin stays"
    testers = asyncio.run(ask_as(net.envoy.url, [{"x-tester": "1"}] * 20))
    assert {reply.version for reply in testers} == {"v2"}
    assert set(versions(net.envoy.url, 50)) == {"v1"}


def put(net, document):
    """Move a file into place by hand."""
    net.envoy.file.with_suffix(".new").write_text(json.dumps(document))
    net.envoy.file.with_suffix(".new").replace(net.envoy.file)
