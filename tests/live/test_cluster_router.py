"""Routers before a real API server: what peers break, and what breaks for everybody."""

import time
from dataclasses import replace

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.reasons import Reason
from rollout.decide.record.route_facts import Drifted, RouteFailed
from rollout.decide.record.split import Split
from rollout.errors import ClusterError, RouteError
from rollout.kube.client import connect
from rollout.operate.status.conditions import PlanAcceptance
from rollout.operate.status.status import RolloutStory, with_rollout
from rollout.plan.model.plan import Plan
from rollout.route.kube.objects import HTTP_ROUTE
from rollout.route.kube.router import ClusterRouter
from tests.live.pipeline import until
from tests.live.webhook import refusing
from tests.support.cluster_routes import LiveRouter, MeshNamespace, climbed
from tests.support.routes import (
    destination_rule,
    gateway,
    http_route,
    istio,
    parted,
    ref,
    to,
    virtual_service,
)
from tests.support.worlds import BAD, GOOD, Lab
from tests.support.worlds import plan as plan_of_the_world

pytestmark = pytest.mark.live

MAY = {
    "apiGroups": ["networking.istio.io"],
    "resources": ["virtualservices", "destinationrules"],
    "verbs": ["get", "patch"],
}


@pytest.fixture
def mesh(cluster, namespace):
    return MeshNamespace(cluster, namespace)


@pytest.fixture
def objects(cluster, namespace, monkeypatch):
    """The cluster as a controller with least rights sees it."""
    cluster.allow("surefoot", namespace, MAY)
    monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))
    return connect()


@pytest.fixture
def router(objects):
    return ClusterRouter(objects)


@pytest.fixture
def admin(cluster, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(cluster.config()))
    return ClusterRouter(connect())


def two_subsets(stable=90, canary=10, *more):
    return [to("reviews", stable, "v1"), to("reviews", canary, "v2"), *more]


@pytest.fixture
def lab(mesh, router):
    """Makes a rollout on the namespace's VirtualService, in simulated traffic and time."""

    def build(canary=GOOD, routes=1, **spec):
        mesh.create(virtual_service(*[[to("reviews", None, "v1")]] * routes))
        route = {"istio": {"virtualService": "reviews"}}
        document = plan_of_the_world(service="reviews", route=route, **spec).document()
        document["metadata"]["namespace"] = mesh.namespace
        plan = Plan.model_validate(document)
        return Lab(canary, plan, router=LiveRouter(inner=router))

    return build


def problems(lab):
    return [fact.problem for fact in lab.facts if isinstance(fact, RouteFailed)]


# Peers' defects


def test_argo_grows_the_virtual_service(mesh, router):
    mesh.create(
        virtual_service(http=[{"route": two_subsets()}, {"name": "b", "route": two_subsets()}])
    )
    for number in range(12):
        router.write(istio(mesh.namespace), Split(number), f"m{number}")
    http = mesh.get()["spec"]["http"]
    assert [len(route["route"]) for route in http] == [2, 2]


def test_argo_grows_the_virtual_service_by_routes_of_its_own_beside_unnamed_ones(mesh, router):
    """Where it doubles is with routes that it makes for a header: 6, 18, 258, 65,538."""
    mesh.create(virtual_service([to("reviews", None, "v1")], [to("reviews", None, "v1")]))
    plan = parted(istio(mesh.namespace), segment={"header": {"name": "x-ward", "exact": "icu"}})
    for number in range(1, 9):
        router.write(plan, Split(10 * number, 100, "segment"), f"m{number}")
        assert len(mesh.get()["spec"]["http"]) == 4
    router.write(plan, Split(0), "back")
    assert len(mesh.get()["spec"]["http"]) == 2


def test_argo_removes_a_third_destination(mesh, router):
    mesh.create(virtual_service(two_subsets(85, 5, to("archive", 10))))
    plan = istio(mesh.namespace)
    for split, weights in [(Split(10), [81, 9, 10]), (Split(0), [90, 0, 10])]:
        router.write(plan, split, f"m{split.canary}")
        assert mesh.weights() == weights
        assert router.read(plan, 100).split == split


def test_argo_removes_foreign_subsets(mesh, router):
    mesh.create(virtual_service(two_subsets()))
    before = mesh.create(destination_rule("reviews", "v1", "v2", "theirs"), "destinationrules")
    router.write(istio(mesh.namespace, destinationRule="reviews"), Split(30), "m")
    assert mesh.weights() == [70, 30]
    assert mesh.get("destinationrules") == before


