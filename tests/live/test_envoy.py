"""The Envoy router on a real Envoy with real traffic."""

import asyncio
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from tests.live.pipeline import until
from tests.support.envoy_moves import ROUTER, move, wait
from tests.support.local_envoy import ask_many, load, mesh, plan_for

pytestmark = pytest.mark.live


def versions(url, count):
    replies = asyncio.run(ask_many(url, count))
    assert {reply.status for reply in replies} == {200}
    return [reply.version for reply in replies]


def test_weights_move_live_and_the_receipt_shows_it(net):
    assert set(versions(net.envoy.url, 50)) == {"v1"}
    move(net.plan, Split(50), "half")
    assert 60 <= versions(net.envoy.url, 200).count("v2") <= 140  # 5.6 standard deviations
    move(net.plan, Split(100), "all")
    assert set(versions(net.envoy.url, 50)) == {"v2"}
    assert ROUTER.read(net.plan, 100).split == Split(100)


def test_a_tenth_of_a_per_cent_is_a_share_of_its_own(net):
    move(net.plan, Split(10, 10_000), "tiny")
    status = ROUTER.read(net.plan, 10_000)
    assert status.split == Split(10, 10_000)
    assert ROUTER.read(net.plan, 100).split == Split(1)
    batches = (versions(net.envoy.url, 2000).count("v2") for _ in range(10))
    assert 0 < next(filter(None, batches)) < 16  # 2 expected: outside in fewer than 1 of 1e8 runs


def test_no_request_fails_over_weight_changes_under_load(net):
    async def main():
        enough = asyncio.Event()
        slow = asyncio.create_task(load(net.envoy.url + "/?ms=150", enough))
        fast = asyncio.create_task(load(net.envoy.url, enough))
        for number in range(40):
            canary = number % 2 * 100
            await asyncio.to_thread(ROUTER.write, net.plan, Split(canary), f"flip-{number}")
            await asyncio.sleep(0.02)
        enough.set()
        return await slow + await fast

    replies = asyncio.run(main())
    assert [reply for reply in replies if reply.status != 200] == []
    assert {reply.version for reply in replies} == {"v1", "v2"}


def test_an_unknown_cluster_is_refused_by_name_and_the_last_weights_stay(net):
    move(net.plan, Split(5), "good")
    unknown = plan_for(net.envoy, canary="v9")
    move(net.plan, Split(0), "zero")
    before = net.envoy.file.read_text()
    with pytest.raises(RouteError, match="nothing was written: Envoy has no cluster summarizer-v9"):
        ROUTER.write(unknown, Split(10), "bad")
    assert net.envoy.file.read_text() == before, "Envoy starts again with routes that it takes"
    status = ROUTER.read(unknown, 100)
    assert (status.split, status.write_id) == (Split(0), "zero")
    assert set(versions(net.envoy.url, 50)) == {"v1"}


def test_a_rollback_beside_a_third_cluster_with_a_share_is_read_back(net):
    move(net.plan, Split(50), "somebody else's share")
    other = plan_for(net.envoy, canary="v9")
    move(other, Split(0), "back")
    assert ROUTER.read(other, 100).split == Split(0)
    assert 60 <= versions(net.envoy.url, 200).count("v2") <= 140, "v2 keeps its share"
    with pytest.raises(RouteError, match="Envoy has no cluster summarizer-v9"):
        ROUTER.write(other, Split(10), "bad")


def test_another_refusal_is_counted_and_the_last_weights_stay(net):
    move(net.plan, Split(5), "good")
    manifest = json.loads(net.envoy.file.read_text())
    manifest["resources"][0]["virtual_hosts"][0]["domains"] = []
    net.envoy.file.write_text(json.dumps(manifest))
    ROUTER.write(net.plan, Split(50), "bad")
    wait(lambda: "update_rejected 1" in ROUTER.diagnose(net.plan), "diagnosis")
    assert ROUTER.read(net.plan, 100).split == Split(5)


