"""VirtualServices to splits and back: what is owned, what is left alone, what is refused."""

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.istio.destinations import destinations, explain_missing_subset, full
from rollout.route.kube.patch import patch, split_of
from tests.support.routes import gateway, istio, merged, to, virtual_service

PLAN = istio()
HOSTS = istio(hosts={"stable": "reviews-v1", "canary": "reviews-v2"})
NOTES = {"split.surefoot.dev/reviews": "20/100"}
V1, V2 = to("reviews", 90, "v1"), to("reviews", 10, "v2")


def after(live, split, plan=PLAN, mark="m"):
    return merged(live, patch(live, plan, split, mark))


def weights(live, kind="http", route=0):
    return [entry.get("weight") for entry in live["spec"][kind][route]["route"]]


def test_a_patch_holds_the_weights_and_the_mark_and_nothing_else():
    live = virtual_service([V1, V2], gateways=["mesh"])
    assert patch(live, PLAN, Split(20), "id/3") == {
        "metadata": {"annotations": NOTES | {"mark.surefoot.dev/reviews": "id/3"}},
        "spec": {
            "http": [
                {"name": "r1", "route": [to("reviews", 80, "v1"), to("reviews", 20, "v2")]},
            ]
        },
    }


def test_what_is_there_already_needs_no_patch():
    live = after(virtual_service([V1, V2]), Split(20))
    assert patch(live, PLAN, Split(20), "m") == {}


def test_a_tenth_of_a_per_cent_is_ten_of_ten_thousand():
    assert weights(after(virtual_service([V1, V2]), Split(10, 10_000))) == [9990, 10]


@pytest.mark.parametrize(
    ("entries", "canary"),
    [
        ([V1, V2], 10),
        ([to("reviews", 9, "v1"), to("reviews", 1, "v2")], 10),  # relative, whatever they sum to
        ([to("reviews", None, "v1")], 0),
        ([to("reviews", 0, "v2")], 100),  # the only destination gets everything
        ([to("reviews", 1, "v1"), to("reviews", None, "v2")], 0),  # no weight among several is 0
        ([to("reviews", 80, "v1"), to("reviews", 20, "v2"), to("old", 0)], 20),
        ([to("reviews", 72, "v1"), to("reviews", 18, "v2"), to("other", 10)], 20),
        ([to("reviews", 0, "v1"), to("other", 10)], 0),
        ([to("reviews", 5, "v1"), to("reviews", 2, "v1", headers={}), to("reviews", 3, "v2")], 30),
    ],
)
def test_weights_are_read_as_istio_reads_them(entries, canary):
    assert split_of(virtual_service(entries), PLAN, 100) == Split(canary)


@pytest.mark.parametrize(
    "host", ["reviews", "Reviews", "reviews.ns", "reviews.ns.svc", "reviews.ns.svc.cluster.local."]
)
def test_short_and_full_names_are_one_host(host):
    live = virtual_service([to(host, 90, "v1"), to(host, 10, "v2")])
    assert split_of(live, PLAN, 100) == Split(10)
    assert after(live, Split(20))["spec"]["http"][0]["route"][0]["destination"]["host"] == host


@pytest.mark.parametrize(
    "host", ["reviews.other", "reviews.other.svc.cluster.local", "reviews.example.com", "reviewsx"]
)
def test_a_host_of_another_namespace_or_domain_is_another_host(host):
    with pytest.raises(RouteError, match=f"r1` leads to {host} v1"):
        split_of(virtual_service([to(host, 90, "v1")]), PLAN, 100)


def test_full_names():
    assert full("a", "ns") == "a.ns.svc.cluster.local"
    assert full("a.b.svc.corp.local", "ns") == "a.b.svc.corp.local"
    assert full("api.example.com", "ns") == "api.example.com"


def test_two_hosts_instead_of_two_subsets():
    live = virtual_service([to("reviews-v1.ns.svc.cluster.local", 100)])
    new = after(live, Split(5), HOSTS)
    assert new["spec"]["http"][0]["route"] == [
        to("reviews-v1.ns.svc.cluster.local", 95),
        to("reviews-v2", 5),
    ]
    assert split_of(new, HOSTS, 100) == Split(5)


