"""What an object itself says: conditions, a deletion, an owner, a Git tool; and whole names."""

import pytest

from rollout.route.gateway.conditions import conditions, git_tool, names_whole, owner
from rollout.route.gateway.rules import complaint
from tests.support.routes import gateway, http_route, ref


@pytest.mark.parametrize(
    ("text", "is_named"),
    [
        ("backend(svc-auth.ns.svc.cluster.local) not found", False),
        ("backend(my-svc.ns.svc.cluster.local) not found", False),
        ("backend(auth.svc.cluster.local) not found", False),
        ("service ns/svcs not found", False),
        ("backend(svc.ns.svc.cluster.local) not found", True),
        ("Service ns/svc not found", True),
        ('service "svc" not found', True),
        ("ns/svc:80: no endpoints", True),
        ("svc", True),
        ("cannot find svc.", True),
    ],
)
def test_a_name_is_taken_as_a_whole(text, is_named):
    assert names_whole(text, "svc") is is_named


def test_another_service_that_begins_alike_is_not_the_canary():
    plan = gateway(backends={"stable": "web", "canary": "svc"})
    live = http_route([ref("web", 90), ref("svc", 10)])
    denial = {"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound"}
    for backend, is_heard in (("svc-auth.ns.svc.cluster.local", False), ("svc.ns", True)):
        message = {"message": f"backend({backend}) not found"}
        parents = [{"controllerName": "gw", "conditions": [denial | message]}]
        assert bool(complaint(live | {"status": {"parents": parents}}, plan)) is is_heard


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("Accepted", "False", "gw does not accept the route: Why: because"),
        ("ResolvedRefs", "False", "gw cannot resolve all: Why: because"),
        ("PartiallyInvalid", "True", "gw drops some of the rules: Why: because"),
        ("Accepted", "True", None),
        ("PartiallyInvalid", "False", None),
        ("Programmed", "False", None),
    ],
)
def test_conditions_of_the_current_generation_are_heard(kind, status, words):
    condition = {"type": kind, "status": status, "reason": "Why", "message": "because"}
    for generation, expected in ((3, (words,) if words else ()), (2, ())):
        parent = {
            "controllerName": "gw",
            "conditions": [condition | {"observedGeneration": generation}],
        }
        live = {"metadata": {"generation": 3}, "status": {"parents": [parent]}}
        assert conditions(live) == expected


def test_an_object_that_is_being_deleted_says_so():
    live = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert conditions(live) == ("it is being deleted (since 2026-01-01T00:00:00Z)",)
    assert conditions({}) == ()


def test_only_a_controlling_owner_writes_an_object_back():
    plain = {"kind": "ConfigMap", "name": "c"}
    controlling = {"kind": "InferenceService", "name": "m", "controller": True}
    assert owner({"metadata": {"ownerReferences": [plain, controlling]}}) == "InferenceService m"
    assert owner({"metadata": {"ownerReferences": [plain]}}) == owner({}) == ""


@pytest.mark.parametrize(
    ("metadata", "tool"),
    [
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "a:b"}}, "Argo CD"),
        ({"labels": {"app": "x"}}, ""),
        ({}, ""),
    ],
)
def test_a_git_tool_is_known_by_its_labels(metadata, tool):
    assert git_tool({"metadata": metadata}) == tool
