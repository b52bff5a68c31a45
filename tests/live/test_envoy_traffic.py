"""Segments, copies and affinity on a real Envoy with real traffic."""

import asyncio
import json
import re

import pytest
import requests

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.envoy.proxy import EnvoyRouter
from tests.support.envoy_moves import move, wait
from tests.support.local_envoy import ask_as, load, mesh, plan_for

pytestmark = pytest.mark.live
ROUTER = EnvoyRouter()
WARD = {"header": {"name": "x-ward", "exact": "cardiology"}}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with mesh(tmp_path_factory.mktemp("traffic")) as net:
        yield net


@pytest.fixture
def net(running):
    """All traffic goes to v1, whatever the test before did."""
    move(running.plan, Split(0), "fresh")
    running.toys.served.clear()
    return running


def planned(net, **traffic):
    return plan_for(net.envoy, traffic=traffic)


def answers(net, headers, path="/"):
    replies = asyncio.run(ask_as(net.envoy.url + path, headers))
    assert {reply.status for reply in replies} == {200}
    return [reply.version for reply in replies]


def counted(net, cluster):
    """Requests that Envoy counts for a cluster."""
    stats = requests.get(f"{net.envoy.admin}/stats?filter=upstream_rq_total", timeout=5).text
    service, _, version = cluster.partition("-")
    (count,) = re.findall(rf"cluster\.{service};{version}\.upstream_rq_total: (\d+)", stats)
    return int(count)


@pytest.mark.parametrize(
    ("segment", "inside", "outside"),
    [
        (WARD, {"x-ward": "cardiology"}, {"x-ward": "cardiology2"}),
        (
            {"header": {"name": "x-ward", "prefix": "card"}},
            {"x-ward": "cards"},
            {"x-ward": "xcard"},
        ),
        ({"header": {"name": "x-ward", "regex": "c[0-9]+"}}, {"x-ward": "c12"}, {"x-ward": "c1x"}),
        (
            {"cookie": {"name": "ab", "exact": "b.1"}},
            {"cookie": "zab=2; ab=b.1; q=1"},
            {"cookie": "zab=b.1; ab=bb1"},
        ),
        ({"cookie": {"name": "ab", "prefix": "b"}}, {"cookie": "ab=beta"}, {"cookie": "ab=x; q=b"}),
        ({"cookie": {"name": "ab", "regex": "b|c"}}, {"cookie": "q=1; ab=c"}, {"cookie": "ab=bc"}),
    ],
)
def test_only_the_segment_meets_the_canary(net, segment, inside, outside):
    plan = planned(net, segment=segment)
    move(plan, Split(100, 100, "segment"), "all of it")
    assert ROUTER.read(plan, 100).split == Split(100, 100, "segment")
    assert set(answers(net, [inside] * 20)) == {"v2"}
    assert set(answers(net, [outside, {}] * 10)) == {"v1"}


def test_a_query_parameter_is_a_segment_and_its_weights_hold_within(net):
    plan = planned(net, segment={"query": {"name": "beta", "exact": "1"}})
    move(plan, Split(50, 100, "segment"), "half of it")
    assert set(answers(net, [{}] * 40, "/?beta=2")) == {"v1"}
    assert 60 <= answers(net, [{}] * 200, "/?beta=1").count("v2") <= 140  # 5.6 standard deviations
    move(plan, Split(0), "back")
    assert set(answers(net, [{}] * 20, "/?beta=1")) == {"v1"}
    (route,) = json.loads(net.envoy.file.read_text())["resources"][0]["virtual_hosts"][0]["routes"]
    assert route["match"] == {"prefix": "/"}


def test_copies_are_counted_only_under_the_shadow_s_name(net):
    plan = planned(net, mirror={"share": "50%", "lasts": "1m"})
    before = {name: counted(net, name) for name in net.clusters}
    move(plan, Split(50, 100, "mirror"), "copies")
    assert ROUTER.read(plan, 100).split == Split(50, 100, "mirror")
    assert set(answers(net, [{}] * 200)) == {"v1"}
    wait(lambda: net.toys.served["v2", 200] >= 60, "copies")  # 5.6 standard deviations below
    assert net.toys.served["v2", 200] <= 140
    after = {name: counted(net, name) - before[name] for name in net.clusters}
    assert after["summarizer-v1"] == 200
    assert after["summarizer-v2"] == 0
    assert after["summarizer-v2-shadow"] == net.toys.served["v2", 200]


