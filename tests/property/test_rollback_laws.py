"""Laws of a rollback, whatever people did to the object between our writes."""

import contextlib
import copy
import dataclasses
import json

import hypothesis.strategies as st
from hypothesis import assume, given

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.kube import patch
from rollout.route.kube.dialect import dialect_of, sent
from rollout.route.kube.ours import is_giving
from rollout.route.kube.view import exposure
from tests.support.examples import draw_up_to
from tests.support.routes import (
    gateway,
    http_route,
    istio,
    merged,
    parted,
    plan,
    ref,
    to,
    virtual_service,
)

SEGMENT = {"segment": {"header": {"name": "x-ward", "exact": "icu"}}}
PLANS = {
    "any route": parted(istio(), **SEGMENT),
    "a named route": parted(istio(http=["r1"]), **SEGMENT),
    "a matched route": parted(istio(matches=[{}]), **SEGMENT),
    "any rule": parted(gateway(), **SEGMENT),
    "a named rule": parted(gateway(rules=["r1"]), **SEGMENT),
}
MOBILE = plan(
    {"istio": {"virtualService": "reviews", "host": "reviews", "http": ["mobile"]}},
    service="mobile",
)
SPLITS = [Split(5), Split(50), Split(100), Split(20, 100, "segment"), Split(100, 100, "mirror")]
EDITS = (
    *("rename", "insert", "insert ours", "reverse", "delete", "pin", "header", "drop entry"),
    *("copy", "copy an entry's", "replace", "recreate"),  # a file lacks what others noted
)


def entry(asked, version, weight=None):
    if asked.spec.route.gateway:
        return ref(f"reviews-{version}", weight)
    return to("reviews", weight, version)


def match(asked, path):
    """A match on a path, spelled as the API spells it."""
    if asked.spec.route.gateway:
        return {"matches": [{"path": {"type": "Exact", "value": path}}]}
    return {"match": [{"uri": {"exact": path}}]}


def narrow(asked, path):
    """The match on a path, of the segment's requests only, as people may have one of their own."""
    if asked.spec.route.gateway:
        header = {"name": "x-ward", "type": "Exact", "value": "icu"}
        return {"matches": [{**match(asked, path)["matches"][0], "headers": [header]}]}
    return {"match": [{**match(asked, path)["match"][0], "headers": {"x-ward": {"exact": "icu"}}}]}


def copied(to_canary):
    """A filter that copies requests to the canary."""
    return {"type": "RequestMirror", "requestMirror": {"backendRef": to_canary}}


def rules_of(asked, live):
    return live["spec"]["rules" if asked.spec.route.gateway else "http"]


def backends(asked):
    return "backendRefs" if asked.spec.route.gateway else "route"


@st.composite
def objects(draw):
    """A plan, and an object with its routes, pins of testers, and routes of nobody's rollout."""
    asked = PLANS[draw(st.sampled_from([*PLANS]))]
    make = http_route if asked.spec.route.gateway else virtual_service
    live = make([entry(asked, "v1")])
    routes = rules_of(asked, live)
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["pin", "own", "both", "foreign", "share"]))
        entries = {
            "pin": [entry(asked, "v2", 1)],
            "own": [entry(asked, "v1", 1)],
            "both": [entry(asked, "v1", 100), entry(asked, "v2", 0)],
            "share": [entry(asked, "v1", 90), entry(asked, "v2", 10)],
            "foreign": [ref("other") if asked.spec.route.gateway else to("other")],
        }[kind]
        name = {"name": f"x{number}"} if draw(st.booleans()) else {}
        body = {**name, **match(asked, f"/{number}"), backends(asked): entries}
        routes.insert(draw(st.integers(0, len(routes))), body)
        if draw(st.booleans()):
            theirs = {**narrow(asked, f"/{number}"), backends(asked): [entry(asked, "v1", 1)]}
            routes.insert(routes.index(body), theirs)
    live["metadata"]["resourceVersion"] = "1"
    return asked, live


