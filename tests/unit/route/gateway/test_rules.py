"""HTTPRoutes and GRPCRoutes to splits and back: what is owned, left alone and refused."""

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.gateway.rules import backends
from rollout.route.kube.conditions import complaint_of
from rollout.route.kube.patch import patch, split_of
from tests.support.routes import gateway, http_route, istio, merged, ref

PLAN = gateway()
A, B = ref("reviews-v1", 90), ref("reviews-v2", 10)


def after(live, split, plan=PLAN, mark="m"):
    return merged(live, patch(live, plan, split, mark))


def refs(live, rule=0):
    return live["spec"]["rules"][rule]["backendRefs"]


def test_a_patch_holds_the_rules_and_the_mark_and_nothing_else():
    new = patch(http_route([A, B]), PLAN, Split(10, 10_000), "id/3")
    assert new == {
        "metadata": {
            "annotations": {
                "mark.surefoot.dev/reviews": "id/3",
                "split.surefoot.dev/reviews": "10/10000",
            }
        },
        "spec": {
            "rules": [
                {"name": "r1", "backendRefs": [A | {"weight": 9990}, B | {"weight": 10}]},
            ]
        },
    }
    assert patch(after(http_route([A, B]), Split(5)), PLAN, Split(5), "m") == {}


@pytest.mark.parametrize(
    ("entries", "canary"),
    [
        ([A, B], 10),
        ([ref("reviews-v1"), ref("reviews-v2")], 50),  # no weight is one
        ([ref("reviews-v1", 3), ref("reviews-v2")], 25),
        ([ref("reviews-v1")], 0),
        ([ref("reviews-v2", 7)], 100),
        ([ref("reviews-v1", 45), ref("reviews-v2", 5), ref("other", 50)], 10),
    ],
)
def test_weights_are_read_as_the_gateway_api_reads_them(entries, canary):
    assert split_of(http_route(entries), PLAN, 100) == Split(canary)


def test_a_lone_backend_of_weight_zero_gets_nothing():
    with pytest.raises(RouteError, match="rule `r1`: the weights sum to zero"):
        split_of(http_route([ref("reviews-v1", 0)]), PLAN, 100)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"group": "x.io"}, "Service.x.io ns/reviews-v2"),
        ({"kind": "ServiceImport"}, "ServiceImport ns/reviews-v2"),
        ({"namespace": "elsewhere"}, "Service elsewhere/reviews-v2"),
    ],
)
def test_a_backend_of_another_group_kind_or_namespace_is_another_and_refused(other, words):
    for live in (
        http_route([A, B, ref("reviews-v2", 100, **other)]),
        http_route([A, ref("reviews-v2", 10, **other)], [A, B]),
    ):
        with pytest.raises(RouteError, match=f"leads to {words} at port 80, the plan means Servi"):
            patch(live, PLAN, Split(50), "m")
    with pytest.raises(RouteError, match="no rule of HTTPRoute reviews leads to Service reviews-v"):
        split_of(http_route([A | other]), PLAN, 100)


def test_a_rule_with_a_stable_of_another_kind_gets_no_backend_that_does_not_exist():
    imported = ref("reviews-v1", 90, kind="ServiceImport", group="x.io")
    live = http_route([imported, B])
    for advance in (lambda: patch(live, PLAN, Split(5), "m"), lambda: split_of(live, PLAN, 100)):
        with pytest.raises(RouteError, match=r"ServiceImport\.x\.io ns/reviews-v1 at port 80, the"):
            advance()
    live["metadata"]["annotations"] = {
        "mark.surefoot.dev/reviews": "m",
        "split.surefoot.dev/reviews": "10/100",
    }
    assert refs(after(live, Split(0))) == [imported | {"weight": 100}, B | {"weight": 0}]


def test_defaults_written_out_are_the_same_backend():
    written_out = {"group": "", "kind": "Service", "namespace": "ns"}
    assert split_of(http_route([A | written_out, B | written_out]), PLAN, 100) == Split(10)


def test_only_references_with_the_port_that_matters():
    backends = {"stable": "reviews-v1", "canary": "reviews-v2", "port": 81}
    live = http_route([A, B], [A | {"port": 81}, B | {"port": 81}])
    new = after(live, Split(40), gateway(backends=backends))
    assert [[backend["weight"] for backend in refs(new, rule)] for rule in (0, 1)] == [
        [90, 10],
        [60, 40],
    ]


def test_other_kinds_of_backend():
    mine = {"group": "multicluster.x-k8s.io", "kind": "ServiceImport"}
    backends = {"stable": "reviews-v1", "canary": "reviews-v2", **mine}
    new = after(http_route([A | mine]), Split(5), gateway(backends=backends))
    assert refs(new)[1] == B | mine | {"weight": 5}


def test_the_canary_is_added_with_stables_filters_and_goes_with_its_traffic():
    filters = [{"type": "RequestHeaderModifier"}]
    stable = ref("reviews-v1", filters=filters)
    new = after(http_route([stable]), Split(5))
    assert refs(new) == [stable | {"weight": 95}, ref("reviews-v2", 5, filters=filters)]
    assert refs(after(new, Split(0))) == [stable | {"weight": 100}]


