"""A Deployment's new version becomes a plan, once, on a real API server and a real Envoy."""

from __future__ import annotations

import pytest

from tests.live.node import CRASHING, READY
from tests.live.operating import Operating
from tests.live.pipeline import until
from tests.support.manifests import role_rules

pytestmark = pytest.mark.live


class Triggered(Operating):
    """`surefoot operate --triggers`, with the rights that the component adds."""

    options = ("--triggers",)

    def allow(self):
        super().allow(*role_rules("components/triggers/role.yaml"))

    def deploy(self, version):
        labels = {"app": "summarizer", "version": version}
        pods = {"containers": [{"name": "summarizer", "image": f"summarizer:{version}"}]}
        self.cluster.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "summarizer", "namespace": self.namespace},
                "spec": {
                    "selector": {"matchLabels": {"app": "summarizer"}},
                    "template": {"metadata": {"labels": labels}, "spec": pods},
                },
            }
        )

    def watch(self):
        spec = self.plan()["spec"]
        del spec["canary"]
        self.cluster.apply(
            {
                "apiVersion": "surefoot.dev/v1alpha1",
                "kind": "RolloutTrigger",
                "metadata": {"name": "auto", "namespace": self.namespace},
                "spec": {"deployment": "summarizer", "plan": spec},
            }
        )

    def trigger_status(self):
        return self.cluster.get("trigger", "auto", "-n", self.namespace).get("status", {})


def test_a_new_version_is_rolled_out_once_when_its_pods_are_ready(
    cluster, namespace, net, tmp_path
):
    running = Triggered(cluster, namespace, net, tmp_path)
    try:
        running.watch()
        cluster.node.set_state(namespace, {"version": "v2"}, CRASHING)
        running.deploy("v2")
        until(
            lambda: running.trigger_status().get("reason") == "Waiting", "pods that are not ready"
        )
        cluster.node.set_state(namespace, {"version": "v2"}, READY)
        until(lambda: running.trigger_status().get("reason") == "ActedOn", "the plan")
        assert running.accepted("auto-v2")[0] == "True"
        running.process.kill()
        done = cluster.kubectl("delete", "plan/auto-v2", "-n", namespace)
        assert done.returncode == 0, done.stderr
        running.start()
        running.settled("the rollback of what was deleted")
        table = cluster.kubectl("get", "triggers", "-n", namespace).stdout.splitlines()
        assert table[1].split() == ["auto", "summarizer", "v2", "ActedOn", "auto-v2"]
        plans = cluster.kubectl("get", "plans", "-n", namespace, "-o", "name").stdout
        assert plans == "", "every version is acted on exactly once"
    finally:
        running.process.stop()