def test_copies_for_an_unknown_cluster_are_refused_by_name(net):
    route = {"file": str(net.envoy.file), "admin": net.envoy.admin}
    clusters = {"stable": "summarizer-v1", "canary": "summarizer-v2", "shadow": "dark"}
    mirror = {"share": "100%", "lasts": "1m"}
    plan = plan_for(
        net.envoy, route={"envoy": route | {"clusters": clusters}}, traffic={"mirror": mirror}
    )
    before = net.envoy.file.read_text()
    with pytest.raises(RouteError, match="nothing was written: Envoy has no cluster dark"):
        ROUTER.write(plan, Split(100, 100, "mirror"), "bad")
    assert net.envoy.file.read_text() == before


@pytest.mark.parametrize(
    ("affinity", "user"),
    [({"header": "x-user"}, "x-user: {}"), ({"cookie": "user"}, "cookie: user={}; q=1")],
)
def test_a_growing_canary_loses_no_user(net, affinity, user):
    plan = planned(net, affinity=affinity)
    users = [dict([user.format(f"u{number}").split(": ")]) for number in range(400)]
    held: set[int] = set()
    for weight in (10, 20, 50):
        move(plan, Split(weight), f"{weight}")
        first, again = answers(net, users), answers(net, users)
        assert first == again, "the same user meets the same version"
        now = {number for number, version in enumerate(first) if version == "v2"}
        assert held <= now, "nobody goes back to the old version"
        sd = (400 * weight * (100 - weight)) ** 0.5 / 100
        assert abs(len(now) - 4 * weight) < 5 * sd
        held = now
    move(plan, Split(0), "back")
    assert set(answers(net, users[:50])) == {"v1"}


def test_no_request_fails_over_twenty_changes_of_way(net):
    plan = planned(net, segment=WARD, affinity={"header": "x-user"})
    ways = [
        Split(50),
        Split(50, 100, "segment"),
        Split(100, 100, "mirror"),
        Split(100, 100, "segment"),
        Split(0),
    ]

    async def main():
        enough = asyncio.Event()
        slow = asyncio.create_task(load(net.envoy.url + "/?ms=150", enough))
        fast = asyncio.create_task(load(net.envoy.url, enough))
        for number, split in enumerate(ways * 4):
            await asyncio.to_thread(ROUTER.write, plan, split, f"way-{number}")
            await asyncio.sleep(0.03)
        enough.set()
        return await slow + await fast

    replies = asyncio.run(main())
    assert len(replies) > 100
    assert [reply for reply in replies if reply.status != 200] == []
    wait(lambda: ROUTER.read(plan, 100).write_id == "way-19", "receipt")
    assert ROUTER.read(plan, 100).split == Split(0)


def test_an_edit_of_the_segment_s_route_is_seen(net):
    plan = planned(net, segment=WARD)
    move(plan, Split(10, 100, "segment"), "ours")
    edit(net, lambda route: weigh(route, 40))
    wait(lambda: ROUTER.read(plan, 100).split == Split(40, 100, "segment"), "other weights")
    edit(net, lambda route: route["match"]["headers"][0].update(name="x-other"))
    wait(lambda: edited(plan), "another match")
    move(plan, Split(10, 100, "segment"), "again")
    assert set(answers(net, [{"x-other": "cardiology"}] * 20)) == {"v1"}


def edit(net, change):
    """Change our route as a person would: another file, moved into place."""
    manifest = json.loads(net.envoy.file.read_text())
    change(manifest["resources"][0]["virtual_hosts"][0]["routes"][0])
    manifest["version_info"] += "+"
    draft = net.envoy.file.with_name("draft")
    draft.write_text(json.dumps(manifest))
    draft.replace(net.envoy.file)


def weigh(route, canary):
    stable, last = route["route"]["weighted_clusters"]["clusters"]
    stable["weight"], last["weight"] = 100 - canary, canary


def edited(plan):
    try:
        ROUTER.read(plan, 100)
    except RouteError as error:
        return "was edited" in str(error)
    return False
