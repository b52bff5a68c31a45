"""The mesh of these tests is a mesh, and can be broken like one."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

from rollout.decide.record.split import Split
from rollout.route.kube.router import ClusterRouter
from tests.live.node import CRASHING, READY, UNREADY, slow
from tests.live.pipeline import until
from tests.mesh.record import shows, until_shown
from tests.mesh.story import Story
from tests.mesh.traffic import Stream
from tests.mesh.world import NAMESPACE, wait_for
from tests.support.routes import istio

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

STORY = Story("reviews", "subsets")
LAG = 3.0  # seconds in which a mesh that is whole has moved long ago


@pytest.fixture(scope="module")
def reviews(world):
    """A service with two versions whose pods are ready, and all traffic at v1."""
    world.apply(*STORY.manifests())
    wait_for(world.sidecars, STORY.host)
    until(lambda: [endpoints(world, v) for v in ("v1", "v2")] == [1, 1], "endpoints", 30)
    return world


@pytest.fixture
def move(reviews, monkeypatch):
    """Move the weights as a rollout would."""
    monkeypatch.setenv("KUBECONFIG", str(reviews.cluster.config()))
    from rollout.kube.client import connect

    router, plan = ClusterRouter(connect()), istio(NAMESPACE)
    yield lambda canary: router.write(plan, Split(canary), f"m{canary}")
    router.write(plan, Split(0), "back")
    until_shown(reviews.sidecars, STORY, Split(0), 30)


def shows_weight(envoy, canary):
    return shows(envoy.routes(STORY.host), STORY, Split(canary))


def endpoints(world, version):
    """The addresses that the first Envoy would send a version's requests to."""
    _, _, cluster = STORY.cluster(version).rpartition("#")
    counts = world.sidecars[0].counts(
        rf"^cluster\.{cluster.replace('|', '.')}.*membership_healthy$"
    )
    return sum(counts.values())


def statuses(world, count=20):
    """What some requests through the first sidecar are answered with."""
    envoy = world.sidecars[0]
    before = len(world.traffic.requests)
    name = f"reviews/probe-{time.monotonic_ns()}"
    world.traffic.flow(Stream(name, envoy.name, f"http://{envoy.address}:80/", STORY.host, 200.0))
    try:
        until(lambda: len(world.traffic.requests) >= before + count, "answers", 20)
    finally:
        world.traffic.rest(name)
    return {request.status for request in world.traffic.requests[before:]}


def test_a_move_is_in_every_envoy_within_seconds(reviews, move):
    for canary in (1, 50, 100, 0):
        move(canary)
        until_shown(reviews.sidecars, STORY, Split(canary), LAG)


def test_istiod_is_asked_about_every_object(reviews):
    """Otherwise that it takes what we write would say nothing."""
    (_, route) = STORY.manifests()[-2:]
    route["spec"]["http"][0]["redirect"] = {"uri": "/"}
    done = reviews.cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", given=route)
    assert done.returncode == 1
    assert 'admission webhook "rev.validation.istio.io" denied the request' in done.stderr


def test_without_istiod_the_envoys_keep_what_they_have(reviews, move):
    reviews.istiod.stop()
    try:
        move(30)
        time.sleep(LAG / 2)
        assert all(shows_weight(envoy, 0) for envoy in reviews.sidecars)
        assert statuses(reviews) == {200}
    finally:
        reviews.istiod.start()
    until_shown(reviews.sidecars, STORY, Split(30), 30)
    move(0)
    until_shown(reviews.sidecars, STORY, Split(0), 30)


def test_one_envoy_can_be_cut_off(reviews, move):
    near, far = reviews.sidecars
    far.line.through.clear()
    try:
        move(40)
        until_shown([near], STORY, Split(40), LAG)
        time.sleep(LAG / 2)
        assert shows_weight(far, 0)
    finally:
        far.line.through.set()
    until_shown([far], STORY, Split(40), 30)
    move(0)
    until_shown([far], STORY, Split(0), LAG)


@contextmanager
def broken_for(world, envoy):
    """Istiod sends this Envoy routes for the service that no Envoy takes."""
    value = {"match": {"safe_regex": {"regex": "("}}}
    patch = {
        "applyTo": "HTTP_ROUTE",
        "match": {
            "context": "SIDECAR_OUTBOUND",
            "routeConfiguration": {"vhost": {"name": f"{STORY.host}:80"}},
        },
        "patch": {"operation": "MERGE", "value": value},
    }
    manifest = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "broken"},
        "spec": {
            "workloadSelector": {"labels": {"app": envoy.name}},
            "configPatches": [patch],
        },
    }
    # istiod warns of such filters, as it should.
    done = world.cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", given=manifest)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        done = world.cluster.kubectl("delete", "envoyfilter", "broken", "-n", NAMESPACE)
        assert done.returncode == 0, done.stderr


def test_one_envoy_can_reject_a_push(reviews, move):
    good, bad = reviews.sidecars
    before = reviews.istiod.rejections()
    with broken_for(reviews, bad):
        until(lambda: reviews.istiod.rejections() > before, "a rejected push", 20)
        move(20)
        until_shown([good], STORY, Split(20), LAG)
        time.sleep(LAG / 2)
        assert shows_weight(bad, 0)
    until_shown([bad], STORY, Split(20), 30)
    move(0)
    until_shown([bad], STORY, Split(0), LAG)


@pytest.mark.parametrize("state", [UNREADY, CRASHING], ids=["unready", "crash-looping"])
def test_pods_that_are_not_ready_get_no_request(reviews, move, state):
    labels = {"app": "reviews", "version": "v2"}
    reviews.cluster.node.set_state(NAMESPACE, labels, state)
    until(lambda: endpoints(reviews, "v2") == 0, "no endpoint", 20)
    move(100)
    until_shown(reviews.sidecars, STORY, Split(100), LAG)
    assert statuses(reviews) == {503}
    reviews.cluster.node.set_state(NAMESPACE, labels, READY)
    until(lambda: endpoints(reviews, "v2") == 1, "an endpoint", 20)
    assert statuses(reviews) == {200}
    move(0)
    until_shown(reviews.sidecars, STORY, Split(0), LAG)


def test_a_slow_pod_is_ready_when_its_time_has_come(reviews):
    reviews.cluster.node.set_state(NAMESPACE, {"app": "reviews", "version": "v2"}, slow(2.0))
    done = reviews.cluster.kubectl("rollout", "restart", "deploy/reviews-v2", "-n", NAMESPACE)
    assert done.returncode == 0, done.stderr
    begun = time.monotonic()
    command = ("rollout", "status", "deploy/reviews-v2", "-n", NAMESPACE, "--timeout=30s")
    done = reviews.cluster.kubectl(*command)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun >= 1.0
