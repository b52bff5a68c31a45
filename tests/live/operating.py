"""`surefoot operate` as a process with the least rights, and what a user sees of it."""

from __future__ import annotations

import sys
from contextlib import closing

import yaml

from rollout.demo.servers.process import Process
from rollout.journal.open import open_for_reading
from rollout.route.envoy.proxy import EnvoyRouter
from tests.live.pipeline import ROOT, surefoot, until

EXAMPLES = sorted((ROOT / "manifests" / "examples").glob("*.yaml"))
PLANS = "/apis/surefoot.dev/v1alpha1/namespaces/{}/rolloutplans"
# What docs/kubernetes.md says that is needed, and nothing else.
RIGHTS = [
    {
        "apiGroups": ["surefoot.dev"],
        "resources": ["rolloutplans"],
        "verbs": ["get", "list", "watch"],
    },
    {"apiGroups": ["surefoot.dev"], "resources": ["metrictemplates"], "verbs": ["list", "watch"]},
    {"apiGroups": ["surefoot.dev"], "resources": ["rolloutplans/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]


def example(namespace):
    document = yaml.safe_load(EXAMPLES[0].read_text())
    document["metadata"] = {"name": "demo", "namespace": namespace}
    return document


def start_operate(config, namespace, journal, log, *options):
    """Start `surefoot operate` in a namespace, as the user of this kubeconfig file."""
    command = ["env", f"KUBECONFIG={config}", sys.executable, "-m", "rollout.cli", "operate"]
    command += ["-n", namespace, "--journal", str(journal), *options]
    return Process("surefoot", command, log)


class Operating:
    """`surefoot operate` as a process with the least rights, and `kubectl` beside it."""

    options: tuple[str, ...] = ()

    def __init__(self, cluster, namespace, net, folder):
        self.cluster, self.namespace, self.net = cluster, namespace, net
        self.journal, self.log = folder / "journal.db", folder / "operate.log"
        self.allow()
        self.start()

    def allow(self, *more):
        self.cluster.allow("surefoot", self.namespace, *RIGHTS, *more)

    def start(self):
        config = self.cluster.config("surefoot")
        self.process = start_operate(config, self.namespace, self.journal, self.log, *self.options)

    def plan(self, name="demo", **spec):
        document = self.net.plan.document()
        document["metadata"] = {"name": name, "namespace": self.namespace}
        document["spec"] |= {"interval": "1s", "prometheus": {"scrape": "1s"}}
        document["spec"] |= {"followWithin": "0s", **spec}
        return document

    def get(self, name="demo"):
        return self.cluster.get("plan", name, "-n", self.namespace)

    def status(self, name="demo"):
        answer = self.cluster.ask("GET", f"{PLANS.format(self.namespace)}/{name}")
        # An API server that has just started refuses for a moment what it grants later.
        return answer.get("status", {}) if answer["kind"] == "RolloutPlan" else {}

    def condition(self, kind, name="demo"):
        conditions = [c for c in self.status(name).get("conditions", []) if c["type"] == kind]
        return (
            (conditions[0]["status"], conditions[0]["reason"], conditions[0]["message"])
            if conditions
            else None
        )

    def accepted(self, name="demo"):
        until(lambda: self.condition("Accepted", name), f"{name} is read")
        return self.condition("Accepted", name)

    def reasons(self, name="demo"):
        path = f"/api/v1/namespaces/{self.namespace}/events"
        events = self.cluster.ask("GET", path).get("items", [])
        return [event["reason"] for event in events if event["involvedObject"]["name"] == name]

    def say(self, command):
        done = surefoot(command, "demo", "--journal", self.journal)
        assert done.returncode == 0, done.stderr

    def entries(self):
        with closing(open_for_reading(self.journal)) as journal:
            return [*journal.read()]

    def facts(self, kind):
        return [entry.fact for entry in self.entries() if entry.fact.kind == kind]

    def settled(self, what):
        """Wait until the mesh shows what was decided last."""
        until(lambda: self.entries()[-1].fact.kind == "confirmed", what, 60)

    @property
    def weight(self):
        return EnvoyRouter().read(self.net.plan, 100).split.canary
