"""Laws of a rollback in a local Envoy's route file, whatever people did between our writes."""

import copy
import json

import hypothesis.strategies as st
from hypothesis import assume, given

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Traffic
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.live import list_leading
from rollout.route.envoy.traffic import patch, split_of
from rollout.route.envoy.walk import actions
from tests.support.examples import draw_up_to

ARMS = Arms("s-v1", "s-v2", "s-v2-shadow")
WARD = Traffic.model_validate(
    {
        "segment": {"header": {"name": "x-ward", "exact": "icu"}},
        "affinity": {"header": "x-user"},
    }
)
ICU = Traffic(segment=WARD.segment)  # affinity is refused beside a third cluster
SPLITS = [Split(5), Split(50), Split(100), Split(20, 100, "segment"), Split(100, 100, "mirror")]
EDITS = ["single", "elsewhere", "weights", "stray", "stray by weights", "delete", "reverse", "bare"]


def weighted(*clusters):
    entries = [{"name": name, "weight": weight} for name, weight in clusters]
    return {"weighted_clusters": {"clusters": entries}}


KINDS = {
    "pin": {"cluster": "s-v2"},
    "weighted pin": weighted(("s-v2", 1)),
    "own": weighted(("s-v1", 1)),
    "both": weighted(("s-v1", 100), ("s-v2", 0)),
    "foreign": {"cluster": "other"},
    "share": weighted(("s-v1", 9), ("s-v2", 0), ("other", 1)),
    "copied": weighted(("s-v1", 1)) | {"request_mirror_policies": [{"cluster": "s-v2"}]},
    "audited": weighted(("s-v1", 1)) | {"request_mirror_policies": [{"cluster": "audit"}]},
}


@st.composite
def files(draw):
    """A route file with a route of the plan, and others."""
    kinds = ["own", *draw(st.lists(st.sampled_from([*KINDS]), max_size=3))]
    routes = [
        {"match": {"prefix": f"/{number}"}, "route": copy.deepcopy(KINDS[kind])}
        for number, kind in enumerate(kinds)
    ]
    host = {"name": "all", "domains": ["*"], "routes": draw(st.permutations(routes))}
    if draw(st.booleans()):
        host["request_mirror_policies"] = [{"cluster": draw(st.sampled_from(["audit", "s-v2"]))}]
    return {"version_info": "0", "resources": [{"name": "s", "virtual_hosts": [host]}]}


def routes_of(live):
    return live["resources"][0]["virtual_hosts"][0]["routes"]


def edit(draw, live, number):
    """Do one thing to the file that a person or a tool may do."""
    routes, what = routes_of(live), draw(st.sampled_from(EDITS))
    if not routes:
        return
    route = draw(st.sampled_from(routes))
    changed = {
        "single": {"cluster": draw(st.sampled_from(["s-v1", "s-v2"]))},
        "elsewhere": {"cluster": "maintenance"},
        "weights": weighted(("s-v1", 60), ("s-v2", 40)),
    }
    if what in changed:
        route["route"] = changed[what]
    elif what.startswith("stray"):
        kind = "pin" if what == "stray" else "weighted pin"
        action = copy.deepcopy(KINDS[kind])
        routes.insert(0, {"match": {"path": f"/new{number}"}, "route": action})
    elif what == "delete":
        routes.remove(route)
    elif what == "reverse":
        routes.reverse()
    else:
        live["resources"][0].pop("metadata", None)


@st.composite
def stories(draw):
    """The file before our first write and after writes and edits in turn, and what was recorded."""
    live = draw(files())
    first, before = copy.deepcopy(live), list_leading(live, live, ARMS)
    is_begun = False
    for number in range(draw(st.integers(1, 6))):
        if number % 2:
            edit(draw, live, number)
            continue
        try:
            split, mark = draw(st.sampled_from(SPLITS)), f"s-v2-00000000/{number}"
            live = patch(live, ARMS, split, mark, WARD, before=before if is_begun else None)
            is_begun = True
        except RouteError:
            continue
    return first, live, before


def gives(action):
    """Whether an action leads requests or copies to the canary."""
    clusters = action.get("weighted_clusters", {}).get("clusters", [])
    is_sent = any(item["name"] == "s-v2" and item["weight"] for item in clusters)
    mirrors = [item["cluster"] for item in action.get("request_mirror_policies", [])]
    return is_sent or action.get("cluster") == "s-v2" or "s-v2-shadow" in mirrors


def giving(live):
    return {json.dumps(r["match"], sort_keys=True) for r in routes_of(live) if gives(r["route"])}


@draw_up_to(200)
@given(stories())
def test_a_rollback_leaves_the_canary_only_what_it_had_before_our_first_write(story):
    first, live, before = story
    back = patch(live, ARMS, Split(0), "back", WARD, before=before)
    assert giving(back) <= giving(first)
    assert split_of(back, ARMS, 100, WARD, before) == Split(0)
    assert patch(back, ARMS, Split(0), "back", WARD, before=before) == back


@draw_up_to(150)
@given(files(), st.lists(st.sampled_from(SPLITS), min_size=1, max_size=4), st.booleans())
def test_what_nobody_edited_is_the_very_file_again_but_for_its_version(first, splits, is_lost):
    """After a rollback, and after a promotion that is undone; a promotion leaves no note either."""
    before, traffic = list_leading(first, first, ARMS), WARD if "other" not in f"{first}" else ICU
    live, id_ = first, "s-v2-00000000"
    for number, split in enumerate(splits):
        recorded = before if number else None
        try:
            live = patch(live, ARMS, split, f"{id_}/{number}", traffic, before=recorded)
        except RouteError:
            assume(number)
    if is_lost:
        live["resources"][0].pop("metadata", None)
    promoted = patch(live, ARMS, Split(100), f"{id_}/97", traffic, before=before, is_last=True)
    assert "surefoot" not in json.dumps(promoted)
    for state in (live, promoted):
        back = patch(state, ARMS, Split(0), f"{id_}/99", traffic, before=before, is_last=True)
        assert back["resources"] == first["resources"]


@draw_up_to(200)
@given(stories())
def test_a_rollback_leaves_nothing_of_ours_and_all_of_others(story):
    first, live, before = story
    back = patch(live, ARMS, Split(0), "back", WARD, before=before)
    assert "segment" not in json.dumps(back), "a route of ours for the segment"
    assert not any("hash_policy" in action for _, _, action in actions(back))
    theirs = [route for route in routes_of(live) if route in routes_of(first)]
    foreign = [route for route in theirs if "s-v" not in json.dumps(route)]
    assert [route for route in routes_of(back) if route in foreign] == foreign
