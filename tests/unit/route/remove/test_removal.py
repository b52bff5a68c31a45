"""What a removal does to what is ours as we made it, to what is not, and to what was there."""

from __future__ import annotations

import copy

import pytest

from rollout.decide.record.split import Split
from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import ROLLOUT_PLAN
from rollout.route.kube.objects import DESTINATION_RULE, VIRTUAL_SERVICE
from rollout.route.remove.removal import Removal, named
from rollout.route.remove.remover import PAUSE, Remover
from tests.support.creations import HOSTS, PARENT, PEERED, RULED
from tests.support.mesh_routers import cluster_router, creating_router
from tests.support.removable import Removables, after
from tests.support.routes import gateway, istio, parted, plan, to, virtual_service

POLICY = {"timeout": "3s", "outliers": {}, "retries": {"attempts": 2}, **PEERED}
POLICED = plan({"istio": {"virtualService": "reviews", **RULED}}, policy=POLICY)


def look(store, asked):
    return {removal.kind.name: removal for removal in Remover(store, _awake).look(asked)}


def _awake(_seconds):
    raise AssertionError("nothing was to be waited for")


def deeds(store, asked):
    return {name: removal.deed for name, removal in look(store, asked).items()}


def edit(store, kind, change):
    change(store.held[kind.name, "reviews" if kind == VIRTUAL_SERVICE else "reviews-rule"])


WAYS = [(Split(5),), (Split(5), Split(50), Split(100)), (Split(37, 10_000), Split(0)), (Split(0),)]


@pytest.mark.parametrize("splits", WAYS)
@pytest.mark.parametrize(
    "asked",
    [
        POLICED,
        istio(**RULED),
        istio(**HOSTS),
        gateway(create=PARENT),
        gateway(grpcRoute="reviews", create=PARENT),
    ],
)
def test_whatever_the_weights_and_the_policy_are_what_we_made_goes(asked, splits):
    store = after(asked, *splits)
    assert {*deeds(store, asked).values()} == {"delete"}
    assert len(deeds(store, asked)) == len(store.held)
    pauses = [PAUSE] * (len(store.held) > 1)  # between a route and what it leads to
    naps: list[float] = []
    remover = Remover(store, naps.append)
    remover.remove(asked, remover.look(asked), lambda _: None)
    assert store.held == {}
    assert naps == pauses
    assert remover.look(asked) == []


@pytest.mark.parametrize("way", ["segment", "mirror"])
def test_a_route_for_a_segment_and_copies_are_ours_too(way):
    segment = {"header": {"name": "x", "exact": "1"}}
    asked = parted(istio(**RULED), **({"segment": segment} if way == "segment" else {}))
    store = after(asked, Split(5, 100, way))
    assert deeds(store, asked)["VirtualService"] == "delete"


def test_what_is_led_to_goes_after_what_leads_there_and_after_a_pause():
    store, naps = after(POLICED, Split(5)), []
    remover = Remover(store, lambda s: naps.append((s, store.calls[-1])))
    remover.remove(POLICED, remover.look(POLICED), lambda _: None)
    assert [request for request in store.calls if request.startswith("delete")] == [
        "delete VirtualService",
        "delete PeerAuthentication",
        "delete DestinationRule",
    ]
    assert naps == [(PAUSE, "delete VirtualService")]


def _spec(**fields):
    return lambda live: live["spec"].update(fields)


def _metadata(key, **fields):
    return lambda live: live["metadata"].setdefault(key, {}).update(fields)


def _route(live):
    return live["spec"]["http"][0]


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        (VIRTUAL_SERVICE, _spec(hosts=["reviews", "more"]), "spec.hosts"),
        (VIRTUAL_SERVICE, _spec(exportTo=["."]), "spec.exportTo"),
        (VIRTUAL_SERVICE, lambda live: _route(live).update(timeout="9s"), "spec.http"),
        (VIRTUAL_SERVICE, lambda live: _route(live)["route"].append(to("x", 7)), "spec.http"),
        (VIRTUAL_SERVICE, lambda live: _route(live).update(match=[{"port": 1}]), "spec.http"),
        (VIRTUAL_SERVICE, lambda live: live["spec"]["http"].clear(), "spec.http"),
        (VIRTUAL_SERVICE, _metadata("labels", team="a"), "label team"),
        (VIRTUAL_SERVICE, _metadata("annotations", note="a"), "annotation note"),
        (
            VIRTUAL_SERVICE,
            _metadata("annotations", **{"mark.surefoot.dev/other": "r/1"}),
            "annotation mark.surefoot.dev/other",
        ),
        (
            VIRTUAL_SERVICE,
            lambda live: live["metadata"].update(ownerReferences=[{}]),
            "ownerReferences",
        ),
        (DESTINATION_RULE, _spec(host="other"), "spec.host"),
        (
            DESTINATION_RULE,
            lambda live: live["spec"]["subsets"].append({"name": "v9", "labels": {"app": "x"}}),
            "spec.subsets.v9",
        ),
        (
            DESTINATION_RULE,
            lambda live: live["spec"]["trafficPolicy"].update(portLevelSettings=[]),
            "spec.trafficPolicy",
        ),
        (
            DESTINATION_RULE,
            lambda live: live["spec"]["trafficPolicy"]["outlierDetection"].update(interval="9s"),
            "spec.trafficPolicy",
        ),
    ],
)
def test_what_somebody_changed_is_named_and_kept(kind, change, reason):
    store = after(POLICED, Split(5))
    edit(store, kind, change)
    removal = look(store, POLICED)[kind.name]
    assert (removal.deed, reason in removal.why) == ("keep", True), removal.why
    if store.held["VirtualService", "reviews"]["spec"]["http"] and kind == VIRTUAL_SERVICE:
        rule = look(store, POLICED)["DestinationRule"]
        assert rule.why == "VirtualService reviews leads to its subset v1"


