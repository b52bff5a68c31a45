"""A segment, copies and affinity in Envoy's route file: what is owned, kept and refused."""

import copy

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Traffic
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.traffic import patch, split_of
from rollout.route.envoy.walk import actions

ARMS = Arms("s-v1", "s-v2", "s-v2-shadow")
WARD = Traffic.model_validate({"segment": {"header": {"name": "x-ward", "exact": "icu"}}})
USER = Traffic.model_validate({"affinity": {"header": "x-user"}})
SEGMENT, MIRROR = Split(10, 100, "segment"), Split(50, 100, "mirror")


def manifest(*clusters, **action):
    """Two routes: one that is nobody's business, and one with these clusters."""
    entries = [{"name": name, "weight": weight} for name, weight in clusters or (("s-v1", 100),)]
    routes = [
        {"match": {"path": "/health"}, "direct_response": {"status": 200}},
        {
            "name": "main",
            "match": {"prefix": "/"},
            "route": {"timeout": "9s", "weighted_clusters": {"clusters": entries}, **action},
            "response_headers_to_add": [{"header": {"key": "x"}}],
        },
    ]
    host = {"name": "all", "domains": ["*"], "routes": routes}
    return {"version_info": "7", "resources": [{"name": "s", "virtual_hosts": [host]}]}


def routes(document):
    routes = document["resources"][0]["virtual_hosts"][0]["routes"]
    return copy.deepcopy(routes)


def test_a_route_for_the_segment_stands_before_ours_and_copies_the_rest_of_it():
    health, ours, rest = routes(patch(manifest(), ARMS, SEGMENT, "m", WARD))
    assert health == routes(manifest())[0]
    assert rest == routes(manifest())[1]
    match = {"prefix": "/", "headers": [{"name": "x-ward", "string_match": {"exact": "icu"}}]}
    assert ours.pop("match") == match
    assert ours.pop("metadata") == {"filter_metadata": {"surefoot": {"segment": "s-v2"}}}
    assert ours["route"]["weighted_clusters"]["clusters"] == [
        {"name": "s-v1", "weight": 90},
        {"name": "s-v2", "weight": 10},
    ]
    assert ours["route"]["timeout"] == "9s"
    assert {key: ours[key] for key in ("name", "response_headers_to_add")} == {
        key: rest[key] for key in ("name", "response_headers_to_add")
    }


def test_the_routes_of_a_segment_change_no_number():
    held = patch(manifest(), ARMS, SEGMENT, "m", WARD)
    assert [location for _, location, _ in actions(held)] == ["route 2 of virtual host all"] * 2


@pytest.mark.parametrize("traffic", [WARD, Traffic()], ids=["known", "plan changed"])
def test_a_rollback_takes_the_segment_away(traffic):
    held = patch(manifest(), ARMS, SEGMENT, "m", WARD)
    assert split_of(held, ARMS, 100, traffic) == SEGMENT
    back = patch(held, ARMS, Split(0), "m", traffic)
    assert routes(back) == routes(manifest())
    assert split_of(back, ARMS, 100, traffic) == Split(0)


def test_a_segment_without_a_plan_for_it_is_refused():
    with pytest.raises(RouteError, match="the plan has no segment"):
        patch(manifest(), ARMS, SEGMENT, "m")


def test_weights_outside_the_segment_are_what_is_seen():
    held = patch(manifest(("s-v1", 9), ("s-v2", 1)), ARMS, SEGMENT, "m", WARD)
    entries = [{"name": "s-v1", "weight": 60}, {"name": "s-v2", "weight": 40}]
    last = held["resources"][0]["virtual_hosts"][0]["routes"][2]
    last["route"]["weighted_clusters"]["clusters"] = entries
    assert split_of(held, ARMS, 100, WARD) == Split(40)


@pytest.mark.parametrize(
    "edit",
    [
        lambda table: table[1]["match"]["headers"].clear(),
        lambda table: table[2]["match"].update(prefix="/v1"),
        lambda table: table.append(table.pop(1)),
    ],
)
def test_an_edit_of_what_is_matched_is_told(edit):
    held = patch(manifest(), ARMS, SEGMENT, "m", WARD)
    edit(held["resources"][0]["virtual_hosts"][0]["routes"])
    with pytest.raises(RouteError, match="route for the segment before it was edited"):
        split_of(held, ARMS, 100, WARD)
    healed = patch(held, ARMS, SEGMENT, "m", WARD)
    assert split_of(healed, ARMS, 100, WARD) == SEGMENT


def test_copies_are_added_to_those_of_others():
    theirs = [{"cluster": "audit"}]
    before = manifest(request_mirror_policies=theirs)
    held = patch(before, ARMS, MIRROR, "m")
    assert routes(held)[1]["route"]["request_mirror_policies"] == [
        *theirs,
        {
            "cluster": "s-v2-shadow",
            "runtime_fraction": {"default_value": {"numerator": 50, "denominator": "HUNDRED"}},
        },
    ]
    assert split_of(held, ARMS, 100) == MIRROR
    assert routes(patch(held, ARMS, Split(0), "m")) == routes(before)


