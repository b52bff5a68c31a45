"""Rollbacks of an object that lost what we noted in it: a journal knows what was there before."""

import copy

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.kube.client import connect
from rollout.plan.model.plan import Plan
from rollout.route.kube.router import ClusterRouter
from tests.live.pipeline import until
from tests.support.cluster_routes import LiveRouter, MeshNamespace, climbed
from tests.support.routes import http_route, ref, to, virtual_service
from tests.support.worlds import Lab
from tests.support.worlds import plan as plan_of_the_world

pytestmark = pytest.mark.live

ROUTES = {
    "virtualservices": {"istio": {"virtualService": "reviews", "http": ["r1"]}},
    "httproutes": {"gateway": {"httpRoute": "reviews", "matches": [{}]}},
}


def entry(plural, version, weight=None):
    """A destination, or a backend."""
    if plural == "virtualservices":
        return to("reviews", weight, version)
    return ref(f"reviews-{version}", weight)


def routes_of(live):
    return live["spec"].get("http") or live["spec"]["rules"]


def shares(live):
    """The canary's weight in each route, by the route's path."""
    canary = {"v2", "reviews-v2"}
    return {
        str(route.get("match") or route.get("matches")): sum(
            item.get("weight", 1)
            for item in route.get("route") or route["backendRefs"]
            if {item.get("name"), (item.get("destination") or {}).get("subset")} & canary
        )
        for route in routes_of(live)
    }


def matching(plural, path):
    if plural == "virtualservices":
        return {"match": [{"uri": {"exact": path}}]}
    return {"matches": [{"path": {"type": "Exact", "value": path}}]}


def bare(live):
    """The object as a file has it: without what others noted."""
    rest = copy.deepcopy(live)
    name = live["metadata"]["name"]
    return {key: rest[key] for key in ("kind", "spec")} | {"metadata": {"name": name}}


@pytest.mark.parametrize("is_anew", [True, False], ids=["made anew", "notes removed"])
@pytest.mark.parametrize("plural", ROUTES)
def test_a_rollback_of_an_object_without_notes_takes_back_what_was_given(
    cluster, namespace, monkeypatch, plural, is_anew
):
    monkeypatch.setenv("KUBECONFIG", str(cluster.config()))
    mesh = MeshNamespace(cluster, namespace)
    backends = "route" if plural == "virtualservices" else "backendRefs"
    pin = matching(plural, "/testers") | {backends: [entry(plural, "v2", 1)]}
    make = virtual_service if plural == "virtualservices" else http_route
    manifest = make([entry(plural, "v1", 1)])
    routes_of(manifest).insert(0, pin)
    mesh.create(manifest, plural)
    document = plan_of_the_world(service="reviews", route=ROUTES[plural]).document()
    document["metadata"]["namespace"] = namespace
    plan = Plan.model_validate(document)
    lab = climbed(Lab(plan=plan, router=LiveRouter(inner=ClusterRouter(connect()))), 25)

    live = mesh.get(plural)
    main = routes_of(live)[1]
    main |= {"name": "moved", **matching(plural, "/moved")}
    stray = matching(plural, "/new") | {backends: [entry(plural, "v2", 1)]}
    routes_of(live).append(stray)
    if is_anew:
        cluster.ask("DELETE", mesh.path(plural))
        until(lambda: mesh.get(plural)["kind"] == "Status", "the object is gone")
        mesh.create(bare(live), plural)
    else:
        notes = dict.fromkeys(live["metadata"]["annotations"])
        mesh.edit({"metadata": {"annotations": notes}, "spec": live["spec"]}, plural)
    lab.run(3)
    abort = HumanSaid(rollout=plan.id, at=lab.clock.now(), command="abort", actor="ana")
    lab.journal.append([abort], lab.entries[-1].seq)
    lab.run(30)

    assert lab.state.phase == "rolled back"
    given = {path: weight for path, weight in shares(mesh.get(plural)).items() if weight}
    assert len(given) == 1
    assert "/testers" in next(iter(given)), "what testers had before our first write"
    end = next(decided for decided in lab.decisions if decided.action == "roll back")
    assert "also moved" in end.sentence
    assert "not moved" in end.sentence


@pytest.mark.parametrize("plural", ROUTES)
def test_a_route_that_was_split_and_fits_no_record_any_more_keeps_no_entry_of_ours(
    cluster, namespace, monkeypatch, plural
):
    """Both halves have a new name, new matches and one more destination."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.config()))
    mesh = MeshNamespace(cluster, namespace)
    backends = "route" if plural == "virtualservices" else "backendRefs"
    own = matching(plural, "/own") | {backends: [entry(plural, "v1", 9), entry(plural, "v2", 0)]}
    make = virtual_service if plural == "virtualservices" else http_route
    manifest = make([entry(plural, "v1", 1)])
    routes_of(manifest).append({"name": "own", **own})
    mesh.create(manifest, plural)
    document = plan_of_the_world(service="reviews", route=ROUTES[plural]).document()
    document["metadata"]["namespace"] = namespace
    plan = Plan.model_validate(document)
    lab = climbed(Lab(plan=plan, router=LiveRouter(inner=ClusterRouter(connect()))), 25)

    live = mesh.get(plural)
    main, theirs = routes_of(live)
    main[backends].append(entry(plural, "v0", 10))
    halves = [main | {"name": name, **matching(plural, f"/{name}")} for name in ("one", "two")]
    mesh.edit({"spec": {"http" if "http" in live["spec"] else "rules": [*halves, theirs]}}, plural)
    lab.controller.note(
        HumanSaid(rollout=plan.id, at=lab.clock.now(), command="abort", actor="ada")
    )
    lab.run_until(lambda state: state.phase == "rolled back")
    *halves, theirs = routes_of(mesh.get(plural))
    assert not [half for half in halves if "v2" in f"{half}"]
    assert [item.get("weight") for item in theirs[backends]] == [9, 0]
