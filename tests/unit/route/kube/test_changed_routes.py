"""Routes that people change between our writes: ours goes, and theirs stays."""

import copy
from typing import Any

import pytest

from rollout.decide.record.split import Split
from rollout.route.kube.patch import patch, split_of
from rollout.route.kube.view import exposure
from tests.support.routes import (
    gateway,
    http_route,
    istio,
    merged,
    parted,
    ref,
    to,
    virtual_service,
)

PLANS = {"istio": istio(), "gateway": gateway()}
NAMED = {"istio": istio(http=["r1"]), "gateway": gateway(rules=["r1"])}
KINDS = pytest.mark.parametrize("kind", [*PLANS])
CARRIED: dict[str, dict[str, Any]] = {
    "istio": {"headers": {"request": {"set": {"x-team": "a"}}}},
    "gateway": {"filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": "a"}}]},
}


def arm(kind, version, weight=None, **more):
    name = f"reviews-{version}"
    return (
        ref(name, weight, **more) if kind == "gateway" else to("reviews", weight, version, **more)
    )


def match(kind, path):
    if kind == "gateway":
        return {"matches": [{"path": {"type": "Exact", "value": path}}]}
    return {"match": [{"uri": {"exact": path}}]}


def fresh(kind, *routes):
    return (http_route if kind == "gateway" else virtual_service)(*routes)


def routes_of(live):
    return live["spec"].get("http") or live["spec"]["rules"]


def entries_of(route):
    return route.get("route") or route["backendRefs"]


def write(live, asked, number, split, before=None, *, is_last=False):
    change = patch(live, asked, split, f"{asked.id}/{number}", before, is_last=is_last)
    return copy.deepcopy(merged(live, change))


def begun(asked, live):
    before = exposure(live, asked).leading
    return write(live, asked, 1, Split(20)), before


def rename(kind, route):
    route |= {"name": "other", **match(kind, "/moved")}


def add_third(kind, route):
    entries_of(route).append(arm(kind, "v0", 10))
    del route["name"]


def move_unnamed(kind, route):
    del route["name"]
    route |= match(kind, "/moved")


def change_all(kind, route):
    """Its name, its matches, and where else it leads."""
    rename(kind, route)
    entries_of(route).insert(0, arm(kind, "v0", 10))


def change_all_at_stable(kind, route):
    change_all(kind, route)
    for entry in entries_of(route):
        is_canary = "v2" in f"{entry}"
        entry["weight"] = 0 if is_canary else 50


@KINDS
@pytest.mark.parametrize(
    "change", [rename, add_third, move_unnamed, change_all, change_all_at_stable]
)
@pytest.mark.parametrize("is_noted", [True, False], ids=["noted", "notes lost"])
@pytest.mark.parametrize("is_promoted", [True, False], ids=["undone", "rolled back"])
def test_a_route_that_is_changed_out_of_recognition_keeps_no_entry_of_ours(
    kind, change, is_noted, is_promoted
):
    own = [arm(kind, "v1", 100), arm(kind, "v2", 0)]
    live = fresh(kind, [arm(kind, "v1")], own)
    routes_of(live)[1] |= match(kind, "/own")
    live, before = begun(PLANS[kind], live)
    if is_promoted:
        live = write(live, PLANS[kind], 2, Split(100), before, is_last=True)
    change(kind, routes_of(live)[0])
    if not is_noted:
        live["metadata"].pop("annotations", None)
    back = write(live, PLANS[kind], 3, Split(0), before, is_last=True)
    changed, theirs = routes_of(back)
    assert "v2" not in f"{changed}", "our entry"
    assert entries_of(theirs) == own, "an entry of weight 0 of people's own"
    assert split_of(back, PLANS[kind], 100, before) == Split(0)
    assert write(back, PLANS[kind], 3, Split(0), before, is_last=True) == back


def split_in_two(kind, routes):
    """A route under two new names, each with a part of its requests."""
    first, *others = routes
    second = copy.deepcopy(first)
    first |= {"name": "left", **match(kind, "/left")}
    second |= {"name": "right", **match(kind, "/right")}
    routes[:] = [first, second, *others]


@KINDS
@pytest.mark.parametrize("is_named", [True, False], ids=["named", "any"])
@pytest.mark.parametrize("is_third", [True, False], ids=["elsewhere too", "as before"])
@pytest.mark.parametrize("is_renamed", [True, False], ids=["renamed", "one has the name"])
def test_no_half_of_a_route_that_was_split_keeps_an_entry_of_ours(
    kind, is_named, is_third, is_renamed
):
    asked = (NAMED if is_named else PLANS)[kind]
    own = [arm(kind, "v1", 100), arm(kind, "v2", 0)]
    live = fresh(kind, [arm(kind, "v1")], own)
    routes_of(live)[1] |= match(kind, "/own")
    live, before = begun(asked, live)
    split_in_two(kind, routes_of(live))
    if not is_renamed:
        routes_of(live)[0]["name"] = "r1"
    for route in routes_of(live)[: 2 if is_renamed else 1] if is_third else []:
        entries_of(route).append(arm(kind, "v0", 10))
    back = write(live, asked, 2, Split(0), before, is_last=True)
    *halves, theirs = routes_of(back)
    assert not [half for half in halves if "v2" in f"{half}"]
    assert entries_of(theirs) == own
    assert write(back, asked, 2, Split(0), before, is_last=True) == back