@pytest.mark.parametrize(
    ("policy", "split_read"),
    [
        ({}, Split(100, 100, "mirror")),
        ({"runtime_fraction": {"default_value": {}}}, Split(0)),
        ({"runtimeFraction": {"defaultValue": {"numerator": 7}}}, Split(7, 100, "mirror")),
        (
            {"runtime_fraction": {"default_value": {"numerator": 7, "denominator": "MILLION"}}},
            Split(1, 100, "mirror"),
        ),
    ],
)
def test_copies_are_read_as_envoy_reads_them(policy, split_read):
    live = manifest(request_mirror_policies=[{"cluster": "s-v2-shadow", **policy}])
    assert split_of(live, ARMS, 100) == split_read


def test_routes_that_disagree_on_copies_are_told():
    live = patch(manifest(), ARMS, MIRROR, "m")
    table = live["resources"][0]["virtual_hosts"][0]["routes"]
    table.append(routes(manifest())[1])
    with pytest.raises(RouteError, match=r"routes disagree .* s-v2-shadow .*: 0 %, 50 %"):
        split_of(live, ARMS, 100)


def test_copies_have_parts_that_envoy_knows():
    with pytest.raises(RouteError, match="Envoy copies no parts of 1000"):
        patch(manifest(), ARMS, Split(1, 1000, "mirror"), "m")


@pytest.mark.parametrize("split", [Split(10), SEGMENT])
def test_affinity_draws_by_the_user_and_goes_again(split):
    both = WARD.model_copy(update={"affinity": USER.affinity})
    before = manifest(hash_policy=[{"header": {"header_name": "x-user"}}])
    before["resources"][0]["virtual_hosts"][0]["routes"][1]["route"]["weighted_clusters"] |= {
        "use_hash_policy": False
    }
    held = patch(before, ARMS, split, "m", both)
    action = routes(held)[1]["route"]
    assert action["weighted_clusters"]["use_hash_policy"] is True
    assert action["hash_policy"] == [{"header": {"header_name": "x-user"}}]
    assert patch(held, ARMS, split, "m", both) == held
    for end in (Split(0), Split(100)):
        assert patch(held, ARMS, end, "m", both) == patch(before, ARMS, end, "m")


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ({"hash_policy": [{"cookie": {"name": "theirs"}}]}, "has a hash policy of its own"),
        ({"weighted_clusters": {"header_name": "x-assign"}}, "lets a header draw the cluster"),
        ({"weighted_clusters": {}}, "has a third cluster"),
    ],
)
def test_affinity_is_refused_where_the_draw_is_another_s_and_a_rollback_passes(action, problem):
    live = manifest(("s-v1", 90), ("s-v0", 10 if "third" in problem else 0))
    owned = live["resources"][0]["virtual_hosts"][0]["routes"][1]["route"]
    owned["weighted_clusters"] |= action.get("weighted_clusters", {})
    owned |= {key: value for key, value in action.items() if key == "hash_policy"}
    with pytest.raises(RouteError, match=problem):
        patch(live, ARMS, Split(10), "m", USER)
    assert split_of(patch(live, ARMS, Split(0), "m", USER), ARMS, 100) == Split(0)


@pytest.mark.parametrize("split", [SEGMENT, MIRROR], ids=["segment", "copies"])
@pytest.mark.parametrize("cluster", ["s-v1", "s-v2"])
def test_a_rollback_leaves_nothing_of_ours_where_somebody_took_the_weights_away(split, cluster):
    live = patch(manifest(), ARMS, split, "m", WARD)
    for route in live["resources"][0]["virtual_hosts"][0]["routes"][1:]:
        del route["route"]["weighted_clusters"]
        route["route"]["cluster"] = cluster
    back = patch(live, ARMS, Split(0), "back", WARD, before=())
    _, ours = routes(back)
    assert ours["route"] == {"timeout": "9s", "cluster": "s-v1"}
    assert split_of(back, ARMS, 100, WARD, ()) == Split(0)


@pytest.mark.parametrize("note", ["s-v2", True])
def test_a_segment_s_route_that_somebody_points_elsewhere_is_a_drift_and_goes(note):
    live = patch(manifest(), ARMS, SEGMENT, "m", WARD)
    ours = live["resources"][0]["virtual_hosts"][0]["routes"][1]
    ours["metadata"]["filter_metadata"]["surefoot"]["segment"] = note
    del ours["route"]["weighted_clusters"]
    ours["route"]["cluster"] = "maintenance"
    assert split_of(live, ARMS, 100, WARD, ()) == Split(0)
    if note is True:  # of an older version: whose it is cannot be told
        return
    assert routes(patch(live, ARMS, Split(0), "back", WARD, before=())) == routes(manifest())
    theirs = Arms("t-v1", "t-v2")
    other = copy.deepcopy(live["resources"][0])
    entries = [{"name": "t-v1", "weight": 1}]
    other["virtual_hosts"][0]["routes"][2]["route"]["weighted_clusters"]["clusters"] = entries
    passed_by = patch({"resources": [other]}, theirs, Split(0), "back", WARD, before=())
    assert len(routes(passed_by)) == 3, "a route of another service's rollout"
