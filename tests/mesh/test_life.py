"""The life of a rollout in a real mesh: from `kubectl apply` to requests at the backends."""

from __future__ import annotations

from statistics import median

import pytest
import yaml
from scipy.stats import binomtest

from rollout.decide.record.route_facts import Followed
from tests.live.pipeline import ROOT
from tests.mesh.life import Life, Lives, live
from tests.mesh.story import KINDS, Story

# What happened is recorded once, so that a second run of a test would read the same again.
pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

AT_MOST = 5.0  # seconds from a confirmation until every Envoy shows the weights
HASHES = {"RING_HASH", "MAGLEV"}
ENOUGH = 20  # requests, for a share to say something
RARE = 1e-6  # a share so far from what was written is no chance


def example(number, *keys):
    """A part of a shipped plan's spec."""
    (path,) = (ROOT / "manifests" / "examples").glob(f"{number}-*.yaml")
    value = yaml.safe_load(path.read_text())["spec"]
    for key in keys:
        value = value[key]
    return value


def segment(kind, name, match, member, query=""):
    traffic = {"segment": match}
    ramp = {"steps": ["50%", "100%"], "bake": "3s"}
    spec = {"traffic": traffic, "ramp": ramp}
    return Story(f"{name}-{kind}", kind, spec=spec, member=member, query=query)


def segments(kind):
    regex = example("06", "traffic", "segment", "header")
    return [
        segment(kind, "header", {"header": {"name": "x-ward", "exact": "icu"}}, {"x-ward": "icu"}),
        segment(kind, "regex", {"header": regex}, {regex["name"]: "surgery-3"}),
        segment(
            kind, "cookie", {"cookie": {"name": "group", "exact": "b"}}, {"Cookie": "a=1; group=b"}
        ),
        segment(kind, "query", {"query": {"name": "ward", "exact": "icu"}}, {}, "ward=icu"),
    ]


# The example's mTLS needs certificates, which only Istio's own agent brings to a proxy.
POLICY = {key: value for key, value in example("08", "policy").items() if key != "mtls"}
MADE_AT_THE_EDGE = example("11", "route", "gateway", "create") | {
    "parentRefs": [{"name": "edge"}],
    "hostnames": ["made-edge.example.org"],
    "port": 80,
}
COPIES = {"traffic": {"mirror": {"share": "20%", "lasts": "6s"}}}
MADE = example("10", "route", "istio", "create")
STORIES = [
    Story("good-subsets", "subsets"),
    Story("good-hosts", "hosts"),
    Story(
        *("good-service", "service"),
        spec={"ramp": {"steps": ["0.5%", "50%"], "bake": "3s"}},
        rate=100.0,  # so that half a per cent is a request every two seconds
    ),
    Story("good-edge", "edge"),
    *[Story(f"bad-{kind}", kind, "rolled back") for kind in KINDS],
    *segments("subsets"),
    *segments("edge"),
    segments("hosts")[0],
    segments("service")[0],
    *[Story(f"copies-{kind}", kind, spec=COPIES) for kind in KINDS],
    Story("policy", "subsets", spec={"policy": POLICY}, is_removed=True),
    Story("made", "subsets", route={"create": MADE}, is_made=True, is_removed=True),
    Story(
        "made-bad", "subsets", "rolled back", route={"create": MADE}, is_made=True, is_removed=True
    ),
    Story("made-edge", "edge", route={"create": MADE_AT_THE_EDGE}, is_made=True, is_removed=True),
]
NAMES = [story.service for story in STORIES]


@pytest.fixture(scope="module")
def lives(world, tmp_path_factory) -> Lives:
    return live(world, STORIES, tmp_path_factory.mktemp("life"))


@pytest.fixture(params=NAMES)
def life(lives, request) -> Life:
    chosen: Life = lives.by_service[request.param]
    return chosen


@pytest.fixture
def recorder(lives):
    return lives.recorder


def proxies(life):
    """The Envoys through which this service is asked."""
    return {request.proxy for request in life.requests}


def shown_everywhere(life, recorder, confirmation):
    """When every Envoy's dump showed what a confirmation believed; fails if one never did."""
    decided = max(at for at in life.moves if at <= confirmation.at)
    times = {
        proxy: recorder.first(proxy, life.story, confirmation.split, decided)
        for proxy in proxies(life)
    }
    assert None not in times.values(), f"{confirmation.split} is not in {times}"
    return max(confirmation.at, *times.values())


def test_it_ends_as_it_should(life):
    assert life.phase == life.story.end


def test_what_was_confirmed_is_what_every_envoy_shows_within_seconds(life, recorder):
    assert life.confirmations
    for confirmation, _ in life.confirmations:
        at = shown_everywhere(life, recorder, confirmation)
        assert at - confirmation.at <= AT_MOST


def test_the_share_at_the_backends_is_what_was_written(life, recorder):
    for confirmation, end in life.confirmations:
        split = confirmation.split
        begin = shown_everywhere(life, recorder, confirmation)
        requests = life.between(begin, end, inside=True if split.way == "segment" else None)
        canary = sum(request.version == "v2" for request in requests)
        check_share(canary, len(requests), split.served_share)
        copies = [life.copies(request) for request in requests]
        check_share(sum(map(len, copies)), len(requests), split.share * (split.way == "mirror"))
        outside = life.between(begin, end, inside=False)
        if split.way == "segment":
            assert {request.version for request in outside} == {"v1"}