def test_the_canary_is_added_after_stable_with_its_port_and_goes_with_its_traffic():
    stable = to("reviews", None, "v1", headers={"request": {"set": {"a": "b"}}})
    stable["destination"]["port"] = {"number": 8080}
    live = virtual_service([stable])
    new = after(live, Split(5))
    added = new["spec"]["http"][0]["route"][1]
    assert added == {
        "destination": {"host": "reviews", "subset": "v2", "port": {"number": 8080}},
        "headers": {"request": {"set": {"a": "b"}}},
        "weight": 5,
    }
    back = after(new, Split(0), mark="back")
    assert back["spec"]["http"][0]["route"] == [stable | {"weight": 100}]
    assert back["metadata"]["annotations"] == {
        "mark.surefoot.dev/reviews": "back",
        "split.surefoot.dev/reviews": "0/100",
    }


def test_a_canary_that_lacks_what_stable_has_is_refused_by_name():
    stable = to("reviews", 100, "v1", headers={"request": {"set": {"x-tenant": "a"}}})
    live = virtual_service([stable, to("reviews", 0, "v2")])
    with pytest.raises(RouteError, match=r"subset v2 of reviews lacks .*request.set x-tenant;"):
        patch(live, PLAN, Split(5), "m")
    same = to("reviews", 0, "v2", headers={"request": {"set": {"x-tenant": "b"}}})
    assert weights(after(virtual_service([stable, same]), Split(5))) == [95, 5]


def test_what_we_added_follows_stables_headers_and_goes_with_what_it_carried():
    live = after(virtual_service([to("reviews", None, "v1")]), Split(5))
    live["spec"]["http"][0]["route"][0]["headers"] = {"request": {"set": {"a": "b"}}}
    assert weights(after(live, Split(0))) == [100]
    new = after(live, Split(20))
    assert new["spec"]["http"][0]["route"][1]["headers"] == {"request": {"set": {"a": "b"}}}
    del new["spec"]["http"][0]["route"][0]["headers"]
    assert weights(after(new, Split(0))) == [100]


@pytest.mark.parametrize(("match", "moved"), [({"uri": {"prefix": "/a"}}, 1), ({}, 0)])
def test_routes_are_chosen_by_match(match, moved):
    live = virtual_service([V1, V2], [V1, V2])
    live["spec"]["http"][1]["match"] = [{"uri": {"prefix": "/b"}}, {"uri": {"prefix": "/a"}}]
    new = after(live, Split(30), istio(matches=[match]))
    assert weights(new, route=moved) == [70, 30]
    assert weights(new, route=1 - moved) == [90, 10]
    with pytest.raises(RouteError, match=r'no http route that matches {"port": 7}; it has http'):
        patch(live, istio(matches=[{"port": 7}]), Split(30), "m")


def test_a_canary_that_the_user_wrote_stays_without_traffic():
    back = after(after(virtual_service([V1, to("reviews", 0, "v2")]), Split(5)), Split(0))
    assert weights(back) == [100, 0]


def test_a_promoted_canary_is_no_longer_ours_to_remove():
    promoted = after(after(virtual_service([to("reviews", None, "v1")]), Split(5)), Split(100))
    assert weights(promoted) == [0, 100]
    assert not any(note.startswith("added") for note in promoted["metadata"]["annotations"])


def test_a_third_destination_keeps_its_share_of_the_traffic():
    third = to("other", 10)
    live = virtual_service([to("reviews", 85, "v1"), to("reviews", 5, "v2"), third])
    assert weights(after(live, Split(10))) == [81, 9, 10]
    finer = after(live, Split(5))  # 5 % of 90 is 4.5: every weight is doubled
    assert weights(finer) == [171, 9, 20]
    assert split_of(finer, PLAN, 100) == Split(5)
    assert weights(after(finer, Split(5))) == [171, 9, 20]
    assert weights(after(live, Split(0))) == [90, 0, 10]
    assert weights(after(live, Split(100))) == [0, 90, 10]


