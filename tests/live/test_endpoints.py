"""Whether an arm can answer, from what Kubernetes' own controllers write."""

from __future__ import annotations

import pytest

from rollout.wire.meshes import router as wired
from tests.live.node import READY, UNREADY
from tests.live.pipeline import until
from tests.support.manifests import role_rules
from tests.support.routes import gateway, istio

pytestmark = pytest.mark.live

ROUTE = {"destinationRule": "reviews"}


@pytest.fixture
def user(cluster, namespace, monkeypatch):
    """The controller's user, with the rights of the component and of the install."""
    rules = role_rules("base/role.yaml", "components/endpoints/role.yaml")
    cluster.allow("surefoot", namespace, *rules)
    monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))


@pytest.fixture
def arms(cluster, namespace):
    """A Service for each arm, one of both, its subsets, and two arms of a pod that is not ready."""
    cluster.node.set_state(namespace, {"app": "reviews"}, UNREADY)
    for name, selector in (
        ("reviews", {"app": "reviews"}),
        ("reviews-v1", {"app": "reviews", "version": "v1"}),
        ("reviews-v2", {"app": "reviews", "version": "v2"}),
    ):
        spec = {"selector": selector, "ports": [{"name": "http", "port": 80}]}
        apply(cluster, namespace, "v1/Service", name, spec)
    subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2")]
    rule = {"host": "reviews", "subsets": subsets}
    apply(cluster, namespace, "networking.istio.io/v1beta1/DestinationRule", "reviews", rule)
    for version in ("v1", "v2"):
        labels = {"app": "reviews", "version": version}
        pod = {"containers": [{"name": "reviews", "image": f"reviews:{version}"}]}
        deployment = {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        apply(cluster, namespace, "apps/v1/Deployment", f"reviews-{version}", deployment)


def apply(cluster, namespace, kind, name, spec):
    version, _, kind = kind.rpartition("/")
    metadata = {"name": name, "namespace": namespace}
    cluster.apply({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})


def plans(namespace):
    hosts = {"stable": "reviews-v1", "canary": "reviews-v2"}
    return [gateway(namespace), istio(namespace, hosts=hosts), istio(namespace, **ROUTE)]


def answers(router, namespace, arm):
    return [router.endpoints(plan, arm) for plan in plans(namespace)]


@pytest.mark.parametrize(
    ("arm", "version", "other"), [("stable", "v1", "canary"), ("canary", "v2", "stable")]
)
@pytest.mark.usefixtures("user", "arms")
def test_an_arm_has_endpoints_from_its_first_ready_pod_on(cluster, namespace, arm, version, other):
    router = wired()
    assert answers(router, namespace, arm) == [False] * 3
    cluster.node.set_state(namespace, {"version": version}, READY)
    until(lambda: answers(router, namespace, arm) == [True] * 3, "a ready endpoint")
    assert answers(router, namespace, other) == [False] * 3
    scale = f"/apis/apps/v1/namespaces/{namespace}/deployments/reviews-{version}/scale"
    cluster.ask("PATCH", scale, {"spec": {"replicas": 0}})
    until(lambda: answers(router, namespace, arm) == [False] * 3, "no endpoint left")


@pytest.mark.usefixtures("arms")
def test_without_the_component_s_rights_it_is_unknown(cluster, namespace, monkeypatch):
    cluster.allow("surefoot", namespace, *role_rules("base/role.yaml"))
    monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))
    router = wired()
    for arm in ("stable", "canary"):
        assert answers(router, namespace, arm) == [None] * 3
