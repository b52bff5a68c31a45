"""Plans on a real API server: what it refuses, what `surefoot operate` shows, as a user sees it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml

from rollout.cluster.client import connect
from rollout.cluster.informer import Informer
from rollout.cluster.kinds import ROLLOUT_PLAN
from rollout.demo.process import Process
from rollout.errors import ClusterError
from rollout.journal.files import open_for_reading
from rollout.route.proxy import EnvoyRouter
from tests.live.pipeline import ROOT, surefoot, until

pytestmark = pytest.mark.live

EXAMPLES = sorted((ROOT / "manifests" / "examples").glob("*.yaml"))
PLANS = "/apis/surefoot.dev/v1alpha1/namespaces/{}/rolloutplans"
# What docs/kubernetes.md says that is needed, and nothing else.
RIGHTS = [
    {
        "apiGroups": ["surefoot.dev"],
        "resources": ["rolloutplans"],
        "verbs": ["get", "list", "watch"],
    },
    {"apiGroups": ["surefoot.dev"], "resources": ["rolloutplans/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]


def example(namespace):
    document = yaml.safe_load(EXAMPLES[0].read_text())
    document["metadata"] = {"name": "demo", "namespace": namespace}
    return document


# --- what the API server does by itself -------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_taken_as_it_is(cluster, namespace, path):
    document = yaml.safe_load(path.read_text())
    document["metadata"]["namespace"] = namespace
    cluster.apply(document)
    stored = cluster.get("plan", document["metadata"]["name"], "-n", namespace)
    assert stored["spec"] == document["spec"], "nothing is filled in and nothing is lost"


def test_what_is_wrong_by_type_or_range_is_refused(cluster, namespace):
    def refusal(change):
        document = example(namespace)
        change(document["spec"])
        answer = cluster.ask("POST", PLANS.format(namespace), document)
        assert answer.get("code") == 422, answer
        return answer["message"]

    errors, latency = (lambda spec, at=at: spec["guardrails"][at] for at in (0, 1))
    wrong = {
        "spec.interval": lambda spec: spec.update(interval=30),
        "spec.warmup": lambda spec: spec.update(warmup="two minutes"),
        "spec.ramp.steps": lambda spec: spec["ramp"].update(steps=[0.05]),
        "spec.ramp.bake": lambda spec: spec["ramp"].pop("bake"),
        "spec.ramp": lambda spec: spec["ramp"].update(harmBudget=1, min="1%", max="5%"),
        "spec.guardrails": lambda spec: spec.update(guardrails=[]),
        "spec.guardrails.margin.ratio": lambda spec: errors(spec)["margin"].update(ratio=0.5),
        "spec.guardrails.importance": lambda spec: errors(spec).update(importance=0),
        "spec.guardrails.template": lambda spec: errors(spec).update(template="my/errors"),
        "spec.guardrails.tolerance": lambda spec: latency(spec).update(tolerance="ten"),
        "spec.service": lambda spec: spec.pop("service"),
        "spec.whenInconclusive": lambda spec: spec.update(whenInconclusive="hope"),
        "spec.confidence.falseRollback": lambda s: s["confidence"].update(falseRollback="one"),
    }
    for place, change in wrong.items():
        assert place in refusal(change)


def test_a_guardrail_needs_the_margin_or_tolerance_of_its_template(cluster, namespace):
    document = example(namespace)
    del document["spec"]["guardrails"][1]["tolerance"]
    done = cluster.kubectl("apply", "-f", "-", given=document)
    assert done.returncode == 1
    assert "spec.guardrails" in done.stderr


def test_a_number_may_stand_for_a_percentage(cluster, namespace):
    document = example(namespace)
    document["spec"]["guardrails"][1]["tolerance"] = 0.1
    document["spec"]["confidence"] = {"falseRollback": 0.01, "falsePromotion": "5%"}
    cluster.apply(document)


def test_the_definition_is_what_surefoot_prints(cluster):
    printed = surefoot("schema", "--crd").stdout
    done = cluster.kubectl("apply", "--dry-run=server", "-f", "-", given=printed)
    assert done.returncode == 0, done.stderr


# --- the informer and the client --------------------------------------------------------------


@pytest.fixture
def api(cluster, monkeypatch):
    def of(user):
        monkeypatch.setenv("KUBECONFIG", str(cluster.config(user)))
        return connect()

    return of


@contextmanager
def informed(api, namespace, problems, relist=300):
    informer = Informer(api, ROLLOUT_PLAN, namespace, problems.append, relist)
    informer.start()
    try:
        yield informer
    finally:
        begun = time.monotonic()
        informer.stop()
        assert time.monotonic() - begun < 5


def names(informer):
    return sorted(each["metadata"]["name"] for each in informer.list() or [])


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_informer_follows_every_change(cluster, namespace, api, everywhere):
    problems: list[str] = []
    with informed(api("admin").api, None if everywhere else namespace, problems, 2) as informer:
        assert informer.wait(10)
        cluster.apply(example(namespace))
        until(lambda: "demo" in names(informer), "the new plan", 5)
        cluster.ask("PATCH", f"{PLANS.format(namespace)}/demo", {"spec": {"deadline": "2d"}})
        mine = [each for each in informer.list() if each["metadata"]["namespace"] == namespace]
        assert [each["kind"] for each in mine] == ["RolloutPlan"]
        time.sleep(2.5)  # past a new list
        deadlines = {each["spec"]["deadline"] for each in informer.list() if each in mine}
        assert deadlines <= {"24h", "2d"}
        cluster.ask("DELETE", f"{PLANS.format(namespace)}/demo")
        until(
            lambda: namespace not in {each["metadata"]["namespace"] for each in informer.list()},
            *("the deletion", 5),
        )
    assert problems == []


def test_without_the_right_to_list_nothing_is_known_and_the_reason_is_told(cluster, namespace, api):
    problems: list[str] = []
    with informed(api("nobody").api, namespace, problems) as informer:
        until(lambda: problems, "a problem", 5)
        time.sleep(1)
        assert informer.list() is None
    assert len(problems) < 4
    assert 'said 403: rolloutplans.surefoot.dev is forbidden: User "nobody"' in problems[0]


def test_a_patch_of_another_version_is_a_conflict(cluster, namespace, api):
    cluster.apply(example(namespace))
    client = api("admin")
    before = client.get(ROLLOUT_PLAN, namespace, "demo")
    guarded = {"metadata": {"resourceVersion": before["metadata"]["resourceVersion"]}}
    client.patch(ROLLOUT_PLAN, namespace, "demo", {**guarded, "spec": {"deadline": "2d"}})
    with pytest.raises(ClusterError) as caught:
        client.patch(ROLLOUT_PLAN, namespace, "demo", {**guarded, "spec": {"deadline": "3d"}})
    assert caught.value.status == 409
    with pytest.raises(ClusterError) as caught:
        client.patch_status(ROLLOUT_PLAN, namespace, "demo", {**guarded, "status": {"phase": "x"}})
    assert caught.value.status == 409
    assert client.get(ROLLOUT_PLAN, namespace, "demo")["spec"]["deadline"] == "2d"


# --- surefoot operate -------------------------------------------------------------------------


class Operating:
    """`surefoot operate` as a process with the least rights, and `kubectl` beside it."""

    def __init__(self, cluster, namespace, net, folder):
        self.cluster, self.namespace, self.net = cluster, namespace, net
        self.journal, self.log = folder / "journal.db", folder / "operate.log"
        cluster.allow("surefoot", namespace, *RIGHTS)
        self.start()

    def start(self):
        command = ["env", f"KUBECONFIG={self.cluster.config('surefoot')}"]
        command += [sys.executable, "-m", "rollout.cli", "operate", "-n", self.namespace]
        self.process = Process("surefoot", [*command, "--journal", str(self.journal)], self.log)

    def plan(self, name="demo", **spec):
        document = self.net.plan.document()
        document["metadata"] = {"name": name, "namespace": self.namespace}
        document["spec"] |= {"interval": "1s", "prometheus": {"scrape": "1s"}, **spec}
        return document

    def get(self, name="demo"):
        return self.cluster.get("plan", name, "-n", self.namespace)

    def status(self, name="demo"):
        return self.cluster.ask("GET", f"{PLANS.format(self.namespace)}/{name}").get("status", {})

    def condition(self, kind, name="demo"):
        found = [c for c in self.status(name).get("conditions", []) if c["type"] == kind]
        return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else None

    def accepted(self, name="demo"):
        until(lambda: self.condition("Accepted", name), f"{name} is read", 20)
        return self.condition("Accepted", name)

    def reasons(self, name="demo"):
        path = f"/api/v1/namespaces/{self.namespace}/events"
        events = self.cluster.ask("GET", path)["items"]
        return [each["reason"] for each in events if each["involvedObject"]["name"] == name]

    def say(self, command):
        done = surefoot(command, "demo", "--journal", self.journal)
        assert done.returncode == 0, done.stderr

    def entries(self):
        with closing(open_for_reading(self.journal)) as journal:
            return [*journal.read()]

    def facts(self, kind):
        return [each.fact for each in self.entries() if each.fact.kind == kind]

    def settled(self, what):
        """Wait until the mesh shows what was decided last."""
        until(lambda: self.entries()[-1].fact.kind == "confirmed", what, 15)

    @property
    def weight(self):
        return EnvoyRouter().read(self.net.plan, 100).split.canary


@pytest.fixture
def operating(cluster, namespace, net, tmp_path):
    running = Operating(cluster, namespace, net, tmp_path)
    yield running
    running.process.stop()


def test_from_apply_to_promotion_as_a_user_sees_it(operating):
    document = operating.plan()
    operating.cluster.apply(document)
    assert operating.accepted()[0] == "True"
    until(lambda: operating.condition("Blind")[0] == "True", "no Prometheus: blind", 20)
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
    until(lambda: "Promoted" in operating.reasons(), "its Event", 5)
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
    until(lambda: operating.reasons() == ["Invalid"], "its Event", 5)
    operating.cluster.apply(operating.plan())
    until(lambda: operating.condition("Accepted")[0] == "True", "the mended plan", 5)
    assert operating.entries()[0].fact.kind == "started"


def test_an_edit_waits_and_a_deletion_goes_back(operating):
    operating.cluster.apply(operating.plan())
    operating.accepted()
    first = operating.status()["rollout"]
    operating.say("pause")
    until(lambda: operating.status()["phase"] == "paused", "the pause", 10)
    operating.cluster.apply(operating.plan(deadline="2d"))
    until(lambda: operating.condition("Pending"), "the edit is pending", 5)
    assert operating.status()["rollout"] == first
    operating.say("abort")
    until(lambda: operating.status()["rollout"] != first, "the edit's own rollout", 10)
    assert operating.condition("Pending") is None
    done = operating.cluster.kubectl("delete", "plan/demo", "-n", operating.namespace)
    assert done.returncode == 0, done.stderr
    until(lambda: operating.facts("human-said")[-1].actor == "kubernetes", "the abort", 10)
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
    until(lambda: operating.weight == 100, "the promotion", 10)
    until(lambda: "said 403" in operating.process.tail(), "the reason", 10)
    operating.cluster.ask("PATCH", rbac, {"rules": RIGHTS})
    until(lambda: operating.status()["phase"] == "promoted", "the status, late", 15)


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
    until(lambda: operating.status()["phase"] == "rolled back", "the status, late", 40)
    assert operating.status()["conditions"]
    until(lambda: "RolledBack" in operating.reasons(), "its Event", 5)


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
    assert not Path(tmp_path / "j.db").exists()