def test_argo_matches_hosts_on_the_first_label_only(mesh, router):
    full = f"reviews.{mesh.namespace}.svc.cluster.local"
    theirs = to("reviews.elsewhere.svc.cluster.local", 20, "v2")
    mesh.create(virtual_service([to(full, 80, "v1"), theirs]))
    router.write(istio(mesh.namespace), Split(10), "m")
    assert mesh.weights() == [72, 20, 8]
    assert router.read(istio(mesh.namespace), 100).split == Split(10)


def test_argo_never_verifies_that_traffic_moved(lab):
    lab = lab()
    lab.router.deaf = True  # the objects say 5 %, the proxies never hear of it
    lab.run_until(lambda state: state.last is not None and "nothing counted" in state.last.sentence)
    assert lab.actions == ["advance"]
    assert lab.router.read(lab.plan, 100).split == Split(5)
    assert lab.run().phase == "rolled back"  # after `whenBlind.hold`


@pytest.mark.parametrize("then", ["pause", "revert", "adopt"])
def test_flagger_adopts_a_hand_edit_silently(mesh, lab, then):
    lab = climbed(lab(onDrift=then))
    mesh.weigh(5, 95)
    before = lab.clock.now()
    lab.run_until(lambda _: any(isinstance(fact, Drifted) for fact in lab.facts))
    assert lab.clock.now() - before <= lab.plan.spec.interval
    (drift,) = (fact for fact in lab.facts if isinstance(fact, Drifted))
    assert drift.seen == Split(95)
    lab.run(3)
    assert lab.state.phase == ("paused" if then == "pause" else "stepping")
    assert mesh.weights() == ([95, 5] if then == "revert" else [5, 95])


def test_a_hand_edit_of_one_route_of_two_is_found_and_reverted(mesh, lab):
    lab = climbed(lab(routes=2, onDrift="revert"))
    mesh.weigh(60, 40)
    lab.run_until(lambda _: any(isinstance(fact, Drifted) for fact in lab.facts), 3)
    lab.run(1)
    assert [mesh.weights(route) for route in (0, 1)] == [[95, 5], [95, 5]]


def test_flagger_starts_again_after_any_other_edit(mesh, lab):
    lab = climbed(lab(), 25)
    http = mesh.get()["spec"]["http"]
    http[0] |= {"timeout": "3s", "mirror": {"host": "shadow"}}
    mesh.edit({"metadata": {"labels": {"team": "a"}}, "spec": {"http": http, "gateways": ["g"]}})
    assert lab.run().phase == "promoted"
    assert [split.canary for _, split, _ in lab.router.writes] == [5, 25, 50, 100]
    live = mesh.get()
    assert live["spec"]["http"][0]["mirror"] == {"host": "shadow"}
    assert live["spec"]["gateways"] == ["g"]
    assert live["metadata"]["labels"] == {"team": "a"}


def test_flagger_overshoots_its_maximum(lab):
    lab = lab(ramp={"harmBudget": 1000, "min": "20%", "max": "50%", "bake": "4s"})
    assert lab.run().phase == "promoted"
    assert {split.canary for _, split, _ in lab.router.writes if split.canary < 100} <= {
        *range(20, 51)
    }


def test_flagger_is_wedged_in_promotion_by_a_lost_write(mesh, lab, cluster):
    lab = climbed(lab(), 50)
    forbid(cluster, mesh)
    lab.run_until(lambda state: state.phase == "promoting")
    assert mesh.weights() == [50, 50]
    permit(cluster, mesh)
    assert lab.run().phase == "promoted"
    assert mesh.weights() == [0, 100]


def test_flagger_is_wedged_in_promotion_by_a_hand_edit(mesh, lab, cluster):
    """Here its write is refused meanwhile, which waits for a person, and a person frees it."""
    lab = climbed(lab(onDrift="revert"), 50)
    forbid(cluster, mesh)
    lab.run_until(lambda state: state.phase == "promoting")
    mesh.weigh(70, 30)
    lab.run_until(lambda state: state.phase == "paused")
    assert "may not patch VirtualService" in lab.decisions[-1].sentence
    permit(cluster, mesh)
    say(lab, "resume")
    assert lab.run().phase == "promoted"
    assert mesh.weights() == [0, 100]