def edit(draw, asked, live, number):
    """Do one thing to the object that a person or a tool may do."""
    routes, what = rules_of(asked, live), draw(st.sampled_from(EDITS))
    route = draw(st.sampled_from(routes)) if routes else {}
    entries = route.get(backends(asked)) or []
    other = [ref("health") if asked.spec.route.gateway else to("health")]
    if what == "rename":
        route["name"] = f"renamed{number}"
    elif what in {"insert", "insert ours", "pin"}:
        inserted = {
            "insert": other,
            "insert ours": [entry(asked, "v1", 1)],
            "pin": [entry(asked, "v2", 1)],
        }[what]
        path = f"/own{number}" if what == "insert ours" else f"/new{number}"
        body = {**match(asked, path), backends(asked): inserted}
        routes.insert(draw(st.integers(0, len(routes))), body)
    elif what == "reverse":
        routes.reverse()
    elif what == "delete" and len(routes) > 1:
        routes.remove(route)
    elif what == "header" and entries:
        field = "filters" if asked.spec.route.gateway else "headers"
        added = {"request": {"set": {"a": "b"}}}
        entries[0][field] = [{"type": "CORS"}] if field == "filters" else added
    elif what.startswith("copy"):
        copy_requests(asked, route, entries if what == "copy an entry's" else [])
    elif what in {"replace", "recreate"}:
        live["metadata"].pop("annotations", None)
        live["metadata"]["uid"] = f"{number}" if what == "recreate" else "0"
    elif what == "drop entry" and len(entries) > 1:
        entries.pop(draw(st.integers(0, len(entries) - 1)))


def copy_requests(asked, route, entries):
    """Copy a route's requests to the canary, or those of its last entry."""
    if asked.spec.route.istio:
        route["mirror"] = {"host": "reviews", "subset": "v2"}
    elif entries:
        entries[-1]["filters"] = [{"type": "CORS"}, copied(entry(asked, "v2"))]
    else:
        route["filters"] = [*route.get("filters", []), copied(entry(asked, "v2"))]


def write(asked, live, split, number, before=None, *, is_last=False):
    """The object after a write of ours; unchanged where it is refused."""
    with contextlib.suppress(RouteError):
        mark = f"{asked.id}/{number}"
        change = patch.patch(live, asked, split, mark, before, is_last=is_last)
        return copy.deepcopy(merged(live, change))
    return live


def notes_of(live):
    return [key for key in live["metadata"].get("annotations") or {} if "surefoot" in key]


def content(asked, route):
    """What a route is: its matches and where it leads."""
    matches = route.body.get("match") or route.body.get("matches")
    targets = sorted({route.mesh.target(item) for item in route.entries})
    return json.dumps([matches, targets], sort_keys=True)


def outline(asked, route):
    """What a route is without the canary."""
    others = [item for item in route.entries if route.mesh.arm_of(item) != "canary"]
    return content(asked, dataclasses.replace(route, entries=others))


def with_bare_entry(asked, live):
    """The routes that have an entry for the canary which says no more than one of ours."""
    fields = {"destination", "weight", "name", "port"}
    return {
        outline(asked, route)
        for route in dialect_of(asked).every_route(live, asked)
        if any({*item} <= fields for item in route.of("canary"))
    }


def of_segment(asked, live, *, has_canary=True):
    """The routes that take the segment's requests only."""
    return {
        outline(asked, route)
        for route in dialect_of(asked).every_route(live, asked)
        if "icu" in f"{route.body}" and (has_canary or not route.of("canary"))
    }


def leading(asked, live):
    """The routes that lead requests or copies to the canary."""
    dialect = dialect_of(asked)
    every = dialect.every_route(live, asked)
    return [route for route in every if is_giving(route) or sent(dialect, route)]


@st.composite
def stories(draw):
    """A plan, the object before our first write and after writes and edits in any order.

    And what a journal recorded before that write; None without one.
    """
    asked, live = draw(objects())
    before, number, is_begun, recorded = copy.deepcopy(live), 0, False, None
    for number in range(draw(st.integers(1, 6))):
        if number % 2:
            edit(draw, asked, live, number)
        else:
            split = draw(st.sampled_from(SPLITS))
            if recorded is not None:  # as a look does
                recorded = (*recorded, *exposure(live, asked, recorded).lacking)
            written = write(asked, live, split, number, recorded)
            if not is_begun and written != live:
                before, is_begun = copy.deepcopy(live), True
                recorded = exposure(live, asked).leading
            live = written
    return asked, before, live, recorded


