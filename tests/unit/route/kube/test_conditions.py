"""What a route's own status and metadata say against it."""

import pytest

from rollout.route.kube.conditions import (
    complaint_of,
    conditions_of,
    git_tool_of,
    names_whole,
    owner_of,
    taken_of,
)
from tests.support.routes import gateway, http_route, istio, ref

PLAN = gateway("clinic")


def route(*conditions, generation=3, **metadata):
    manifest = http_route([ref("reviews-v1")])
    manifest["metadata"] |= {"generation": generation, **metadata}
    parents = [{"controllerName": "gw", "conditions": [*conditions]}] if conditions else []
    manifest["status"] = {"parents": parents}
    return manifest


def condition(kind, status, reason, message, generation=3):
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
    }


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (
            condition("Accepted", "False", "NotAllowedByListeners", "no listener"),
            "gw does not accept the route: NotAllowedByListeners: no listener",
        ),
        (
            condition("PartiallyInvalid", "True", "UnsupportedValue", "Dropped Rule 1"),
            "gw has dropped a rule: UnsupportedValue: Dropped Rule 1",
        ),
        (
            condition("ResolvedRefs", "False", "BackendNotFound", "backend(reviews-v2.clinic.svc)"),
            "gw cannot resolve a backend: BackendNotFound: backend(reviews-v2.clinic.svc)",
        ),
    ],
)
def test_conditions_of_the_current_generation_are_heard(report, text):
    assert conditions_of(route(report), PLAN) == (text,)
    assert conditions_of(route(report, generation=4), PLAN) == ()


def test_conditions_about_others_are_not_ours():
    message = "backend(reviews-v2-auth.ns.svc.cluster.local) not found"
    other = condition("ResolvedRefs", "False", "BackendNotFound", message)
    assert conditions_of(route(other), PLAN) == ()
    accepted = condition("Accepted", "True", "Accepted", "fine")
    assert conditions_of(route(accepted), PLAN) == ()
    assert conditions_of({"status": {"parents": "none"}}, PLAN) == ()


def test_a_route_that_one_gateway_of_two_accepts_is_accepted():
    manifest = route(condition("Accepted", "False", "NotAllowedByListeners", "no"))
    accepted = {"controllerName": "b", "conditions": [condition("Accepted", "True", "A", "")]}
    manifest["status"]["parents"].append(accepted)
    assert conditions_of(manifest, PLAN) == ()


def test_an_object_that_is_being_deleted_says_so_on_every_mesh():
    going = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    text = "the object is being deleted (since 2026-01-01T00:00:00Z)"
    assert conditions_of(going, PLAN) == conditions_of(going, istio("clinic")) == (text,)


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("backend(svc.ns.svc.cluster.local) not found", True),
        ("backend(svc-auth.ns.svc.cluster.local) not found", False),
        ("Service ns/svc not found", True),
        ("my-svc not found", False),
        ("svc2 not found", False),
        ("backend(auth.svc.cluster.local) not found", False),
        ('service "svc" not found', True),
        ("ns/svc:80: no endpoints", True),
        ("svc", True),
        ("cannot find svc.", True),
        ("backend(svc.ns) not found", True),
        ("cannot find svc.The route has no other", True),
        ("backend(svc.other-ns.svc.cluster.local) not found", False),
        ("backend(svc.other-ns) not found", False),
        ("service other/svc not found", False),
        ("service other/svc:80 not found", False),
        ("backend(svc.ns-2) not found", False),
        ("other/svc and ns/svc not found", True),
        ('Service "/ns/svc" not found', True),
        ("Service/svc not found", True),
        ("service/svc not found", True),
    ],
)
def test_names_match_whole(message, names):
    assert names_whole("svc", "ns", message) is names


def test_another_service_that_begins_alike_is_not_the_canary():
    plan = gateway(backends={"stable": "web", "canary": "svc"})
    live = http_route([ref("web", 90), ref("svc", 10)])
    denial = {"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound"}
    for backend, is_heard in (("svc-auth.ns.svc.cluster.local", False), ("svc.ns", True)):
        message = {"message": f"backend({backend}) not found"}
        parents = [{"controllerName": "gw", "conditions": [denial | message]}]
        assert bool(complaint_of(live | {"status": {"parents": parents}}, plan)) is is_heard


def test_an_owner_is_a_controller_and_no_other_reference():
    owner = {"kind": "Rollout", "name": "reviews", "controller": True}
    assert owner_of({"metadata": {"ownerReferences": [owner]}}) == "Rollout reviews"
    assert owner_of({"metadata": {"ownerReferences": [{**owner, "controller": False}]}}) == ""
    assert owner_of({}) == ""


@pytest.mark.parametrize(
    ("labels", "tool"),
    [
        ({"argocd.argoproj.io/instance": "shop"}, "Argo CD (argocd.argoproj.io/instance: shop)"),
        (
            {"kustomize.toolkit.fluxcd.io/name": "shop"},
            "Flux (kustomize.toolkit.fluxcd.io/name: shop)",
        ),
        ({"app.kubernetes.io/managed-by": "Helm"}, "Helm (app.kubernetes.io/managed-by)"),
        ({"app.kubernetes.io/managed-by": "surefoot"}, ""),
        ({}, ""),
    ],
)
def test_a_git_tool_is_known_by_its_labels(labels, tool):
    assert git_tool_of({"metadata": {"labels": labels}}) == tool


@pytest.mark.parametrize(
    ("conditions", "taken"),
    [
        ([condition("Accepted", "True", "Accepted", "")], True),
        ([condition("Accepted", "True", "Accepted", "", generation=2)], False),
        ([{"type": "Accepted", "status": "True", "reason": "Accepted"}], None),
        ([], None),
    ],
)
def test_a_gateway_says_which_generation_it_has_taken(conditions, taken):
    assert taken_of(route(*conditions)) is taken
