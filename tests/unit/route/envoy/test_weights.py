"""Manifests to splits and back: what is owned, what is left alone, what is refused."""

import copy

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.live import shown
from rollout.route.envoy.weights import (
    clusters_of,
    names_of,
    patch,
    split_of,
    version_of,
)

ARMS = Arms("s-v1", "s-v2")


def entry(name, weight):
    return {"name": name, "weight": weight}


def manifest(*routes):
    """One configuration with a route for every list of clusters."""
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": [
            {"match": {"prefix": f"/{number}"}, "route": {"weighted_clusters": {"clusters": r}}}
            for number, r in enumerate(routes)
        ],
    }
    config = {"name": "s", "validate_clusters": True, "virtual_hosts": [host]}
    return {"version_info": "7", "resources": [config]}


def clusters(document, route=0):
    action = document["resources"][0]["virtual_hosts"][0]["routes"][route]["route"]
    return action["weighted_clusters"]["clusters"]


def test_weights_are_exactly_canary_and_the_rest_of_the_total():
    new = patch(manifest([entry("s-v1", 90), entry("s-v2", 10)]), ARMS, Split(10, 10_000), "m")
    assert clusters(new) == [entry("s-v1", 9990), entry("s-v2", 10)]
    assert version_of(new) == "m"


def test_only_weights_and_the_version_change():
    old = manifest([entry("s-v1", 90), entry("s-v2", 10)])
    before = copy.deepcopy(old)
    new = patch(old, ARMS, Split(20), "m")
    assert old == before
    new["version_info"] = "7"
    del new["resources"][0]["metadata"]
    clusters(new)[:] = clusters(old)
    assert new == old


def test_without_traffic_an_entry_that_the_router_added_is_taken_away():
    """A cluster that Envoy does not know would make it refuse the rollback too."""
    old = manifest([entry("s-v1", 100)])
    new = patch(patch(old, ARMS, Split(5), "m"), ARMS, Split(0), "m")
    assert clusters(new) == [entry("s-v1", 100)]
    routed_entry = entry("s-v2", 5) | {"metadata_match": {}}
    new = patch(manifest([entry("s-v1", 95), routed_entry]), ARMS, Split(0), "m")
    assert clusters(new) == [entry("s-v1", 100), routed_entry | {"weight": 0}]


def test_a_canary_without_entry_is_added_last_and_a_stable_without_entry_first():
    new = patch(manifest([entry("s-v1", 100), entry("s-v0", 0)]), ARMS, Split(5), "m")
    assert clusters(new) == [entry("s-v1", 95), entry("s-v0", 0), entry("s-v2", 5)]
    new = patch(manifest([entry("s-v0", 0), entry("s-v2", 100)]), ARMS, Split(5), "m")
    assert clusters(new) == [entry("s-v1", 95), entry("s-v0", 0), entry("s-v2", 5)]


def test_a_cluster_named_twice_counts_once():
    double = manifest([entry("s-v1", 50), entry("s-v2", 25), entry("s-v2", 25)])
    assert split_of(double, ARMS, 100) == Split(50)
    assert split_of(patch(double, ARMS, Split(0), "m"), ARMS, 100) == Split(0)


def test_a_cluster_named_twice_stops_an_advance_because_nobody_knows_which_is_meant():
    double = manifest([entry("s-v1", 50), entry("s-v2", 25), entry("s-v2", 25)])
    with pytest.raises(RouteError, match="route 1 of virtual host all names s-v2 twice"):
        patch(double, ARMS, Split(5), "m")


def test_routes_of_other_services_are_left_alone():
    new = patch(manifest([entry("s-v1", 1)], [entry("t-v1", 9)]), ARMS, Split(5), "m")
    assert clusters(new, 1) == [entry("t-v1", 9)]


def test_camel_case_is_read_and_kept():
    camel = {
        "versionInfo": "7",
        "resources": [
            {
                "name": "s",
                "virtualHosts": [
                    {
                        "name": "all",
                        "routes": [
                            {"route": {"weightedClusters": {"clusters": [entry("s-v1", "3")]}}}
                        ],
                    }
                ],
            }
        ],
    }
    new = patch(camel, ARMS, Split(5), "m")
    assert version_of(new) == "m"
    assert new.keys() == camel.keys()
    assert split_of(new, ARMS, 100) == Split(5)


def test_the_mark_is_content_because_envoy_ignores_a_version_alone():
    old = manifest([entry("s-v1", 90), entry("s-v2", 10)], [entry("t-v1", 1)])
    old["resources"][0]["metadata"] = {"filter_metadata": {"other": {"a": 1}}}
    old["resources"].append({"name": "t"})
    new = patch(old, ARMS, Split(10), "m")["resources"]
    stamps = {"other": {"a": 1}, "surefoot": {"mark": "m", "split": "10/100"}}
    assert new[0]["metadata"]["filter_metadata"] == stamps
    assert new[1] == {"name": "t"}