def test_weights_beyond_what_istio_takes_are_refused():
    huge = to("other", 2**31 - 1)
    with pytest.raises(RouteError, match="would need weights above 2147483647"):
        patch(virtual_service([V1, V2, huge]), PLAN, Split(1, 10_000), "m")


def test_every_route_of_ours_moves_and_no_other():
    live = virtual_service([V1, V2], [to("ratings", 50), to("ratings", 50, "b")], [V1, V2])
    new = after(live, Split(30))
    assert [weights(new, route=n) for n in range(3)] == [[70, 30], [50, 50], [70, 30]]


def test_named_routes_move_and_no_other():
    new = after(virtual_service([V1, V2], [V1, V2]), Split(30), istio(http=["r2"]))
    assert [weights(new, route=n) for n in range(2)] == [[90, 10], [70, 30]]


def test_all_named_routes_move_or_none():
    live = virtual_service([V1, V2])
    for names, reason in [
        (["r1", "r9"], "no http route named `r9`; it has http route `r1`"),
        (["r1", "r2"], "http route `r2` leads to ratings"),
    ]:
        with pytest.raises(RouteError, match=reason):
            patch(
                live if "r9" in names else virtual_service([V1, V2], [to("ratings")]),
                istio(http=names),
                Split(30),
                "m",
            )


@pytest.mark.parametrize("left", [[V1, V2], [to("ratings")]])
def test_on_the_way_back_the_named_routes_that_are_left_move(left):
    live = virtual_service([V1, V2], left)
    back = after(live, Split(0), istio(http=["r1", "r2", "gone"]))
    assert weights(back) == [100, 0]
    assert weights(back, route=1) == ([100, 0] if left == [V1, V2] else [None])
    assert patch(live, istio(http=["gone"]), Split(0), "m") == {}, "nothing of ours is there"


def test_tls_and_tcp_routes_go_by_their_matches():
    tls = [
        {"match": [{"port": 443, "sniHosts": ["a.example", "b.example"]}], "route": [V1, V2]},
        {"match": [{"port": 443, "sniHosts": ["c.example"]}], "route": [V1, V2]},
    ]
    tcp = [{"match": [{"port": 1}], "route": [V1, V2]}, {"match": [{"port": 2}], "route": [V1, V2]}]
    live = virtual_service(tls=tls, tcp=tcp)
    plan = istio(tls=[{"sniHosts": ["b.example", "a.example"], "port": 443}], tcp=[{"port": 2}])
    new = after(live, Split(30), plan)
    assert [weights(new, "tls", n) for n in range(2)] == [[70, 30], [90, 10]]
    assert [weights(new, "tcp", n) for n in range(2)] == [[90, 10], [70, 30]]
    every = after(live, Split(30))
    assert weights(every, "tls", 1) == weights(every, "tcp", 0) == [70, 30]
    with pytest.raises(RouteError, match="no tcp route that matches port 3; it has tls route 1"):
        patch(live, istio(tcp=[{"port": 3}]), Split(30), "m")
    with pytest.raises(RouteError, match="no tls route that matches x and port 9"):
        patch(live, istio(tls=[{"sniHosts": ["x"], "port": 9}]), Split(30), "m")


def test_a_route_that_delegates_is_refused_with_the_cure():
    http = [{"name": "d", "delegate": {"name": "inner", "namespace": "other"}}]
    for plan in (PLAN, istio(http=["d"])):
        with pytest.raises(RouteError, match="delegates to VirtualService other/inner: name that"):
            patch(virtual_service(http=http), plan, Split(5), "m")
    with pytest.raises(RouteError, match="http route 1 leads to no destination"):
        split_of(virtual_service(http=[{"redirect": {"uri": "/"}}]), PLAN, 100)


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (virtual_service([V1, V2], [V1]), "disagree on the share of subset v2 of reviews: 10 %"),
        (virtual_service([to("reviews", 0, "v1"), to("reviews", 0, "v2")]), "`r1`: .* sum to zero"),
        (virtual_service([to("reviews", -1, "v1"), V2]), "weight -1 is no whole number"),
        (virtual_service([V1, V2 | {"weight": "ten"}]), "weight 'ten' is no whole number"),
        (virtual_service([to("reviews", 100)]), "r1` leads to reviews$"),
        (virtual_service(), "it has no routes"),
        ({}, "it has no routes"),
    ],
)
def test_what_is_no_split_is_refused_with_the_reason(live, reason):
    with pytest.raises(RouteError, match=reason):
        split_of(live, PLAN, 100)