def test_flagger_says_weight_0_while_60_per_cent_is_routed(mesh, lab, cluster):
    lab = climbed(lab(), 25)
    lab.restart()
    lab.controller.tick()
    assert lab.state.split == Split(25)
    assert mesh.weights() == [75, 25]
    forbid(cluster, mesh)
    say(lab, "abort")
    lab.run_until(lambda state: state.delivery.attempts > 0)
    entry = lab.entries[-1]
    status = with_rollout(
        {"metadata": {}}, PlanAcceptance(), RolloutStory(lab.plan.id, lab.state, entry), 0, "v1"
    )
    assert (status["weight"], status["wanted"]) == ("25%", "0%"), (
        "what the mesh shows, what is wanted"
    )
    assert mesh.weights() == [75, 25]
    permit(cluster, mesh)
    assert lab.run().phase == "rolled back"


def test_a_good_canary_is_promoted_and_a_bad_one_leaves_the_object_as_it_was(mesh, lab):
    lab = lab(BAD)
    before = mesh.get()["spec"]["http"][0]["route"][0]["destination"]
    assert lab.run().phase == "rolled back"
    (only,) = mesh.get()["spec"]["http"][0]["route"]
    assert only == {"destination": before}
    assert not mesh.get()["metadata"].get("annotations")


# When things go wrong

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/surefoot"


def forbid(cluster, mesh, verbs=("get",)):
    """Take rights away, and wait until the API server knows."""
    _rights(cluster, mesh, [*verbs])


def permit(cluster, mesh):
    _rights(cluster, mesh, ["get", "patch"])


def _rights(cluster, mesh, verbs):
    cluster.ask("PATCH", RBAC.format(mesh.namespace), {"rules": [MAY | {"verbs": verbs}]})
    harmless = {"metadata": {"labels": {"asked": "x"}}}
    until = time.monotonic() + 60
    while True:
        answer = cluster.ask("PATCH", f"{mesh.path()}?dryRun=All", harmless, user="surefoot")
        if (answer.get("code") == 403) == ("patch" not in verbs):
            return
        assert time.monotonic() < until, answer
        time.sleep(0.02)


def say(lab, command):
    command_fact = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=command, actor="ana")
    lab.journal.append([command_fact], lab.entries[-1].seq)


def refused(lab):
    """The pause that a refusal leads to, at the weights that were confirmed before."""
    lab.run_until(lambda state: state.phase == "paused")
    pause = lab.decisions[-1]
    assert (pause.reasons, pause.split) == ((Reason.ROUTE_REFUSED,), Split(5))
    assert not lab.state.delivery.is_open
    return pause.sentence


def test_a_lost_right_is_named_with_its_rule_and_pauses(mesh, lab, cluster):
    lab = climbed(lab())
    forbid(cluster, mesh)
    assert (
        f"may not patch VirtualService {mesh.namespace}/reviews; a Role needs the rule "
        '{apiGroups: [networking.istio.io], resources: [virtualservices], verbs: ["patch"]}'
    ) in refused(lab)
    assert mesh.weights() == [95, 5]
    say(lab, "resume")
    lab.run(3)
    assert refused(lab), "tried again, and refused again"
    permit(cluster, mesh)
    say(lab, "resume")
    assert lab.run().phase == "promoted"


def test_a_rollback_without_rights_goes_on_trying(mesh, lab, cluster):
    lab = climbed(lab(BAD))
    forbid(cluster, mesh)
    lab.run_until(lambda state: state.phase == "reverting" and state.delivery.attempts > 0)
    lab.run(30)
    assert lab.state.phase == "reverting"
    assert mesh.weights() == [95, 5]
    permit(cluster, mesh)
    assert lab.run().phase == "rolled back"
    assert mesh.weights() == [None], "as it was"


def test_all_rights_lost_pauses_at_once_and_is_said_once(mesh, lab, cluster):
    lab = climbed(lab())
    forbid(cluster, mesh, ("list",))
    until(lambda: _may_not_get(lab.router, lab.plan), "the right is gone")
    assert "may not get VirtualService" in refused(lab)
    before = len(problems(lab))
    lab.run(20)
    assert len(problems(lab)) == before
    permit(cluster, mesh)
    until(lambda: not _may_not_get(lab.router, lab.plan), "the right is back")
    say(lab, "resume")
    assert lab.run().phase == "promoted"


def _may_not_get(router, plan):
    try:
        router.read(plan, 100)
    except RouteError as error:
        return "may not get" in str(error)
    return False


