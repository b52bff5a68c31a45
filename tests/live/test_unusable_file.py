"""A route file that nobody can use: a rollback replaces it, and loses nothing of it."""

import asyncio

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from tests.support.envoy_moves import ROUTER, move, wait
from tests.support.local_envoy import ask_many

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
