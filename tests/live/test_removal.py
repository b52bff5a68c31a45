"""What rollouts made is removed again, on a real API server: as a person would do it."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import yaml
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.kube.client import connect
from rollout.route.kube.objects import (
    DESTINATION_RULE,
    GRPC_ROUTE,
    HTTP_ROUTE,
    PEER_AUTHENTICATION,
    VIRTUAL_SERVICE,
)
from rollout.route.remove.remover import Remover
from rollout.wire import meshes
from tests.support.cluster_routes import MeshNamespace
from tests.support.creations import PEERED
from tests.support.made_routes import GATEWAY, ISTIO, lab
from tests.support.routes import destination_rule, gateway, plan, to, virtual_service
from tests.support.worlds import BAD, GOOD

pytestmark = pytest.mark.live

POLICY = {"timeout": "3s", "outliers": {"consecutiveErrors": 7}, **PEERED}
KINDS = (VIRTUAL_SERVICE, DESTINATION_RULE, PEER_AUTHENTICATION, HTTP_ROUTE, GRPC_ROUTE)


@pytest.fixture
def mesh(cluster, namespace, monkeypatch):
    """A namespace without routes, and a person who may do everything there."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.config()))
    return MeshNamespace(cluster, namespace)


@pytest.fixture
def remove(mesh, tmp_path, monkeypatch):
    """`surefoot remove`, which does not pause; its exit code, and its rows."""
    monkeypatch.setattr(meshes, "remover", lambda _: Remover(connect(), lambda _: None))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def run(asked, *options):
        file = tmp_path / "plan.yaml"
        file.write_text(yaml.safe_dump(asked.document()))
        done = CliRunner().invoke(surefoot, ["remove", str(file), "--yes", "--json", *options])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, json.loads(done.stdout or "[]"), done.stderr

    return run


def there(mesh):
    """The objects of every kind that we may make."""
    objects = ((kind, connect().every(kind, mesh.namespace)) for kind in KINDS)
    return {
        (kind.name, manifest["metadata"]["name"]) for kind, held in objects for manifest in held
    }


def asked_for(mesh):
    grpc = {"grpcRoute": "chats", "create": GATEWAY["create"]}
    parents = [{"name": "edge", "namespace": "infra"}, {"name": "reviews", "kind": "Service"}]
    create = {"parentRefs": parents, "hostnames": ["reviews.example.org"], "port": 8080}
    return (
        plan({"istio": ISTIO}, mesh.namespace, policy=POLICY),
        gateway(mesh.namespace, httpRoute="reviews", create=create),
        gateway(mesh.namespace, **grpc),
    )


def test_what_was_made_goes_whatever_the_api_server_filled_in(mesh, remove):
    plans = asked_for(mesh)
    for asked in plans:
        for split in (Split(5), Split(100)):
            meshes.router().write(asked, split, "m")
    assert len(there(mesh)) == 5
    for asked, (before, after) in zip(plans, pairwise((5, 2, 1, 0)), strict=True):
        code, rows, _ = remove(asked, "--dry-run")
        assert (code, len(there(mesh))) == (0, before)
        assert [row["why"] for row in rows] == ["made for reviews-v2"] * (before - after)
        assert remove(asked)[0] == 0
        assert len(there(mesh)) == after
        assert remove(asked)[:2] == (0, []), "twice is once"


@pytest.mark.parametrize("canary", [GOOD, BAD])
def test_after_a_whole_rollout_there_is_what_was_there_before(mesh, remove, canary):
    running = lab(mesh, meshes.router(), canary)
    running.run()
    code, rows, _ = remove(running.plan)
    assert (code, there(mesh)) == (0, set())
    share = "100 %" if canary is GOOD else "0 %"
    assert rows[0]["carries"] == f"{share} to v2, the rest to v1"