@pytest.mark.parametrize("by_hand", [0, 19, 95])
@pytest.mark.parametrize("route", [0, 1])
def test_one_route_moved_by_hand_is_what_is_seen(by_hand, route):
    live = after(virtual_service([V1, V2], [V1, V2]), Split(20))
    entries = live["spec"]["http"][route]["route"]
    entries[0]["weight"], entries[1]["weight"] = 100 - by_hand, by_hand
    # 0 would hide what the other route still gives
    assert split_of(live, PLAN, 100) == Split(by_hand or 10)


def test_a_note_that_is_none_of_ours_tells_nothing():
    live = virtual_service([V1, V2], [V1])
    for note in ("x", "1/0", "7/100"):
        live["metadata"]["annotations"] = {"split.surefoot.dev/reviews": note}
        with pytest.raises(RouteError, match="routes disagree"):
            split_of(live, PLAN, 100)


def test_zero_weights_are_repaired_by_a_write_and_a_disagreement_before_the_first_is_refused():
    zero = virtual_service([to("reviews", 0, "v1"), to("reviews", 0, "v2")])
    assert split_of(after(zero, Split(5)), PLAN, 100) == Split(5)
    words = "10 % in http route `r1`, 0 % in http route `r2`; make them equal"
    unequal = virtual_service([V1, V2], [V1])
    with pytest.raises(RouteError, match=words):
        patch(unequal, PLAN, Split(5), "m")
    with pytest.raises(RouteError) as error:
        split_of(unequal, PLAN, 100)
    assert error.value.most == pytest.approx(0.1), "the live weight, for those who only look"


def test_an_arm_named_twice_stops_an_advance_but_never_a_rollback():
    twice = virtual_service([V1, to("reviews", 5, "v1", headers={}), V2, V2])
    with pytest.raises(RouteError, match="http route `r1` names subset v1 of reviews twice"):
        patch(twice, PLAN, Split(5), "m")
    back = after(twice, Split(0))
    assert weights(back) == [110, 5, 0, 0]
    assert split_of(back, PLAN, 100) == Split(0)


def test_a_route_that_is_all_elsewhere_stops_an_advance_but_never_a_rollback():
    away = virtual_service([to("reviews", 0, "v1"), to("maintenance", 100)])
    with pytest.raises(RouteError, match="sends all its traffic elsewhere"):
        patch(away, PLAN, Split(5), "m")
    assert weights(after(away, Split(0))) == [0, 100]


def test_two_services_share_one_object_by_their_marks():
    live = after(virtual_service([V1, V2]), Split(20))
    live["metadata"]["annotations"]["mark.surefoot.dev/ratings"] = "other"
    assert patch(live, PLAN, Split(20), "n") == {
        "metadata": {"annotations": {"mark.surefoot.dev/reviews": "n"}}
    }


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"host": "reviews", "subsets": [{"name": "v1"}, {"name": "v2"}]}, ""),
        ({"host": "reviews.ns.svc.cluster.local", "subsets": [{"name": "v1"}]}, "no subset v2"),
        ({"host": "reviews.other", "subsets": []}, "is for host reviews.other, not reviews"),
    ],
)
def test_a_destination_rule_must_define_both_subsets(rule, reason):
    problem = explain_missing_subset({"spec": rule}, istio(destinationRule="reviews"))
    assert problem == reason == "" or reason in problem


def test_a_plan_for_another_mesh_is_no_plan_for_istio():
    with pytest.raises(RouteError, match="moves weights in gateway, not in Istio"):
        destinations(gateway())