def test_an_admission_webhook_refuses(mesh, lab, cluster, tmp_path):
    lab = climbed(lab())
    refusal = "configuration is invalid: " + "a long story " * 80
    with refusing(cluster, mesh.namespace, refusal, tmp_path):
        assert 'admission webhook "validation.istio.io" denied the request: conf' in refused(lab)
        (problem, *_) = problems(lab)
        assert problem.startswith(f"cannot patch VirtualService {mesh.namespace}/reviews: ")
        assert len(problem) < 600
        assert mesh.weights() == [95, 5]
        assert lab.state.split == Split(5)
    say(lab, "resume")
    assert lab.run().phase == "promoted"


def test_a_rollback_that_a_webhook_refuses_goes_on_trying(mesh, lab, cluster, tmp_path):
    lab = climbed(lab(BAD))
    with refusing(cluster, mesh.namespace, "frozen", tmp_path):
        lab.run_until(lambda state: state.phase == "reverting" and state.delivery.attempts > 0)
        lab.run(30)
        assert lab.state.phase == "reverting"
        assert mesh.weights() == [95, 5]
    assert lab.run().phase == "rolled back"
    assert mesh.weights() == [None], "as it was"


@pytest.mark.parametrize("then", ["pause", "revert"])
def test_an_object_is_deleted_and_made_again(mesh, lab, cluster, then):
    lab = climbed(lab(onDrift=then))
    lab.run(4)  # traffic follows
    cluster.ask("DELETE", mesh.path())
    before = lab.clock.now()
    where = f"VirtualService {mesh.namespace}/reviews"
    assert f"{where}: there is no such object" in refused(lab)
    assert lab.clock.now() - before <= lab.plan.spec.interval
    mesh.create(virtual_service([to("reviews", None, "v1")]))
    lab.run_until(lambda _: any(isinstance(fact, Drifted) for fact in lab.facts))
    lab.run(5)
    assert mesh.weights() == [None], "it may be another controller's end: a person says"
    assert lab.state.phase == "paused"
    say(lab, "resume")
    assert lab.run().phase == "promoted"


class Meddled:
    """A cluster where something happens around a number of patches."""

    def __init__(self, inner, times, happen):
        self._inner, self._times, self._happen, self.patches = inner, times, happen, 0

    def get(self, *args):
        return self._inner.get(*args)

    def patch(self, *args, **options):
        self.patches += 1
        if self.patches > self._times:
            return self._inner.patch(*args, **options)
        return self._happen(lambda: self._inner.patch(*args, **options))


def test_a_conflict_is_read_again_and_a_storm_of_them_ends(mesh, objects):
    mesh.create(virtual_service(two_subsets()))
    plan = istio(mesh.namespace)

    def somebody_first(patch):
        mesh.edit({"metadata": {"annotations": {"at": str(time.monotonic())}}})
        return patch()

    brief = Meddled(objects, 3, somebody_first)
    ClusterRouter(brief).write(plan, Split(20), "m")
    assert brief.patches == 4
    assert mesh.weights() == [80, 20]
    storm = Meddled(objects, 1000, somebody_first)
    with pytest.raises(RouteError, match="reviews keeps changing: 5 patches came too late"):
        ClusterRouter(storm).write(plan, Split(30), "m")
    assert mesh.weights() == [80, 20]


def test_weights_that_somebody_moves_between_reading_and_patching_are_judged_first(mesh, objects):
    mesh.create(virtual_service(two_subsets()))
    plan = istio(mesh.namespace)

    def another_controller(patch):
        ClusterRouter(objects).write(plan, Split(50), "demo-2/15")
        return patch()

    with pytest.raises(RouteError, match="changed by somebody else meanwhile") as caught:
        ClusterRouter(Meddled(objects, 1, another_controller)).write(plan, Split(20), "m")
    assert caught.value.overtaken
    assert mesh.weights() == [50, 50]
    ClusterRouter(Meddled(objects, 1, another_controller)).write(plan, Split(0), "m")
    assert mesh.weights() == [100, 0], "a rollback waits for nobody"


def test_an_edit_between_reading_and_patching_is_never_lost(mesh, objects):
    mesh.create(virtual_service(two_subsets()))

    def a_new_route(patch):
        theirs = {"name": "new", "route": [to("other")]}
        mesh.edit({"spec": {"http": [*mesh.get()["spec"]["http"], theirs]}})
        return patch()

    ClusterRouter(Meddled(objects, 1, a_new_route)).write(istio(mesh.namespace), Split(20), "m")
    assert [route["name"] for route in mesh.get()["spec"]["http"]] == ["r1", "new"]
    assert mesh.weights() == [80, 20]


