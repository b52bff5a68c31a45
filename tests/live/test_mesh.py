"""From `kubectl apply` to the VirtualService: real API server, real Prometheus, real process."""

from contextlib import ExitStack

import pytest

from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from tests.live.operating import RIGHTS, start_operate
from tests.live.pipeline import until
from tests.live.sidecars import Sidecars
from tests.support.routes import destination_rule, plan, to, virtual_service

pytestmark = pytest.mark.live

GROUP = "networking.istio.io"
# What docs/routing.md says that is needed, and nothing else.
READ = ("get", "list", "watch")
MESH = [
    {"apiGroups": [GROUP], "resources": ["virtualservices"], "verbs": [*READ, "patch"]},
    {"apiGroups": [GROUP], "resources": ["destinationrules"], "verbs": ["get"]},
]
FAST = {
    "ramp": {"steps": ["10%", "50%"], "bake": "2s"},
    "guardrails": [{"name": "errors", "template": "istio/errors", "margin": {"absolute": "5%"}}],
    "interval": "1s",
    "warmup": "2s",
    "drain": "1s",
}


class TwoServices:
    """Two services of a namespace; every weight that was ever seen on them."""

    def __init__(self, cluster, namespace):
        self._cluster, self._namespace = cluster, namespace
        self.canary_weights: dict[str, list[float]] = {"reviews": [], "ratings": []}
        for service in self.canary_weights:
            cluster.apply(virtual_service([to(service, None, "v1")], name=service), "-n", namespace)
            cluster.apply(destination_rule(service), "-n", namespace)

    def route(self, service):
        path = f"/apis/{GROUP}/v1/namespaces/{self._namespace}/virtualservices/{service}"
        (route,) = self._cluster.ask("GET", path)["spec"]["http"]
        return route["route"]

    def shares(self, service):
        """The shares by version, as a proxy follows them."""
        weights = {e["destination"]["subset"]: e.get("weight", 0) for e in self.route(service)}
        if len(weights) == 1:
            weights = dict.fromkeys(weights, 1)
        shares = {version: weight / sum(weights.values()) for version, weight in weights.items()}
        if (canary := shares.get("v2", 0.0)) not in self.canary_weights[service][-1:]:
            self.canary_weights[service].append(canary)
        return shares


def declared(service, namespace, url):
    route = {"istio": {"virtualService": service, "destinationRule": service}}
    document = plan(route, namespace, service).document()
    document["spec"] |= {**FAST, "prometheus": {"scrape": "1s", "url": url}}
    return document


def test_a_good_version_is_promoted_and_a_bad_one_rolled_back(cluster, namespace, tmp_path):
    cluster.allow("surefoot", namespace, *RIGHTS, *MESH)
    mesh, port = TwoServices(cluster, namespace), free_ports(1)[0]
    errors = {"reviews": {"v1": 0.01, "v2": 0.01}, "ratings": {"v1": 0.01, "v2": 0.2}}
    config, journal = cluster.config("surefoot"), tmp_path / "j.db"
    with ExitStack() as stack:
        sidecars = stack.enter_context(Sidecars(mesh.shares, errors, namespace).serving())
        targets = {"sidecars": sidecars.url}
        stack.enter_context(start_prometheus(tmp_path / "prometheus", port, targets))
        stack.enter_context(start_operate(config, namespace, journal, tmp_path / "operate.log"))
        for service in errors:
            cluster.apply(declared(service, namespace, f"http://127.0.0.1:{port}"))
        plans = f"/apis/surefoot.dev/v1alpha1/namespaces/{namespace}/rolloutplans"

        def phase(name):
            return cluster.ask("GET", f"{plans}/{name}").get("status", {}).get("phase")

        until(lambda: phase("ratings-v2") == "rolled back", "the bad one is rolled back")
        until(lambda: phase("reviews-v2") == "promoted", "the good one is promoted")
    assert mesh.canary_weights["reviews"] == [0, 0.1, 0.5, 1]
    # Harm is found at the first step, or at the next one where the machine is slow to look.
    assert mesh.canary_weights["ratings"] in ([0, 0.1, 0], [0, 0.1, 0.5, 0])
    assert mesh.route("reviews") == [to("reviews", 0, "v1"), to("reviews", 100, "v2")]
    assert mesh.route("ratings") == [to("ratings", None, "v1")], "as it was"