@KINDS
def test_an_entry_of_people_s_own_stays_where_ours_cannot_be_told_from_it(kind):
    """Both routes were changed in all that they could be known by."""
    own = [arm(kind, "v1", 100), arm(kind, "v2", 0)]
    live = fresh(kind, [arm(kind, "v1")], own)
    routes_of(live)[1] |= match(kind, "/own")
    live, before = begun(PLANS[kind], live)
    for number, route in enumerate(routes_of(live)):
        route |= {"name": f"other{number}", **match(kind, f"/moved{number}")}
        entries_of(route).append(arm(kind, f"v0{number}", 10))
    back = write(live, PLANS[kind], 2, Split(0), before, is_last=True)
    assert "v2" in f"{routes_of(back)[1]}"
    assert split_of(back, PLANS[kind], 100, before) == Split(0)


@KINDS
def test_an_entry_of_people_s_own_on_a_route_that_the_plan_does_not_name_stays(kind):
    """Also where it became a stray, and where the route of ours is gone."""
    own = [arm(kind, "v1", 100), arm(kind, "v2", 0)]
    live = fresh(kind, [arm(kind, "v1")], own)
    routes_of(live)[1] |= match(kind, "/own")
    for weights in ((100, 0), (80, 20)):
        begun_live, before = begun(NAMED[kind], copy.deepcopy(live))
        change_all(kind, routes_of(begun_live)[0])
        for entry, weight in zip(entries_of(routes_of(begun_live)[1]), weights, strict=True):
            entry["weight"] = weight
        back = write(begun_live, NAMED[kind], 2, Split(0), before, is_last=True)
        changed, theirs = routes_of(back)
        assert "v2" not in f"{changed}"
        assert entries_of(theirs) == own


@KINDS
def test_an_entry_of_people_s_own_on_a_new_route_stays(kind):
    live, before = begun(PLANS[kind], fresh(kind, [arm(kind, "v1")]))
    new = fresh(kind, [arm(kind, "v1", 80), arm(kind, "v2", 20)])
    routes_of(live).append({**routes_of(new)[0], "name": "new", **match(kind, "/new")})
    back = write(live, PLANS[kind], 2, Split(0), before, is_last=True)
    first, second = routes_of(back)
    assert "v2" not in f"{first}"
    assert [entry["weight"] for entry in entries_of(second)] == [100, 0]


@KINDS
@pytest.mark.parametrize("split", [Split(0), Split(50)])
def test_stable_s_entry_that_people_deleted_is_made_with_what_it_said(kind, split):
    """Our entry for the canary carries it; one of people's own may say something else."""
    asked = NAMED[kind]
    live, before = begun(asked, fresh(kind, [arm(kind, "v1", None, **CARRIED[kind])]))
    del entries_of(routes_of(live)[0])[0]
    live = write(live, asked, 2, split, before, is_last=not split.canary)
    stable, *_ = entries_of(routes_of(live)[0])
    assert CARRIED[kind].items() <= stable.items()
    own = [arm(kind, "v1", 100, **CARRIED[kind]), arm(kind, "v2", 0, **CARRIED[kind])]
    live, before = begun(asked, fresh(kind, own))
    del entries_of(routes_of(live)[0])[0]
    live = write(live, asked, 2, Split(0), before, is_last=True)
    stable, *_ = entries_of(routes_of(live)[0])
    assert not CARRIED[kind].keys() & stable.keys()


@KINDS
@pytest.mark.parametrize("way", ["segment", "mirror"])
@pytest.mark.parametrize("weight", [None, 1, 7])
def test_a_route_that_gives_stable_all_keeps_its_weights(kind, way, weight):
    """Beside a segment and beside copies."""
    header = {"name": "x-ward", "exact": "icu"}
    asked = parted(PLANS[kind], segment={"header": header}, mirror={"share": "50%", "lasts": "1m"})
    live = fresh(kind, [arm(kind, "v1", weight)])
    written = write(live, asked, 1, Split(20, 100, way))
    assert entries_of(routes_of(written)[-1]) == entries_of(routes_of(live)[0])
    assert split_of(written, asked, 100) == Split(20, 100, way)
    assert write(written, asked, 1, Split(20, 100, way)) == written