def test_a_stated_total_stays_the_sum():
    old = manifest([entry("s-v1", 100)])
    action = old["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]
    action["weighted_clusters"]["total_weight"] = 100
    new = patch(old, ARMS, Split(10, 10_000), "m")
    route = new["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]
    assert route["weighted_clusters"]["total_weight"] == 10_000


@pytest.mark.parametrize(
    ("weights", "total", "canary"),
    [
        ((90, 10), 100, 10),
        ((100, 0), 100, 0),
        ((0, 1), 100, 100),
        ((9990, 10), 10_000, 10),
        ((9990, 10), 100, 1),  # 0.1 % of traffic is never shown as nothing
        ((10, 9990), 100, 99),
        ((2, 1), 100, 33),
    ],
)
def test_any_total_is_read_in_the_asked_one(weights, total, canary):
    live = manifest([entry("s-v1", weights[0]), entry("s-v2", weights[1])])
    assert split_of(live, ARMS, total) == Split(canary, total)


THIRD = manifest([entry("s-v1", 80), entry("s-v2", 10), entry("s-v0", 10)])
ZERO = manifest([entry("s-v1", 0), entry("s-v2", 0)])
DISAGREE = manifest([entry("s-v1", 90), entry("s-v2", 10)], [entry("s-v1", 100)])
NUMBERLESS = manifest([entry("s-v1", 90), entry("s-v2", "ten")])


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (ZERO, "route 1 of virtual host all: the weights sum to zero"),
        (DISAGREE, r"routes disagree .*: 10 % in route 1 .*, 0 % in route 2"),
        (NUMBERLESS, "route 1 .*: weight 'ten' is no whole number"),
        (manifest([entry("t-v1", 1)]), "no route has weights for cluster s-v1 or s-v2$"),
        ({}, "no route has weights"),
        ({"resources": "x"}, "no route configuration"),
        ({"resources": [3]}, "no route configuration"),
    ],
)
def test_what_is_no_split_is_refused_with_the_reason(live, reason):
    with pytest.raises(RouteError, match=reason):
        split_of(live, ARMS, 100)


def test_a_plain_cluster_is_refused_with_the_cure():
    plain = manifest([])
    plain["resources"][0]["virtual_hosts"][0]["routes"][0]["route"] = {"cluster": "s-v1"}
    with pytest.raises(RouteError, match=r"route 1 .* needs `weighted_clusters` instead"):
        patch(plain, ARMS, Split(5), "m")


def test_disagreement_and_zero_weights_are_repaired_by_a_write():
    for broken in (DISAGREE, ZERO):
        assert split_of(patch(broken, ARMS, Split(5), "m"), ARMS, 100) == Split(5)


@pytest.mark.parametrize(
    ("split", "weights"),
    [(Split(10), [81, 9, 10]), (Split(5), [171, 9, 20]), (Split(0), [90, 0, 10])],
)
def test_a_third_cluster_keeps_its_share_of_the_traffic(split, weights):
    new = patch(THIRD, ARMS, split, "m")
    weights_by_name = {cluster["name"]: cluster["weight"] for cluster in clusters(new)}
    assert [weights_by_name.get(name, 0) for name in ("s-v1", "s-v2", "s-v0")] == weights
    assert split_of(new, ARMS, 100) == split


def test_the_total_weight_that_envoy_checks_counts_the_third_cluster():
    live = copy.deepcopy(THIRD)
    action = live["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]
    action["weighted_clusters"]["total_weight"] = 100
    new = patch(live, ARMS, Split(5), "m")
    action = new["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]
    assert action["weighted_clusters"]["total_weight"] == 200


def test_a_dump_gives_the_named_configuration_and_its_version():
    config = manifest([entry("s-v1", 90), entry("s-v2", 10)])["resources"][0]
    configuration = {"version_info": "m", "route_config": config}
    other = {"version_info": "x", "route_config": {"name": "t"}}
    for dump in (
        {"configs": [other, configuration]},
        {"configs": [{"dynamic_route_configs": [other, configuration]}]},
    ):
        live = shown(dump, {"s"})
        assert version_of(live) == "m"
        assert split_of(live, ARMS, 100) == Split(10)


def test_a_version_that_not_all_configurations_show_is_no_mark():
    config = manifest([entry("s-v1", 1)])["resources"][0]
    configs = [
        {"version_info": "a", "route_config": config},
        {"version_info": "b", "route_config": {**config, "name": "t"}},
    ]
    assert version_of(shown({"configs": configs}, {"s", "t"})) == "a, b"


def test_a_configuration_that_envoy_does_not_have_is_named():
    with pytest.raises(RouteError, match="no route configuration named s"):
        shown({}, {"s"})


def test_names_of_configurations_and_clusters():
    assert names_of(DISAGREE, ARMS) == {"s"}
    assert clusters_of(THIRD) == {"s-v0", "s-v1", "s-v2"}


@pytest.mark.parametrize(("by_hand", "shown_share"), [(40, 40), (0, 10), (20, 20)])
def test_one_route_moved_by_hand_is_what_is_seen_and_leaves_no_note_behind(by_hand, shown_share):
    live = patch(manifest([entry("s-v1", 1)], [entry("s-v1", 1)]), ARMS, Split(20), "m")
    clusters(live, 1)[:] = [entry("s-v1", 100 - by_hand), entry("s-v2", by_hand)]
    assert split_of(live, ARMS, 100) == Split(shown_share)
    back = patch(live, ARMS, Split(0), "back")
    assert back["resources"][0]["metadata"] == {"filter_metadata": {"surefoot": {"mark": "back"}}}