def test_a_time_out_after_the_patch_was_taken_is_no_failure(mesh, objects):
    mesh.create(virtual_service(two_subsets()))

    def taken(patch):
        patch()
        raise ClusterError("the API server does not answer: timed out")

    slow = Meddled(objects, 1, taken)
    ClusterRouter(slow).write(istio(mesh.namespace), Split(20), "m")
    assert slow.patches == 1


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_a_patch_that_was_not_taken_is_a_failure_and_not_tried_at_once(mesh, objects, status):
    mesh.create(virtual_service(two_subsets()))

    def lost(_):
        raise ClusterError(f"the API server said {status}: later", status)

    away = Meddled(objects, 1000, lost)
    with pytest.raises(RouteError, match=f"reviews: the API server said {status}: later"):
        ClusterRouter(away).write(istio(mesh.namespace), Split(20), "m")
    assert away.patches == 1
    assert mesh.weights() == [90, 10]


def test_an_object_of_the_same_name_is_not_patched_for_its_predecessor(mesh, objects, cluster):
    mesh.create(virtual_service(two_subsets()))

    def replaced(patch):
        cluster.ask("DELETE", mesh.path())
        mesh.create(virtual_service([to("reviews", 1, "v1")], hosts=["new"]))
        return patch()

    meddled = ClusterRouter(Meddled(objects, 1, replaced))
    with pytest.raises(RouteError, match="changed by somebody else meanwhile"):
        meddled.write(istio(mesh.namespace), Split(20), "m")
    meddled.write(istio(mesh.namespace), Split(20), "m")
    assert mesh.get()["spec"]["hosts"] == ["new"]
    assert mesh.weights() == [80, 20]


def test_no_traffic_for_a_subset_that_nobody_defined(mesh, router):
    mesh.create(virtual_service(two_subsets()))
    mesh.create(destination_rule("reviews", "v1"), "destinationrules")
    plan = istio(mesh.namespace, destinationRule="reviews")
    with pytest.raises(RouteError, match="DestinationRule reviews defines no subset v2"):
        router.write(plan, Split(20), "m")
    assert mesh.weights() == [90, 10]
    router.write(plan, Split(0), "back")  # a rollback asks for nothing
    assert mesh.weights() == [100, 0]


def test_a_second_pass_writes_nothing(mesh, router):
    mesh.create(virtual_service(two_subsets()))
    router.write(istio(mesh.namespace), Split(20), "m")
    before = mesh.get()["metadata"]["resourceVersion"]
    router.write(istio(mesh.namespace), Split(20), "m")
    assert mesh.get()["metadata"]["resourceVersion"] == before


def test_what_the_api_server_filled_in_stays(mesh, admin):
    mesh.create(http_route([ref("reviews-v1")], [ref("ratings", 3)]), "httproutes")
    before = mesh.get("httproutes")["spec"]
    plan = gateway(mesh.namespace)
    admin.write(plan, Split(5), "m")
    assert [
        backend["name"] for backend in mesh.get("httproutes")["spec"]["rules"][0]["backendRefs"]
    ] == [
        "reviews-v1",
        "reviews-v2",
    ]
    admin.write(plan, Split(0), "back")
    after = mesh.get("httproutes")["spec"]
    assert after["rules"][0]["backendRefs"][0].pop("weight") == 100
    assert before["rules"][0]["backendRefs"][0].pop("weight") == 1
    assert after == before