@draw_up_to(200)
@given(stories())
def test_a_rollback_leaves_the_canary_only_what_it_had_before_our_first_write(story):
    asked, before, live, recorded = story
    if recorded is None:
        return
    back = merged(live, patch.patch(live, asked, Split(0), f"{asked.id}/99", recorded))
    had = {content(asked, route) for route in leading(asked, before)}
    for route in leading(asked, back):
        assert content(asked, route) in had, route.location
    assert patch.split_of(back, asked, 100, recorded) == Split(0)
    giving = [route for route in leading(asked, back) if is_giving(route)]
    assert len(exposure(back, asked, recorded).pinned) == len(giving)
    assert patch.patch(back, asked, Split(0), f"{asked.id}/99", recorded) == {}
    assert not any(str(rule.get("name")).startswith("surefoot") for rule in rules_of(asked, back))


@draw_up_to(100)
@given(stories())
def test_a_rollback_leaves_nothing_of_ours_and_all_of_others(story):
    asked, before, live, recorded = story
    if recorded is None:
        return
    back = merged(live, patch.patch(live, asked, Split(0), f"{asked.id}/99", recorded))
    every = dialect_of(asked).every_route(before, asked)
    lacked = {outline(asked, route) for route in every if not route.of("canary")}
    named = {outline(asked, route) for route in every if route.of("canary")}
    bare = with_bare_entry(asked, back)
    assert not (lacked - named) & bare, "an entry of ours is left"
    assert not any("/own" in route for route in bare), "on a route of others, made since"
    assert of_segment(asked, back) <= of_segment(asked, before), "a route of ours is left"
    theirs = of_segment(asked, live, has_canary=False) & of_segment(asked, before)
    assert theirs <= of_segment(asked, back), "a route of others is gone"


@draw_up_to(150)
@given(objects(), st.lists(st.sampled_from(SPLITS), min_size=1, max_size=4), st.booleans())
def test_what_nobody_edited_is_the_very_object_again(prepared, splits, is_lost):
    """After a rollback, and after a promotion that is undone; a promotion leaves no note either."""
    asked, first = prepared
    live, recorded = first, exposure(first, asked).leading
    for number, split in enumerate(splits):
        live = write(asked, live, split, number, recorded if number else None)
        assume(live != first)
    if is_lost:
        live["metadata"].pop("annotations", None)
    promoted = write(asked, live, Split(100), 97, recorded, is_last=True)
    assert notes_of(promoted) == []
    assert patch.split_of(promoted, asked, 100, recorded) == Split(100)
    for state in (live, promoted):
        back = write(asked, state, Split(0), 99, recorded, is_last=True)
        assert (back["spec"], notes_of(back)) == (first["spec"], [])
        assert patch.split_of(back, asked, 100, recorded) == Split(0)
        assert write(asked, back, Split(0), 99, recorded, is_last=True) == back


@draw_up_to(200)
@given(stories())
def test_nothing_of_others_changes_on_the_way_back(story):
    asked, _, live, recorded = story
    back = merged(live, patch.patch(live, asked, Split(0), f"{asked.id}/99", recorded))
    dialect = dialect_of(asked)
    every = dialect.every_route({"spec": live["spec"]}, asked)
    foreign = [r.body for r in every if not r.arm_entries and not sent(dialect, r)]
    assert [body for body in rules_of(asked, back) if body in foreign] == foreign
    assert {key: value for key, value in back["spec"].items() if key not in {"http", "rules"}} == {
        key: value for key, value in live["spec"].items() if key not in {"http", "rules"}
    }


@draw_up_to(100)
@given(st.sampled_from([5, 20]), st.sampled_from([0, 5, 50, 100]), st.booleans(), st.booleans())
def test_what_another_open_rollout_moves_is_never_touched(theirs, ours, is_renamed, is_first):
    live = virtual_service([to("reviews", None, "v1")], [to("reviews", None, "v1")])
    _, mobile = live["spec"]["http"]
    mobile |= {"name": "mobile", "match": [{"uri": {"prefix": "/m"}}]}
    asked = istio(http=["r1"])
    if is_first:
        live = write(asked, live, Split(5), 1)
    live = write(MOBILE, live, Split(theirs), 1)
    live = write(asked, live, Split(50), 2)
    if is_renamed:
        live["spec"]["http"][1]["name"] = "moved"
    live["spec"]["http"].reverse()
    held = copy.deepcopy(live["spec"]["http"][0])
    live = write(asked, live, Split(ours), 3)
    assert live["spec"]["http"][0] == held
    assert patch.split_of(live, asked, 100) == Split(ours)