def test_every_rule_of_ours_moves_or_the_named_ones():
    live = http_route([A, B], [ref("ratings")], [A, B])
    assert [refs(after(live, Split(30)), n)[0].get("weight") for n in range(3)] == [70, None, 70]
    named = after(live, Split(30), gateway(rules=["r3"]))
    assert [refs(named, n)[0].get("weight") for n in range(3)] == [90, None, 70]


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (["r1", "r9"], "no rule named `r9`; it has rule `r1`, rule `r2`"),
        (["r1", "r2"], "rule `r2` leads to neither Service reviews-v1 or Service reviews-v2"),
    ],
)
def test_all_named_rules_move_or_none(rules, reason):
    with pytest.raises(RouteError, match=reason):
        patch(http_route([A, B], [ref("ratings")]), gateway(rules=rules), Split(5), "m")


def test_rules_are_chosen_by_match_with_the_defaults_that_an_api_server_fills_in():
    live = http_route([A, B], [A, B])
    for rule in live["spec"]["rules"]:
        del rule["name"]
    headers = [{"name": "traffic", "value": "test", "type": "Exact"}]
    path = {"type": "PathPrefix", "value": "/"}
    live["spec"]["rules"][0]["matches"] = [{"path": path}]
    live["spec"]["rules"][1]["matches"] = [{"path": path, "headers": headers}]
    for match, moved in [({}, 0), ({"headers": [{"name": "traffic", "value": "test"}]}, 1)]:
        new = after(live, Split(30), gateway(matches=[match]))
        assert [refs(new, rule)[1]["weight"] for rule in (moved, 1 - moved)] == [30, 10]
    with pytest.raises(RouteError, match="the route has no rule that matches"):
        patch(live, gateway(matches=[{"path": {"value": "/x"}}]), Split(30), "m")


def test_on_the_way_back_the_named_rules_that_are_left_move():
    live = http_route([A, B], [ref("ratings")])
    back = after(live, Split(0), gateway(rules=["r1", "r2", "gone"]))
    assert [backend["weight"] for backend in refs(back)] == [100, 0]
    assert patch(live, gateway(rules=["gone"]), Split(0), "m") == {}, "nothing of ours is there"


def test_rules_that_forward_nothing_are_left_alone():
    live = http_route([A, B])
    live["spec"]["rules"].insert(0, {"filters": [{"type": "RequestRedirect"}]})
    assert after(live, Split(5))["spec"]["rules"][0] == live["spec"]["rules"][0]


def test_linkerds_parent_is_a_service_and_stays_so():
    parent = [{"group": "", "kind": "Service", "name": "reviews", "port": 80}]
    live = http_route([A], parentRefs=parent)
    assert "parentRefs" not in patch(live, PLAN, Split(5), "m")["spec"]


def test_a_grpc_route_is_the_same():
    live = http_route([A, B], kind="GRPCRoute")
    assert split_of(after(live, Split(5), gateway(grpcRoute="reviews")), PLAN, 100) == Split(5)


def test_weights_beyond_a_million_are_refused():
    with pytest.raises(RouteError, match="rule `r1` would need weights above 1000000"):
        patch(http_route([A, B, ref("other", 999_999)]), PLAN, Split(1, 10_000), "m")


def test_a_plan_for_another_mesh_is_no_plan_for_a_gateway():
    with pytest.raises(RouteError, match="moves weights in istio, not a Gateway"):
        backends(istio())


def condition(kind, status, reason="", message="", **more):
    return {"type": kind, "status": status, "reason": reason, "message": message, **more}


LOST = condition("ResolvedRefs", "False", "BackendNotFound", "Service ns/reviews-v2 not found")
THEIRS = condition("ResolvedRefs", "False", "BackendNotFound", "Service ns/ratings not found")
REFUSED = condition("Accepted", "False", "NotAllowedByListeners", "no listener")
FINE = condition("Accepted", "True")


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ([], ""),
        ([[FINE]], ""),
        (
            [[FINE, LOST]],
            "gw cannot resolve the canary: BackendNotFound: Service ns/reviews-v2 not",
        ),
        ([[FINE], [FINE, LOST]], "gw cannot resolve the canary"),
        ([[FINE, LOST | {"observedGeneration": 2}]], ""),
        ([[FINE, LOST | {"observedGeneration": 3}]], "gw cannot resolve the canary"),
        ([[FINE, THEIRS]], ""),
        ([[REFUSED], [FINE]], ""),
        (
            [[REFUSED], [REFUSED]],
            "no gateway accepts the route: NotAllowedByListeners: no listener",
        ),
    ],
)
def test_what_the_gateways_say_of_the_canary(parents, expected):
    status = {
        "parents": [{"controllerName": "gw", "conditions": conditions} for conditions in parents]
    }
    live = http_route([A, B]) | {"status": status}
    live["metadata"]["generation"] = 3
    explanation = complaint_of(live, PLAN)
    assert explanation.startswith(expected)
    assert bool(explanation) == bool(expected)