def test_a_killed_envoy_is_a_route_error_and_comes_back_with_the_last_weights(net):
    move(net.plan, Split(25), "quarter")
    net.envoy.process.kill()
    with pytest.raises(RouteError, match=r"Envoy at http.* does not answer: connection refused"):
        ROUTER.read(net.plan, 100)
    assert "does not answer" in ROUTER.diagnose(net.plan)
    with pytest.raises(RouteError, match="does not answer"):
        ROUTER.write(net.plan, Split(50), "not while nobody can say whether Envoy takes it")
    with net.restart():
        status = ROUTER.read(net.plan, 100)
        assert (status.split, status.write_id) == (Split(25), "quarter")
        assert set(versions(net.envoy.url, 50)) == {"v1", "v2"}


def test_a_rollback_is_written_while_envoy_is_away(net):
    move(net.plan, Split(25), "quarter")
    net.envoy.process.kill()
    ROUTER.write(net.plan, Split(0), "written while Envoy was away")
    with net.restart():
        status = ROUTER.read(net.plan, 100)
        assert (status.split, status.write_id) == (Split(0), "written while Envoy was away")
        assert set(versions(net.envoy.url, 20)) == {"v1"}


def test_the_environment_s_proxies_are_not_asked(net, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ROUTER.read(net.plan, 100).write_id == "initial"


def test_a_dead_canary_answers_503_at_once(tmp_path):
    with mesh(tmp_path, dead="v2") as net:
        move(net.plan, Split(100), "all")
        replies = asyncio.run(ask_many(net.envoy.url, 20))
        assert {reply.status for reply in replies} == {503}
        assert median(reply.seconds for reply in replies) < 1, "Envoy tries to connect for 1 s"


def test_a_file_that_is_missing_or_no_routes_is_refused_and_kept(net):
    file = net.envoy.file
    for text in ("{", "[]", '{"resources": []}'):
        file.write_text(text)
        for call in (
            lambda: ROUTER.write(net.plan, Split(5), "m"),
            lambda: ROUTER.read(net.plan, 9),
        ):
            with pytest.raises(RouteError):
                call()
        assert file.read_text() == text
    file.unlink()
    with pytest.raises(RouteError, match=r"cannot read file .*: No such file or directory"):
        ROUTER.write(net.plan, Split(5), "m")


def test_rights_are_kept_and_nothing_is_left_beside_the_file(net):
    net.envoy.file.chmod(0o640)
    before = set(net.folder.iterdir())
    with ThreadPoolExecutor(4) as pool:
        for number in range(8):
            pool.submit(ROUTER.write, net.plan, Split(number), str(number))
    assert stat.S_IMODE(net.envoy.file.stat().st_mode) == 0o640
    assert set(net.folder.iterdir()) == before


# Envoy spells a match its own way: without what is the default, and with underscores.
PIN = {"match": {"path": "/testers", "caseSensitive": True}, "route": {"cluster": "summarizer-v2"}}


def edit(net, change):
    """Change the first virtual host's routes by hand, as an editor does that moves a file."""
    document = json.loads(net.envoy.file.read_text())
    change(document["resources"][0]["virtual_hosts"][0]["routes"])
    moved = net.envoy.file.with_suffix(".new")
    moved.write_text(json.dumps(document))
    moved.replace(net.envoy.file)


def back(net, before):
    """Roll back, until Envoy shows it."""
    ROUTER.write(net.plan, Split(0), "back", before)
    wait(lambda: ROUTER.read(net.plan, 100, before).write_id == "back", "receipt of the way back")
    assert ROUTER.read(net.plan, 100, before).split == Split(0)


def test_a_rollback_takes_back_routes_that_lead_to_the_canary_since_our_first_write(net):
    edit(net, lambda routes: routes.insert(0, PIN))
    wait(lambda: ROUTER.read(net.plan, 100).pinned, "pin that Envoy has loaded")
    status = ROUTER.read(net.plan, 100)
    assert (status.split, status.strays) == (Split(0), ())
    ROUTER.write(net.plan, Split(20), "step")
    wait(lambda: ROUTER.read(net.plan, 100, status.leading).write_id == "step", "step")
    edit(net, lambda routes: routes.insert(0, PIN | {"match": {"path": "/new"}}))
    wait(lambda: ROUTER.read(net.plan, 100, status.leading).strays, "stray that Envoy has loaded")
    back(net, status.leading)
    host = json.loads(net.envoy.file.read_text())["resources"][0]["virtual_hosts"][0]
    stray, pin, *_ = [route["route"] for route in host["routes"]]
    assert (stray, pin) == ({"cluster": "summarizer-v1"}, PIN["route"])
    assert len(ROUTER.read(net.plan, 100, status.leading).pinned) == 1


@pytest.mark.parametrize("cluster", ["summarizer-v1", "summarizer-v2"])
def test_a_rollback_ends_where_somebody_took_the_weights_away(net, cluster):
    move(net.plan, Split(20), "step")
    only = {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    edit(net, lambda routes: routes.__setitem__(slice(None), [only]))
    version = cluster.removeprefix("summarizer-")
    wait(lambda: set(versions(net.envoy.url, 10)) == {version}, "edit that Envoy has loaded")
    back(net, ())
    assert set(versions(net.envoy.url, 50)) == {"v1"}


def test_a_rollback_puts_a_file_back_that_somebody_deleted(net):
    move(net.plan, Split(50), f"{net.plan.id}/3")
    net.envoy.file.unlink()
    with pytest.raises(RouteError, match="cannot read file") as caught:
        ROUTER.read(net.plan, 100, ())
    assert not caught.value.gives_nothing, "Envoy keeps the routes of a file that is gone"
    with pytest.raises(RouteError, match="cannot read file"):
        ROUTER.write(net.plan, Split(60), "no step without a file", ())
    back(net, ())
    assert set(versions(net.envoy.url, 50)) == {"v1"}


@pytest.mark.parametrize("others", [True, False], ids=["renamed", "taken out"])
def test_a_rollback_takes_back_a_configuration_that_somebody_renamed(net, others):
    """One of a promotion has no mark, but Envoy knows the version of its file."""
    mark = f"{net.plan.id}/3"
    ROUTER.write(net.plan, Split(50), mark, is_last=True)
    until(lambda: ROUTER.read(net.plan, 100).write_id == mark, "our file")
    document = json.loads(net.envoy.file.read_text())
    document["resources"][0]["name"] = "renamed"
    document["resources"] = document["resources"] if others else []
    net.envoy.file.with_suffix(".new").write_text(json.dumps(document))
    net.envoy.file.with_suffix(".new").replace(net.envoy.file)
    assert ROUTER.read(net.plan, 100, ()).split == Split(50), "Envoy keeps what it has"
    back(net, ())
    assert set(versions(net.envoy.url, 50)) == {"v1"}
    assert not ROUTER.read(net.plan, 100, ()).is_pending


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "older journal"])
@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "taken out"])
def test_a_rollback_takes_back_what_people_gave_envoy_without_our_version(
    net, is_recorded, is_deleted
):
    """Only what Envoy runs tells where requests go, whoever wrote the file that it came from."""
    before = ROUTER.read(net.plan, 100).leading if is_recorded else ()
    move(net.plan, Split(20), f"{net.plan.id}/3")
    document = json.loads(net.envoy.file.read_text())
    (config,) = document["resources"]
    del document["version_info"], config["metadata"]
    clusters = [{"name": "summarizer-v1", "weight": 60}, {"name": "summarizer-v2", "weight": 40}]
    for route in config["virtual_hosts"][0]["routes"]:
        route["route"]["weightedClusters"] = {"clusters": clusters}
        route["route"].pop("weighted_clusters", None)
    put(net, document)
    wait(lambda: ROUTER.read(net.plan, 100, before).split == Split(40), "edit that Envoy loaded")
    if is_deleted:
        net.envoy.file.unlink()
        with pytest.raises(RouteError, match="cannot read file") as caught:
            ROUTER.read(net.plan, 100, before)
        assert not caught.value.gives_nothing, "Envoy still gives the canary 40 %"
    else:
        put(net, {"resources": []})
        assert ROUTER.read(net.plan, 100, before).split == Split(40)
    back(net, before)
    assert set(versions(net.envoy.url, 50)) == {"v1"}


def put(net, document):
    """Move a file into place by hand."""
    net.envoy.file.with_suffix(".new").write_text(json.dumps(document))
    net.envoy.file.with_suffix(".new").replace(net.envoy.file)
