"""Stable's entry of weight 0 is tidied away at full traffic: all of it comes back in the end."""

import copy

import pytest

from rollout.decide.record.split import Split
from rollout.route.kube.patch import patch
from rollout.route.kube.view import exposure
from tests.support.routes import (
    Json,
    gateway,
    http_route,
    istio,
    merged,
    ref,
    to,
    virtual_service,
)

HEADERS: Json = {"headers": {"request": {"set": {"x-auth": "a"}}}}
FILTERS: Json = {
    "filters": [
        {
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {"set": [{"name": "x-auth", "value": "a"}]},
        }
    ]
}
CASES = [
    (istio(), virtual_service([to("reviews", None, "v1", **HEADERS)]), "http", "route"),
    (gateway(), http_route([ref("reviews-v1", **FILTERS)]), "rules", "backendRefs"),
]


def write(live, asked, number, split, before, *, is_last=False):
    change = patch(live, asked, split, f"{asked.id}/{number}", before, is_last=is_last)
    return copy.deepcopy(merged(live, change))


@pytest.mark.parametrize(("asked", "fresh", "routes", "entries"), CASES, ids=["istio", "gateway"])
@pytest.mark.parametrize("is_promoted", [False, True], ids=["on trial", "promoted"])
def test_what_stable_s_entry_said_comes_back(asked, fresh, routes, entries, is_promoted):
    before = exposure(fresh, asked).leading
    live = write(fresh, asked, 1, Split(5), None)
    live = write(live, asked, 2, Split(100), before, is_last=is_promoted)
    (route,) = live["spec"][routes]
    route[entries] = [entry for entry in route[entries] if entry["weight"]]
    assert len(route[entries]) == 1
    back = write(live, asked, 3, Split(0), before, is_last=True)
    assert back["spec"] == fresh["spec"]


@pytest.mark.parametrize(("asked", "fresh", "routes", "entries"), CASES, ids=["istio", "gateway"])
def test_a_canary_s_entry_that_people_edited_is_theirs(asked, fresh, routes, entries):
    """Its headers may be the canary's own, so stable does not get them."""
    before = exposure(fresh, asked).leading
    live = write(fresh, asked, 1, Split(100), None)
    (route,) = live["spec"][routes]
    (own,) = route[entries] = [entry for entry in route[entries] if entry["weight"]]
    edited = {**HEADERS, "headers": {"request": {"set": {"x-auth": "b"}}}}
    if entries == "backendRefs":
        edited = copy.deepcopy(FILTERS)
        edited["filters"][0]["requestHeaderModifier"]["set"][0]["value"] = "b"
    own |= edited
    back = write(live, asked, 2, Split(0), before, is_last=True)
    stable, canary = back["spec"][routes][0][entries]
    assert not {"headers", "filters"} & stable.keys()
    assert canary == {**own, "weight": 0}


def test_a_record_of_a_journal_from_before_has_no_such_digest():
    asked, fresh, *_ = CASES[0]
    old = tuple(
        line.replace(line.split(" ")[0], "-".join(line.split(" ")[0].split("-")[:2]))
        for line in exposure(fresh, asked).leading
    )
    assert old != exposure(fresh, asked).leading
    live = write(fresh, asked, 1, Split(5), None)
    live["metadata"].pop("annotations")
    assert write(live, asked, 2, Split(0), old, is_last=True)["spec"] == fresh["spec"]
