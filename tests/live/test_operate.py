"""`surefoot operate` on a real API server and a real Envoy: what an apply leads to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.live.operating import PLANS, RIGHTS, Operating
from tests.live.pipeline import ROOT, until

pytestmark = pytest.mark.live


@pytest.fixture
def operating(cluster, namespace, net, tmp_path):
    running = Operating(cluster, namespace, net, tmp_path)
    yield running
    running.process.stop()


def test_from_apply_to_promotion_as_a_user_sees_it(operating):
    document = operating.plan()
    operating.cluster.apply(document)
    assert operating.accepted()[0] == "True"
    until(lambda: operating.condition("Blind")[0] == "True", "no Prometheus: blind")
    operating.say("promote")
    waited = operating.cluster.kubectl(
        *("wait", "plan/demo", "-n", operating.namespace),
        *("--for=condition=Promoted", "--timeout=20s"),
    )
    assert waited.returncode == 0, waited.stderr
    assert operating.weight == 100
    table = operating.cluster.kubectl("get", "plans", "-n", operating.namespace).stdout
    head, row = (line.split() for line in table.splitlines())
    assert head == ["NAME", "ACCEPTED", "PHASE", "WEIGHT", "VERDICT", "AGE"]
    assert row[:5] == ["demo", "True", "promoted", "100%", "blind"]
    until(lambda: "Promoted" in operating.reasons(), "its Event")
    assert set(operating.reasons()) == {"Started", "Blind", "Asked", "Promote", "Promoted"}
    stored = operating.get()
    assert stored["spec"] == document["spec"]
    assert stored["metadata"]["generation"] == 1
    last = operating.status()["journal"]
    assert last["hash"] == operating.entries()[last["entry"] - 1].hash


def test_mistakes_are_told_and_nothing_is_started(operating):
    document = operating.plan()
    document["spec"]["ramp"]["steps"] = ["5%", "1%"]
    document["spec"]["guardrails"][0]["importence"] = 2  # dropped silently by the API server
    operating.cluster.apply(document, "--validate=false")
    holds, reason, message = operating.accepted()
    assert (holds, reason) == ("False", "Invalid")
    assert [line.split(" ")[:2] for line in message.splitlines()] == [
        ["spec.guardrails[0].importence:", "P003"],
        ["spec.ramp.steps[1]:", "P008"],
    ]
    until(lambda: operating.reasons() == ["Invalid"], "its Event")
    operating.cluster.apply(operating.plan())
    until(lambda: operating.condition("Accepted")[0] == "True", "the mended plan")
    assert operating.entries()[0].fact.kind == "started"


def test_an_edit_waits_and_a_deletion_goes_back(operating):
    operating.cluster.apply(operating.plan())
    operating.accepted()
    first = operating.status()["rollout"]
    operating.say("pause")
    until(lambda: operating.status().get("phase") == "paused", "the pause")
    operating.cluster.apply(operating.plan(deadline="2d"))
    until(lambda: operating.condition("Pending"), "the edit is pending")
    assert operating.status()["rollout"] == first
    operating.say("abort")
    until(lambda: operating.status().get("rollout") != first, "the edit's own rollout")
    assert operating.condition("Pending") is None
    done = operating.cluster.kubectl("delete", "plan/demo", "-n", operating.namespace)
    assert done.returncode == 0, done.stderr
    until(lambda: operating.facts("human-said")[-1].actor == "kubernetes", "the abort")
    operating.settled("the rollback")
    assert operating.facts("decided")[-1].action == "roll back"


def test_a_deletion_while_nobody_watched_is_found_after_a_kill(operating):
    operating.cluster.apply(operating.plan())
    operating.accepted()
    operating.process.kill()
    operating.cluster.ask("DELETE", f"{PLANS.format(operating.namespace)}/demo")
    operating.start()
    operating.settled("the rollback")
    assert operating.facts("decided")[-1].action == "roll back"


def test_without_the_right_to_show_it_decides_all_the_same(operating):
    operating.cluster.apply(operating.plan())
    operating.accepted()
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{operating.namespace}/roles/surefoot"
    operating.cluster.ask("PATCH", rbac, {"rules": RIGHTS[:1]})
    operating.say("promote")
    until(lambda: operating.weight == 100, "the promotion")
    until(lambda: "said 403" in operating.process.tail(), "the reason")
    operating.cluster.ask("PATCH", rbac, {"rules": RIGHTS})
    until(lambda: operating.status().get("phase") == "promoted", "the status, late")


def test_a_rollback_does_not_wait_for_the_api_server(operating):
    operating.cluster.apply(operating.plan())
    operating.accepted()
    operating.cluster.apiserver.kill()
    try:
        operating.say("abort")
        operating.settled("the rollback")
        assert "the API server does not answer: connection refused" in operating.process.tail()
    finally:
        operating.cluster.start()
    until(lambda: operating.status().get("phase") == "rolled back", "the status, late")
    assert operating.status()["conditions"]
    until(lambda: "RolledBack" in operating.reasons(), "its Event")


def test_without_a_cluster_it_says_so(tmp_path):
    command = [sys.executable, "-m", "rollout.cli", "operate"]
    done = subprocess.run(
        [*command, "--journal", str(tmp_path / "j.db")],
        env={"KUBECONFIG": str(tmp_path / "none"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("surefoot: no cluster: ")
    assert not (tmp_path / "j.db").exists()
