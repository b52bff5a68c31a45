"""Writes that ask first: between the version that is read and the patch that names it."""

from __future__ import annotations

import pytest

from rollout.decide.record.split import Split
from rollout.errors import ClusterError, StaleError
from rollout.route.fence import FencedObjects
from rollout.route.kube.router import ClusterRouter
from tests.support.mesh_routers import router_over
from tests.support.routes import istio, to, virtual_service


class RecordingObjects:
    """One VirtualService; the first patch comes too late."""

    def __init__(self, calls):
        self.calls, self.version = calls, 1

    def get(self, _kind, _namespace, _name):
        self.calls.append("get")
        live = virtual_service([to("reviews", 100, "v1"), to("reviews", 0, "v2")])
        live["metadata"] |= {"resourceVersion": str(self.version), "uid": "u"}
        return live

    def patch(self, _kind, _namespace, _name, _body, *, dry=False):
        assert not dry, "weights need no trial"
        self.calls.append("patch")
        self.version += 1
        if self.version == 2:
            raise ClusterError("conflict", 409)
        return {}

    def apply(self, _kind, _namespace, _body):
        self.calls.append("apply")


def test_every_patch_asks_after_its_version_was_read():
    calls: list[str] = []
    objects = FencedObjects(RecordingObjects(calls), lambda: calls.append("ask"))
    ClusterRouter(objects).write(istio(), Split(5), "r-1/7")
    assert calls == ["get", "ask", "patch", "get", "ask", "patch"]


def test_a_stale_controller_does_not_patch_again_what_another_one_changed():
    calls: list[str] = []

    def fence():
        if "patch" in calls:
            raise StaleError("two took over")

    router = router_over(ClusterRouter(FencedObjects(RecordingObjects(calls), fence)))
    with pytest.raises(StaleError) as caught:
        router.write(istio(), Split(5), "r-1/7")
    assert str(caught.value) == "5% canary (decision r-1/7) refused: two took over"
    assert caught.value.rollout == "r-1"
    assert calls == ["get", "patch", "get"]


def test_reading_asks_nobody():
    def fence():
        raise StaleError("stale")

    router = router_over(ClusterRouter(FencedObjects(RecordingObjects([]), fence)))
    assert router.read(istio(), 100).split == Split(0)
    assert router.cached(istio(), 100) is None
    assert router.diagnose(istio()) == ""
