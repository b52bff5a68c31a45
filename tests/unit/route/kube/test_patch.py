"""A segment and copies in a cluster's routes: what is owned, kept, seen and refused."""

import copy
import re

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.kube.patch import patch, split_of
from rollout.route.kube.view import exposure, gives_nothing
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

TRAFFIC = {
    "segment": {"header": {"name": "x-ward", "exact": "icu"}},
    "mirror": {"share": "50%", "lasts": "1m"},
}
ISTIO, GATEWAY = parted(istio(), **TRAFFIC), parted(gateway(), **TRAFFIC)
SEGMENT, MIRROR = Split(10, 100, "segment"), Split(50, 100, "mirror")
V1, A = to("reviews", 100, "v1"), ref("reviews-v1", 100)
ICU = {"name": "x-ward", "type": "Exact", "value": "icu"}


def after(live, split, plan=ISTIO):
    return merged(live, patch(live, plan, split, "m"))


def rules(*matches):
    """An HTTPRoute: the plan's rule, and a foreign one for each of these matches."""
    route = http_route([A])
    foreign = [{"name": f"f{n}", "matches": [m]} for n, m in enumerate(matches, 1)]
    route["spec"]["rules"] += foreign
    return route


def test_a_route_for_the_segment_stands_before_ours_and_copies_the_rest_of_it():
    live = virtual_service([to("ratings")], [V1])
    live["spec"]["http"][1] |= {"timeout": "9s", "match": [{"uri": {"prefix": "/a"}}]}
    theirs, ours, rest = after(live, SEGMENT)["spec"]["http"]
    assert [theirs, rest] == live["spec"]["http"]
    assert ours == {
        "name": "surefoot-segment-r2",
        "timeout": "9s",
        "match": [{"uri": {"prefix": "/a"}, "headers": {"x-ward": {"exact": "icu"}}}],
        "route": [to("reviews", 90, "v1"), to("reviews", 10, "v2")],
    }


def test_a_rule_without_a_name_has_a_segment_with_one():
    live = http_route([A])
    del live["spec"]["rules"][0]["name"]
    ours, rest = after(live, SEGMENT, GATEWAY)["spec"]["rules"]
    assert (ours["name"], ours["matches"]) == ("surefoot-segment-1", [{"headers": [ICU]}])
    assert rest == live["spec"]["rules"][0]


def test_what_we_wrote_stands_in_the_annotations():
    live = after(virtual_service([V1]), MIRROR)
    copied = live["metadata"]["annotations"].pop("copied.surefoot.dev/reviews")
    assert re.fullmatch("[0-9a-f]{12} http route `r1`", copied)
    live["metadata"]["annotations"]["copied.surefoot.dev/reviews"] = copied
    assert live["metadata"]["annotations"] == {
        "copied.surefoot.dev/reviews": copied,
        "mark.surefoot.dev/reviews": "m",
        "split.surefoot.dev/reviews": "50/100 mirror",
    }
    back = after(live, Split(0))
    assert "copied.surefoot.dev/reviews" not in back["metadata"]["annotations"]
    assert back["spec"] == virtual_service([V1])["spec"]


def test_copies_are_added_to_those_of_others():
    live = virtual_service([V1])
    theirs = {"destination": {"host": "audit"}}
    live["spec"]["http"][0]["mirrors"] = [theirs]
    ours = to("reviews", None, "v2") | {"percentage": {"value": 0.05}}
    new = after(live, Split(5, 10_000, "mirror"))
    assert new["spec"]["http"][0]["mirrors"] == [theirs, ours]
    assert split_of(new, ISTIO, 10_000) == Split(5, 10_000, "mirror")


def test_copies_of_everything_need_no_fraction():
    (rule,) = after(http_route([A]), Split(100, 100, "mirror"), GATEWAY)["spec"]["rules"]
    to_canary = {"name": "reviews-v2", "port": 80}
    whole = {"type": "RequestMirror", "requestMirror": {"backendRef": to_canary}}
    assert rule["filters"] == [whole]
    (rule,) = after(http_route([A]), MIRROR, GATEWAY)["spec"]["rules"]
    mirrored_fraction = {"fraction": {"numerator": 50, "denominator": 100}}
    assert rule["filters"] == [
        whole | {"requestMirror": {"backendRef": to_canary, **mirrored_fraction}}
    ]