def check_share(count, total, share):
    """The share of so many independent requests, each with this probability.

    A step that does harm may be over before a request arrives: then there is nothing to compare.
    """
    if share in {0, 1} or not total:
        assert count == total * share
    else:
        assert binomtest(count, total, share).pvalue > RARE, (count, total, share)


def test_every_step_and_every_end_met_requests(life, recorder):
    """Otherwise the shares would say nothing; a step that does harm may be over at once.

    On a busy machine a proxy shows a step late, and little is left of it.
    """
    counts = [
        len(
            life.between(
                shown_everywhere(life, recorder, confirmation),
                end,
                inside=True if confirmation.split.way == "segment" else None,
            )
        )
        for confirmation, end in life.confirmations
        if confirmation.split.canary or confirmation is life.confirmations[-1][0]
    ]
    assert counts[-1] >= ENOUGH
    assert life.story.end == "rolled back" or (min(counts) and median(counts) >= ENOUGH)


def test_no_request_is_lost_and_each_is_answered_where_it_arrived(life):
    """Before its route is made, and after it is removed, a gateway has none: that is no loss."""
    begin, end = 0.0, float("inf")
    if life.story.service == "made-edge":
        begin, end = life.confirmations[0][0].at + AT_MOST, life.end
    requests = life.between(begin, end)
    assert len(requests) >= ENOUGH
    lost = [r for r in requests if r.version not in life.arrivals.get(r.number, ())]
    assert lost == []


def test_each_envoy_counted_exactly_the_requests_of_its_clients(lives, world):
    sent = [request.proxy for request in world.traffic.requests]
    for envoy in world.proxies:
        assert envoy.requests() == sent.count(envoy.name)


def test_no_push_was_rejected_and_istiod_warns_of_nothing_that_we_wrote(lives):
    assert lives.rejections == 0
    assert lives.warnings == []


def test_the_policy_of_the_example_is_in_force_until_it_is_removed(lives):
    life = lives.by_service["policy"]
    cluster, (action,) = life.ended["cluster"], life.ended["actions"]
    assert cluster["outlier_detection"]["consecutive_5xx"] == 5
    assert cluster["lb_policy"] in HASHES
    (limits,) = cluster["circuit_breakers"]["thresholds"]
    names = ("max_connections", "max_pending_requests", "max_requests")
    assert [limits[name] for name in names] == [200, 100, 400]
    assert action["timeout"] == "30s"
    assert action["retry_policy"]["num_retries"] == 2
    assert action["retry_policy"]["per_try_timeout"] == "10s"
    cluster, (action,) = life.removed["cluster"], life.removed["actions"]
    assert "outlier_detection" not in cluster
    assert cluster.get("lb_policy") not in HASHES
    assert action["timeout"] == "0s"
    assert "per_try_timeout" not in action["retry_policy"]


@pytest.mark.parametrize("name", ["made", "made-bad"])
def test_without_the_routes_that_were_made_requests_go_to_the_pods_that_are_left(
    lives, world, name
):
    life = lives.by_service[name]
    requests = life.between(life.removal[0], float("inf"))
    assert len(requests) >= 30
    assert {request.version for request in requests} == {life.story.winner}
    for envoy in world.sidecars:
        (route,) = envoy.routes(life.story.host)
        assert {*route.clusters} == {f"outbound|80||{life.story.host}"}


def test_a_route_that_was_made_at_the_edge_is_gone(lives, world):
    assert world.edge.routes(lives.by_service["made-edge"].story.host) == []


def test_the_splits_are_those_of_the_plan_in_its_order(life):
    splits = [confirmation.split for confirmation, _ in life.confirmations]
    steps = [(split.share, split.way) for split in splits]
    wanted = planned(life.story)
    if life.story.end == "promoted":
        assert steps == [*wanted, (1.0, "weights")]
    else:
        assert steps[-1] == (0.0, "weights")
        assert steps[:-1] == wanted[: len(steps) - 1]
        assert any(share for share, _ in steps), "harm was met before it was found"


def planned(story):
    """The shares of the plan's ramp, with what comes before it."""
    spec = story.plan("http://127.0.0.1")["spec"]
    traffic = spec.get("traffic") or {}
    way = "segment" if traffic.get("segment") else "weights"
    steps = [(float(step.rstrip("%")) / 100, way) for step in spec["ramp"]["steps"]]
    if traffic.get("mirror"):
        steps.insert(0, (float(traffic["mirror"]["share"].rstrip("%")) / 100, "mirror"))
    if story.is_made:
        steps.insert(0, (0.0, "weights"))
    return [(pytest.approx(share), way) for share, way in steps]


def test_it_ends_once_its_traffic_is_seen_to_follow(life):
    followed = [fact for fact in life.facts if isinstance(fact, Followed)]
    assert [fact.outcome for fact in followed] == ["seen"]