def test_an_edit_by_hand_is_named_and_the_object_kept(mesh, remove):
    asked = plan({"istio": ISTIO}, mesh.namespace)
    meshes.router().write(asked, Split(5), "m")
    mesh.weigh(60, 40)
    assert remove(asked, "--dry-run")[0] == 0, "weights are weights"
    mesh.edit({"spec": {"hosts": ["reviews", "more"]}})
    code, rows, _ = remove(asked)
    assert (code, len(there(mesh))) == (1, 2)
    assert [(row["deed"], row["why"]) for row in rows] == [
        ("keep", "changed since we made it: spec.hosts"),
        ("keep", "VirtualService reviews leads to its subset v1"),
    ]


def test_what_is_changed_between_the_look_and_the_deed_stays(mesh):
    asked = plan({"istio": ISTIO}, mesh.namespace)
    meshes.router().write(asked, Split(5), "m")
    remover = Remover(connect(), lambda _: None)
    due = remover.look(asked)
    mesh.weigh(60, 40)
    with pytest.raises(RouteError, match="cannot delete VirtualService"):
        remover.remove(asked, due, lambda _: None)
    assert len(there(mesh)) == 2


def test_objects_that_were_there_are_left_as_they_were_before_but_for_weights(mesh, remove):
    theirs = virtual_service([to("reviews", 90, "v1"), to("reviews", 10, "v2")])
    theirs["spec"]["http"][0]["timeout"] = "30s"
    mesh.create(theirs)
    rule = destination_rule("reviews")
    rule["metadata"]["annotations"] = {"theirs": "1"}
    before = mesh.create(rule, "destinationrules")
    asked = plan({"istio": ISTIO}, mesh.namespace, policy=POLICY)
    for split in (Split(5), Split(100)):
        meshes.router().write(asked, split, "m")
    code, rows, _ = remove(asked)
    assert (code, [row["deed"] for row in rows]) == (0, ["restore", "delete", "restore"])
    live, service = mesh.get("destinationrules"), mesh.get()
    assert live["spec"] == before["spec"]
    assert live["metadata"]["annotations"] == {"theirs": "1"}
    assert service["spec"]["http"][0]["timeout"] == "30s"
    assert "annotations" not in service["metadata"]
    assert mesh.weights() == [0, 100]
    assert there(mesh) == {("VirtualService", "reviews"), ("DestinationRule", "reviews")}
    assert remove(asked)[:2] == (0, [])


def test_while_the_cluster_s_plan_is_under_way_nothing_goes(mesh, remove):
    asked = plan({"istio": ISTIO}, mesh.namespace)
    meshes.router().write(asked, Split(5), "m")
    mesh.cluster.apply(asked.document())
    code, _, output = remove(asked)
    assert (code, len(there(mesh))) == (1, 2)
    assert "the RolloutPlan reviews-v2 is not started yet" in output
    status = f"/apis/surefoot.dev/v1alpha1/namespaces/{mesh.namespace}/rolloutplans/{asked.name}"
    ended = {"status": {"phase": "promoted", "observedGeneration": 1, "conditions": []}}
    mesh.cluster.ask("PATCH", f"{status}/status", ended)
    assert remove(asked)[0] == 0
    assert there(mesh) == set()


def test_without_the_right_to_delete_the_rule_that_lacks_is_named(mesh, remove, monkeypatch):
    asked = plan({"istio": ISTIO}, mesh.namespace)
    meshes.router().write(asked, Split(5), "m")
    istio = {"apiGroups": ["networking.istio.io"], "resources": ["*"], "verbs": ["get", "list"]}
    mesh.cluster.allow("viewer", mesh.namespace, istio)
    monkeypatch.setenv("KUBECONFIG", str(mesh.cluster.config("viewer")))
    code, rows, output = remove(asked)
    assert (code, [row["done"] for row in rows]) == (1, [False, False])
    assert "may not delete VirtualService" in output
    assert 'resources: [virtualservices], verbs: ["delete"]' in output
    assert "cannot check whether a rollout is in progress" in output