@pytest.mark.parametrize(("fraction", "canary_share"), [({"percent": 7}, 7), ({}, 100)])
def test_copies_are_read_in_either_spelling(fraction, canary_share):
    live = after(http_route([A]), MIRROR, GATEWAY)
    mirror = live["spec"]["rules"][0]["filters"][0]["requestMirror"]
    del mirror["fraction"]
    mirror.update(fraction)
    assert split_of(live, GATEWAY, 100) == Split(canary_share, 100, "mirror")


def test_copies_that_are_not_ours_are_neither_seen_nor_taken_away():
    live = virtual_service([V1])
    live["spec"]["http"][0]["mirrors"] = [to("reviews", None, "v2")]
    assert split_of(live, ISTIO, 100) == Split(0)
    assert after(live, Split(0))["spec"] == live["spec"]
    with pytest.raises(RouteError, match="http route `r1` copies requests to the canary already"):
        patch(live, ISTIO, MIRROR, "m")


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("share", [{}, {"mirrorPercentage": {"value": 20}}, {"mirrorPercent": 20}])
def test_a_single_mirror_to_the_canary_is_ours_to_stop_if_it_is_new(is_before, share):
    single = {"mirror": {"host": "reviews", "subset": "v2"}, **share}
    live = virtual_service([to("reviews", 100, "v1")])
    live["spec"]["http"][0] |= single if is_before else {}
    live = merged(live, patch(live, ISTIO, Split(5), f"{ISTIO.id}/1"))
    live["spec"]["http"][0] |= single
    back = merged(live, patch(live, ISTIO, Split(0), f"{ISTIO.id}/2"))
    assert ({*single} <= {*back["spec"]["http"][0]}) is is_before
    assert split_of(back, ISTIO, 100) == Split(0)
    theirs = copy.deepcopy(live)
    theirs["spec"]["http"][0]["mirror"] = {"host": "audit"}
    stopped = merged(theirs, patch(theirs, ISTIO, Split(0), f"{ISTIO.id}/2"))
    assert stopped["spec"]["http"][0]["mirror"] == {"host": "audit"}


@pytest.mark.parametrize("way", [Split(5), SEGMENT, Split(100), Split(0)])
def test_copies_of_ours_are_known_without_annotations(way):
    """By the share that the plan asks for, and by what a journal says was there before."""
    plan, live = ISTIO, virtual_service([V1])
    theirs = {"match": [{"uri": {"prefix": "/a"}}], "route": [to("reviews", None, "v2")]}
    theirs["mirrors"] = [to("reviews", None, "v2") | {"percentage": {"value": 50}}]
    live["spec"]["http"].insert(0, theirs)
    before = exposure(live, plan).leading
    live = merged(live, patch(live, plan, MIRROR, f"{plan.id}/1"))
    live["metadata"] = {}
    assert split_of(live, plan, 100, before) == MIRROR
    next_one = merged(live, patch(live, plan, way, f"{plan.id}/2", before))
    assert sum("mirrors" in route for route in next_one["spec"]["http"]) == 1
    assert next_one["spec"]["http"][0] == theirs


def test_copies_of_a_reference_count_by_its_part_and_go_with_a_rollback():
    plan, live = GATEWAY, http_route([ref("reviews-v1", 60), ref("other", 40)])
    live = merged(live, patch(live, plan, Split(0), f"{plan.id}/1", ()))
    to_canary = {"backendRef": ref("reviews-v2"), "percent": 50}
    filters = [{"type": "CORS"}, {"type": "RequestMirror", "requestMirror": to_canary}]
    live["spec"]["rules"][0]["backendRefs"][0]["filters"] = copy.deepcopy(filters)
    assert split_of(live, plan, 100, ()) == Split(30, 100, "mirror")
    assert not gives_nothing(live, plan, ())
    back = merged(live, patch(live, plan, Split(0), f"{plan.id}/2", ()))
    assert back["spec"]["rules"][0]["backendRefs"][0]["filters"] == filters[:1]
    assert gives_nothing(back, plan, ())


def test_what_was_there_before_holds_no_rollback_open():
    """Testers' routes stay, also where the plan's own route cannot be read."""
    live = http_route([ref("reviews-v1", 0)], [ref("reviews-v2")])
    live["spec"]["rules"][1]["filters"] = [
        {"type": "RequestMirror", "requestMirror": {"backendRef": ref("reviews-v2")}}
    ]
    before = exposure(live, GATEWAY).leading
    with pytest.raises(RouteError, match="sum to zero"):
        split_of(live, GATEWAY, 100, before)
    assert gives_nothing(live, GATEWAY, before)
    assert not gives_nothing(live, GATEWAY, ())