def test_a_canary_that_the_gateway_cannot_resolve_is_not_confirmed(mesh, admin):
    mesh.create(http_route([ref("reviews-v1")]), "httproutes")
    plan = gateway(mesh.namespace)
    admin.write(plan, Split(5), "m")
    message = f"Service {mesh.namespace}/reviews-v2 not found"
    lost = {"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound"}
    lost |= {"message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    seen_by = {"controllerName": "example.org/gw", "parentRef": {"name": "gateway"}}
    parent = {**seen_by, "conditions": [lost]}
    mesh.edit({"status": {"parents": [parent]}}, "httproutes", "/status")
    with pytest.raises(RouteError, match=r"example\.org/gw cannot resolve the canary: Backend"):
        admin.read(plan, 100)
    admin.write(plan, Split(0), "back")
    assert admin.read(plan, 100).split == Split(0)


def test_a_kind_that_the_cluster_does_not_have_is_said(mesh, admin, monkeypatch):
    newer = replace(HTTP_ROUTE, version="v9")
    monkeypatch.setattr("rollout.route.kube.objects.HTTP_ROUTE", newer)
    with pytest.raises(RouteError, match=r"reviews: the cluster knows no gateway.*k8s.io/v9"):
        admin.read(gateway(mesh.namespace), 100)


# Ours is known by content, and by its field manager


def test_copies_end_with_a_rollback_wherever_their_route_is_by_now(mesh, router):
    mesh.create(virtual_service(http=[{"route": [to("reviews", None, "v1")]}]))
    plan = parted(istio(mesh.namespace), mirror={"share": "100%", "lasts": "1m"})
    router.write(plan, Split(100, 100, "mirror"), f"{plan.id}/1")
    http = mesh.get()["spec"]["http"]
    health = {"match": [{"uri": {"exact": "/health"}}], "route": [to("health", 100)]}
    mesh.edit({"spec": {"http": [health, http[0] | {"name": "ours"}]}})
    assert router.read(plan, 100).split == Split(100, 100, "mirror")
    router.write(plan, Split(0), f"{plan.id}/2")
    assert mesh.get()["spec"]["http"][0] == health
    assert "mirrors" not in mesh.get()["spec"]["http"][1]
    assert [*mesh.get()["metadata"]["annotations"]] == [
        "mark.surefoot.dev/reviews",
        "split.surefoot.dev/reviews",
    ]


def test_a_rollback_finds_a_route_that_was_renamed(mesh, router):
    mesh.create(virtual_service(http=[{"name": "primary", "route": two_subsets(100, 0)}]))
    plan = istio(mesh.namespace, http=["primary"])
    router.write(plan, Split(20), f"{plan.id}/1")
    http = mesh.get()["spec"]["http"]
    mesh.edit({"spec": {"http": [http[0] | {"name": "main"}]}})
    assert router.read(plan, 100).split == Split(20)
    router.write(plan, Split(0), f"{plan.id}/2")
    assert (mesh.weights(), router.read(plan, 100).split) == ([100, 0], Split(0))


def test_a_tester_s_pin_is_neither_moved_nor_holds_a_rollback_open(mesh, admin):
    pin = {
        "matches": [{"headers": [{"name": "traffic", "value": "test"}]}],
        "backendRefs": [ref("reviews-v2")],
    }
    live = http_route([ref("reviews-v1")])
    live["spec"]["rules"].append(pin)
    mesh.create(live, "httproutes")
    before = mesh.get("httproutes")["spec"]["rules"][1]
    plan = gateway(mesh.namespace)
    for number, canary in enumerate((5, 50, 0), 1):
        admin.write(plan, Split(canary), f"{plan.id}/{number}")
        status = admin.read(plan, 100)
        assert (status.split, status.pinned) == (Split(canary), ("rule 2",))
        assert mesh.get("httproutes")["spec"]["rules"][1] == before


def test_our_fields_are_managed_by_surefoot_and_a_conflict_names_it(mesh, router, cluster):
    mesh.create(virtual_service(two_subsets()))
    router.write(istio(mesh.namespace), Split(20), "m")
    managers = {
        manager["manager"]: manager["fieldsV1"]
        for manager in mesh.get()["metadata"]["managedFields"]
    }
    assert "f:http" in managers["surefoot"]["f:spec"]
    assert "OpenAPI-Generator" not in managers
    theirs = virtual_service(two_subsets(60, 40)) | {"apiVersion": "networking.istio.io/v1beta1"}
    arguments = ("apply", "--server-side", "--field-manager=git", "-n", mesh.namespace, "-f", "-")
    applied = cluster.kubectl(*arguments, given=theirs)
    assert 'conflict with "surefoot"' in applied.stderr


def test_routes_with_different_shares_are_not_begun_until_people_made_them_equal(mesh, lab):
    rollout = lab(routes=2)
    http = mesh.get()["spec"]["http"]
    http[0]["route"] = two_subsets(60, 40)
    mesh.edit({"spec": {"http": http}})
    rollout.run(20)
    assert (rollout.actions, rollout.decisions[-1].reasons) == ([], ("not-at-stable",))
    assert "40 % in http route `r1`, 0 % in http route `r2`" in rollout.decisions[-1].sentence
    assert rollout.state.live.canary == 40
    assert mesh.weights(1) == [None]
    mesh.weigh(100, 0)
    assert rollout.run().phase == "promoted"
