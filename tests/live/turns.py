"""A service whose versions take turns in two Deployments, under the operator that ships.

Deployments, pods and EndpointSlices are as Kubernetes' own controllers write them. Only the
operator's clock and its Prometheus are simulated: the example bakes for minutes, and its traffic
follows the live VirtualService.
"""

from __future__ import annotations

import time
from contextlib import closing

import yaml

from rollout.journal.open import open_for_reading
from rollout.kube.client import connect
from rollout.metrics.meter import Meter
from rollout.observe import prometheus
from rollout.route.kube.router import ClusterRouter
from rollout.simulate import Behaviour, SimulatedService, VirtualClock
from rollout.wire import clock
from rollout.wire.replica import Replica
from rollout.wire.shard import Shard
from tests.support.cluster_routes import LiveRouter, MeshNamespace
from tests.support.manifests import MANIFESTS, role_rules
from tests.support.routes import destination_rule, to, virtual_service

NAME = "discharge-summarizer"
VERSIONS = ("v1", "v2", "v3", "v4")
# The example's tolerance of 10 % needs buckets that are no wider.
SOUND = Behaviour(latency_edges=tuple(10 * 1.05**k for k in range(100)))
ROLES = ("base/role.yaml", "components/triggers/role.yaml", "components/endpoints/role.yaml")
_REFUSED = ("Accepted", "False")


class Turns:
    """The summarizer of the example in a namespace, and `operate --triggers` beside it."""

    def __init__(self, cluster, namespace, journal):
        self.cluster, self.namespace = cluster, namespace
        self.mesh = MeshNamespace(cluster, namespace)
        self.clock = VirtualClock()
        self.journal = journal
        self.router = LiveRouter(inner=ClusterRouter(connect()))
        behaviours = dict.fromkeys(VERSIONS, SOUND)
        self.world = SimulatedService(self.router, behaviours, rate=1000.0, coarse=True)
        self.problems: list[str] = []
        meter = Meter("test", self.clock.now, self.clock.now)
        shard = Shard(journal, namespace, triggers=True)
        self.replica = Replica(shard, connect(), None, meter, lambda _: None, self.problems.append)

    def apply(self, kind, name, spec, **metadata):
        metadata |= {"name": name, "namespace": self.namespace}
        version, _, kind = kind.rpartition("/")
        manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        self.cluster.apply(manifest)

    def serve(self):
        """The Service, its routes all at v1, and a subset for each version."""
        ports = [{"name": "http", "port": 80}]
        self.apply("v1/Service", NAME, {"selector": {"app": NAME}, "ports": ports})
        self.mesh.create(destination_rule(NAME, *VERSIONS), "destinationrules")
        route = virtual_service([to(NAME, subset="v1")], [to(NAME, subset="v1")], name=NAME)
        summaries, streams = route["spec"]["http"]
        summaries |= {"name": "summaries", "match": [{"uri": {"prefix": "/v1/summaries"}}]}
        streams["name"] = "streams"
        self.mesh.create(route)

    def deploy(self, turn, version, replicas=2):
        """The Deployment whose turn it is runs this version."""
        labels = {"app": NAME, "turn": turn}
        pods = {"containers": [{"name": "summarizer", "image": f"summarizer:{version}"}]}
        spec = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": {**labels, "version": version}}, "spec": pods},
        }
        self.apply("apps/v1/Deployment", f"{NAME}-{turn}", spec, labels={"app": NAME})

    def watch(self, **spec):
        """Apply the example as it is shipped, but for its namespace and these parts of its plan."""
        text = (MANIFESTS / "components/triggers/example.yaml").read_text()
        (trigger,) = yaml.safe_load_all(text)
        trigger["metadata"]["namespace"] = self.namespace
        trigger["spec"]["plan"] |= spec
        self.cluster.apply(trigger)

    def pass_time(self, tick, condition, what, seconds=120):
        """Let the operator work until then, a look of the example in a moment of ours."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what}: {self.plans()} {self.trigger()}"
            for _ in range(6):
                tick()
                self.clock.sleep(5)
            time.sleep(0.02)  # the watches' own time

    def trigger(self):
        return self.cluster.get("trigger", NAME, "-n", self.namespace).get("status", {})

    def plans(self):
        path = f"/apis/surefoot.dev/v1alpha1/namespaces/{self.namespace}/rolloutplans"
        items = self.cluster.ask("GET", path)["items"]
        return {item["metadata"]["name"]: item.get("status", {}) for item in items}

    def annotate(self, plan, text):
        done = self.cluster.kubectl("annotate", "plan", plan, text, "-n", self.namespace)
        assert done.returncode == 0, done.stderr

    def refusal(self, plan):
        """Why a plan, or a command on it, is not accepted; empty where it is."""
        conditions = self.plans()[plan].get("conditions", [])
        messages = [c["message"] for c in conditions if (c["type"], c["status"]) == _REFUSED]
        return messages[0] if messages else ""

    def ready_pods(self):
        """Versions of the Service's ready endpoints, one for each pod."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        slices = self.cluster.ask("GET", f"{path}?labelSelector=kubernetes.io/service-name={NAME}")
        names = {
            endpoint["targetRef"]["name"]
            for item in slices["items"]
            for endpoint in item.get("endpoints") or []
            if endpoint["conditions"]["ready"]
        }
        pods = self.cluster.ask("GET", f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        return sorted(
            pod["metadata"]["labels"]["version"] for pod in pods if pod["metadata"]["name"] in names
        )

    def traffic(self):
        """The subsets that get requests, by route; a sole destination gets all without a weight."""
        return {
            route["name"]: {
                entry["destination"]["subset"]
                for entry in route["route"]
                if entry.get("weight", int(len(route["route"]) == 1))
            }
            for route in self.cluster.ask("GET", self.mesh.path(name=NAME))["spec"]["http"]
        }

    def facts(self, kind):
        """The recorded facts of a kind."""
        with closing(open_for_reading(self.journal)) as journal:
            return [entry.fact for entry in journal.read() if isinstance(entry.fact, kind)]


def begin_turns(cluster, namespace, folder, monkeypatch):
    """Return the world, with the rights of the components and its own clock and Prometheus."""
    cluster.allow("surefoot", namespace, *role_rules(*ROLES))
    monkeypatch.setenv("KUBECONFIG", str(cluster.config("surefoot")))
    world = Turns(cluster, namespace, folder / "journal.db")
    monkeypatch.setattr(clock, "SystemClock", lambda: world.clock)
    monkeypatch.setattr(prometheus, "PrometheusObserver", lambda *_, **__: world.world)
    return world
