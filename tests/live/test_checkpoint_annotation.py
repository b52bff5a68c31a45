"""What proves a journal whole, in a real API server: its checkpoint, and versions of objects."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.route_facts import Confirmed
from rollout.kube.checkpoint_annotation import KEY
from rollout.kube.client import connect
from rollout.kube.kinds import CONFIG_MAP, ROLLOUT_PLAN
from rollout.plan.model.plan import Plan
from rollout.route.kube.router import ClusterRouter
from tests.live.operating import example
from tests.support.cluster_routes import LiveRouter, MeshNamespace, climbed
from tests.support.manifests import MANIFESTS, documents, role_rules
from tests.support.routes import to, virtual_service
from tests.support.worlds import Lab, plan

pytestmark = pytest.mark.live

RECORDED = Path(__file__).parents[2] / "notebooks" / "data" / "demo.jsonl"
KINDS = {"configmap": CONFIG_MAP, "rolloutplan": ROLLOUT_PLAN}


def call(*arguments):
    return CliRunner().invoke(surefoot, [*map(str, arguments)])


class Signer:
    """Who signs a journal, with the rights that the component gives and no other."""

    def __init__(self, cluster, namespace, folder):
        self.cluster, self.namespace, self.folder = cluster, namespace, folder
        keys = call("checkpoint", "--key", folder / "key", "--new-key", "lab.example/surefoot")
        (folder / "verify.key").write_text(keys.stdout)

    def create(self):
        """The component's ConfigMap, and the rights on it."""
        for manifest in documents(MANIFESTS / "components/checkpoints/role.yaml"):
            if manifest["kind"] == "ConfigMap":
                self.cluster.apply(manifest, "-n", self.namespace)
        self.cluster.allow(
            "surefoot", self.namespace, *role_rules("components/checkpoints/role.yaml")
        )

    def annotate(self, name, journal):
        where = ("--annotate", name, "--namespace", self.namespace)
        return call("checkpoint", "--key", self.folder / "key", "--journal", journal, *where)

    def verify(self, note, journal):
        (self.folder / "note").write_text(note)
        keys = ("--checkpoints", self.folder / "note", "--verifier", self.folder / "verify.key")
        return call("verify", "--no-replay", "--journal", journal, *keys)

    def cut(self, entries):
        path = self.folder / f"first-{entries}.jsonl"
        path.write_text("".join(RECORDED.read_text().splitlines(keepends=True)[:entries]))
        return path


@pytest.fixture
def signer(cluster, namespace, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))
    return Signer(cluster, namespace, tmp_path)


def test_the_newest_checkpoint_is_written_with_those_rights_read_back_and_verified(
    signer, cluster, namespace
):
    signer.create()
    name = "surefoot-checkpoints"
    for entries in (20, 30):
        done = signer.annotate(f"configmap/{name}", signer.cut(entries))
        assert done.exit_code == 0, done.output
    live = connect().get(CONFIG_MAP, namespace, name)
    note = live["metadata"]["annotations"][KEY]
    assert note.splitlines()[:2] == ["lab.example/surefoot", "30"]
    verified = signer.verify(note, RECORDED)
    assert verified.exit_code == 0, verified.output
    assert "1 checkpoint holds; entries after 30 are not signed yet" in verified.stdout

    jsonpath = r"jsonpath={.metadata.annotations.surefoot\.dev/checkpoint}"
    read = cluster.kubectl("get", "configmap", name, "-n", namespace, "-o", jsonpath)
    assert read.stdout == note, "as the docs say"

    cut_off = signer.annotate(f"configmap/{name}", signer.cut(25))
    assert (cut_off.exit_code, "newer ones were cut off" in cut_off.stderr) == (1, True)
    assert connect().get(CONFIG_MAP, namespace, name) == live


def test_a_plan_carries_it_as_well_and_nothing_else_of_it_changes(
    signer, cluster, namespace, monkeypatch
):
    monkeypatch.setenv("KUBECONFIG", str(cluster.config()))
    document = example(namespace)
    cluster.apply(document)
    name = document["metadata"]["name"]
    before = connect().get(ROLLOUT_PLAN, namespace, name)
    done = signer.annotate(f"rolloutplan/{name}", RECORDED)
    assert done.exit_code == 0, done.output
    after = connect().get(ROLLOUT_PLAN, namespace, name)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert signer.verify(after["metadata"]["annotations"][KEY], RECORDED).exit_code == 0


def test_without_the_right_nothing_is_written_and_the_server_s_words_are_told(signer, namespace):
    done = signer.annotate("configmap/surefoot-checkpoints", RECORDED)
    assert done.exit_code == 1
    assert "the API server said 403" in done.stderr


def test_what_is_confirmed_names_the_version_of_the_object_that_showed_it(
    cluster, namespace, monkeypatch
):
    monkeypatch.setenv("KUBECONFIG", str(cluster.config()))
    mesh = MeshNamespace(cluster, namespace)
    mesh.create(virtual_service([to("reviews", None, "v1")]))
    route = {"istio": {"virtualService": "reviews"}}
    document = plan(service="reviews", route=route).document()
    document["metadata"]["namespace"] = namespace
    router = LiveRouter(inner=ClusterRouter(connect()))
    lab = Lab(plan=Plan.model_validate(document), router=router)
    versions = []
    for weight in (5, 25):
        climbed(lab, weight)
        newest = [fact for fact in lab.facts if isinstance(fact, Confirmed)][-1]
        live = mesh.get()["metadata"]
        assert newest.split.canary == weight
        assert newest.version == f"{live['uid']}@{live['resourceVersion']}"
        versions.append(newest.version)
    assert len({*versions}) == 2