def test_a_single_mirror_leaves_no_room_for_ours():
    live = virtual_service([V1])
    live["spec"]["http"][0]["mirror"] = {"host": "audit"}
    with pytest.raises(RouteError, match="http route `r1` has a `mirror`, beside which Istio"):
        patch(live, ISTIO, MIRROR, "m")


@pytest.mark.parametrize("split", [SEGMENT, MIRROR])
def test_a_tcp_route_sees_no_requests(split):
    live = virtual_service([V1], tcp=[{"route": [V1]}])
    with pytest.raises(RouteError, match="tcp route 1 sees no requests: name the HTTP routes"):
        patch(live, ISTIO, split, "m")
    assert after(live, Split(0))["spec"]["tcp"] == [{"route": [V1]}]


def test_a_segment_without_a_plan_for_it_is_refused():
    with pytest.raises(RouteError, match="the plan has no segment"):
        patch(virtual_service([V1]), istio(), SEGMENT, "m")


def test_weights_of_the_segment_s_route_are_what_is_seen():
    live = after(virtual_service([V1]), SEGMENT)
    for entry, weight in zip(live["spec"]["http"][0]["route"], (60, 40), strict=True):
        entry["weight"] = weight
    assert split_of(live, ISTIO, 100) == Split(40, 100, "segment")


def test_weights_outside_the_segment_are_what_is_seen_first():
    live = after(virtual_service([V1], [V1]), SEGMENT)
    live["spec"]["http"][3]["route"] = [to("reviews", 90, "v1"), to("reviews", 10, "v2")]
    assert split_of(live, ISTIO, 100) == Split(10), "the same share as within the segment"


@pytest.mark.parametrize(
    "edit", [lambda ours: ours.pop("match"), lambda ours: ours["match"].append({"port": 1})]
)
def test_an_edit_of_what_is_matched_is_told_and_mended(edit):
    live = after(virtual_service([V1]), SEGMENT)
    edit(live["spec"]["http"][0])
    with pytest.raises(RouteError, match="the route for the segment of http route `r1` was edited"):
        split_of(live, ISTIO, 100)
    assert after(live, SEGMENT)["spec"] == after(virtual_service([V1]), SEGMENT)["spec"]


def test_the_routes_of_a_segment_change_no_number():
    live = virtual_service([V1], [V1])
    for route in live["spec"]["http"]:
        del route["name"]
    held = after(live, SEGMENT)
    assert [route.get("name") for route in held["spec"]["http"]] == [
        "surefoot-segment-1",
        None,
        "surefoot-segment-2",
        None,
    ]
    assert patch(held, ISTIO, SEGMENT, "m") == {}
    assert after(held, Split(0))["spec"] == live["spec"]


PATH = {"path": {"type": "PathPrefix", "value": "/"}}
X, Q = {"headers": [{"name": "x", "value": "1"}]}, {"queryParams": [{"name": "q", "value": "1"}]}
BOTH = {"headers": [{"name": "x", "value": "1"}, {"name": "y", "value": "1"}]}


@pytest.mark.parametrize("foreign", [PATH | X, PATH | Q])
def test_a_segment_takes_no_requests_from_another_s_narrower_rule(foreign):
    live = rules(foreign)
    live["spec"]["rules"][0]["matches"] = [PATH]
    with pytest.raises(RouteError, match="rule `f1` is narrower than rule `r1`, but not than its"):
        patch(live, GATEWAY, SEGMENT, "m")


@pytest.mark.parametrize("foreign", [PATH | BOTH, PATH, {"path": {"value": "/a"}} | X])
def test_a_rule_that_still_wins_or_never_won_or_matches_elsewhere_is_no_obstacle(foreign):
    live = rules(copy.deepcopy(foreign))
    live["spec"]["rules"][0]["matches"] = [PATH]
    assert split_of(after(live, SEGMENT, GATEWAY), GATEWAY, 100) == SEGMENT


def test_the_first_of_two_equally_narrow_rules_wins():
    live = rules(PATH | X)
    live["spec"]["rules"][0]["matches"] = [PATH]
    live["spec"]["rules"].reverse()
    assert split_of(after(live, SEGMENT, GATEWAY), GATEWAY, 100) == SEGMENT