def test_weights_that_a_person_moved_are_weights():
    store = after(POLICED, Split(5))
    edit(store, VIRTUAL_SERVICE, lambda live: _route(live)["route"][0].update(weight=41))
    assert {*deeds(store, POLICED).values()} == {"delete"}


def test_versions_before_and_after_are_no_edit():
    store = after(istio(**RULED), Split(100))
    following = plan(
        {"istio": {"virtualService": "reviews", **RULED}}, canary="v3", stable={"version": "v2"}
    )
    router = creating_router(store)
    router.write(following, Split(100), "next")
    assert {*deeds(store, following).values()} == {"delete"}
    removal = look(store, istio(**RULED))["VirtualService"]
    assert removal.deed == "keep", "that plan knows nothing of v3"


def test_a_plan_that_asks_for_nothing_more_cannot_tell_and_keeps():
    store = after(istio(**RULED), Split(5))
    unmade = istio(destinationRule="reviews-rule")
    for removal in look(store, unmade).values():
        assert (removal.deed, removal.why[:27]) == ("keep", "the plan asks for it no lon")


def test_another_route_that_needs_the_rule_keeps_it():
    store = after(istio(**RULED), Split(5))
    other = virtual_service([to("reviews.ns.svc.cluster.local", subset="v2")])
    other["metadata"]["name"] = "other"
    store.held["VirtualService", "other"] = other
    removals = look(store, istio(**RULED))
    assert removals["VirtualService"].deed == "delete"
    assert removals["DestinationRule"].why == "VirtualService other leads to its subset v2"


def test_what_was_there_gets_back_what_the_policy_replaced_and_keeps_its_weights():
    policy = {"timeout": "3s", "outliers": {}}
    asked = plan({"istio": {"virtualService": "reviews", **RULED}}, policy=policy)
    store = Removables()
    theirs = virtual_service([to("reviews", 100, "v1"), to("reviews", 0, "v2")], gateways=["edge"])
    theirs["spec"]["http"][0]["timeout"] = "30s"
    theirs["metadata"] |= {"resourceVersion": "1", "uid": "u", "annotations": {"theirs": "1"}}
    store.held["VirtualService", "reviews"] = copy.deepcopy(theirs)
    router = cluster_router(store)
    router.write(asked, Split(100), "m")
    assert store.held["VirtualService", "reviews"]["spec"]["http"][0]["timeout"] == "3s"
    removals = look(store, asked)
    assert {name: removal.deed for name, removal in removals.items()} == {
        "VirtualService": "restore",
        "DestinationRule": "keep",  # the route that stays leads there
    }
    assert removals["VirtualService"].why == "was there before: spec.http as before"
    assert removals["VirtualService"].carries == "100 % to v2, the rest to v1"
    remover = Remover(store, _awake)
    remover.remove(asked, [removals["VirtualService"]], lambda _: None)
    live = store.held["VirtualService", "reviews"]
    weights = [destination["weight"] for destination in live["spec"]["http"][0]["route"]]
    assert (weights, live["metadata"]) == ([0, 100], theirs["metadata"])
    assert {**_route(live), "route": 0} == {**_route(theirs), "route": 0}
    assert "VirtualService" not in look(store, asked)


def test_nothing_is_done_to_what_never_heard_of_us():
    store = Removables()
    store.held["VirtualService", "reviews"] = virtual_service([to("reviews", 100, "v1")])
    assert look(store, istio(**RULED)) == {}


def test_another_service_s_marks_are_another_service_s():
    store = after(
        plan({"istio": {"virtualService": "reviews", **RULED}}, service="other"), Split(5)
    )
    assert look(store, istio(**RULED)) == {}


def test_who_changed_it_since_the_look_wins():
    store = after(istio(**RULED), Split(5))
    remover = Remover(store, _awake)
    due = remover.look(istio(**RULED))
    edit(
        store,
        VIRTUAL_SERVICE,
        lambda live: live.update(metadata=live["metadata"] | {"resourceVersion": "8"}),
    )
    with pytest.raises(RouteError, match=r"cannot delete VirtualService ns/reviews.*modified"):
        remover.remove(istio(**RULED), due, lambda _: None)
    assert len(store.held) == 2, "what comes after it stays too"


def test_what_somebody_else_deleted_meanwhile_is_done():
    store, removed = after(istio(**RULED), Split(5)), list[Removal]()
    remover = Remover(store, lambda _: None)
    due = remover.look(istio(**RULED))
    del store.held["VirtualService", "reviews"]
    remover.remove(istio(**RULED), due, removed.append)
    assert (store.held, removed) == ({}, due)


def test_a_plan_names_what_leads_before_what_is_led_to():
    assert [kind.name for kind, _ in named(POLICED)] == [
        "VirtualService",
        "PeerAuthentication",
        "DestinationRule",
    ]
    assert [kind.name for kind, _ in named(gateway())] == ["HTTPRoute"]


def test_a_right_that_lacks_is_named():
    class Forbidden(Removables):
        def every(self, kind, _namespace):
            raise ClusterError("is forbidden", 404 if kind == ROLLOUT_PLAN else 403)

    store = Forbidden()
    store.held = after(istio(**RULED), Split(5)).held
    remover = Remover(store, _awake)
    assert remover.plans(istio(**RULED)) == [], "the cluster knows no plans"
    with pytest.raises(RouteError, match=r'may not list VirtualService.*verbs: \["list"\]'):
        remover.look(istio(**RULED))
