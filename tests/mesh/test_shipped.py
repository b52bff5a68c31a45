"""What we ship and what we write is taken as it is: by the API server, by istiod, by Envoy."""

from __future__ import annotations

import json
from functools import partial
from urllib.error import HTTPError

import pytest
import yaml

from rollout.decide.record.split import Split, Way, total_for
from rollout.plan.reading.files import load_file
from rollout.wire.meshes import router as router_of
from tests.live.pipeline import ROOT, until
from tests.mesh.record import until_shown
from tests.mesh.story import Story
from tests.mesh.traffic import PORT
from tests.mesh.world import NAMESPACE, service, wait_for
from tests.support.routes import destination_rule, http_route, ref, to, virtual_service

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

EXAMPLES = sorted((ROOT / "manifests" / "examples").glob("*.yaml"))
IN_A_CLUSTER = [path for path in EXAMPLES if "envoy:" not in path.read_text()]
SERVICE = "discharge-summarizer"
KINDS = {
    "virtualservices": "networking.istio.io/v1",
    "destinationrules": "networking.istio.io/v1",
    "peerauthentications": "security.istio.io/v1",
    "httproutes": "gateway.networking.k8s.io/v1",
}


def before(plan):
    """The routes that the example speaks of, with all traffic at v1; none where it makes them."""
    spec = plan.spec
    if spec.route.gateway:
        if spec.route.gateway.create:
            return []
        parent = {"group": "", "kind": "Service", "name": SERVICE, "port": 80}
        return [http_route([ref(f"{SERVICE}-v1")], name=SERVICE, parentRefs=[parent])]
    if spec.route.istio.create:
        return []
    route = [to(SERVICE, None, "v1")]
    http = [{"name": name, "route": route} for name in spec.route.istio.http or ["all"]]
    for entry in http[:-1]:
        entry["match"] = [{"uri": {"prefix": f"/{entry['name']}"}}]
    return [destination_rule(SERVICE), virtual_service(name=SERVICE, http=http)]


@pytest.fixture(scope="module")
def gateways(world):
    """The gateway that one of the examples names."""
    listener = {"name": "https", "protocol": "HTTP", "port": 8443}
    listener["allowedRoutes"] = {"namespaces": {"from": "All"}}
    spec = {"gatewayClassName": "istio", "listeners": [listener]}
    spec["addresses"] = [{"type": "Hostname", "value": f"edge.{NAMESPACE}.svc.cluster.local"}]
    gateway = {"apiVersion": KINDS["httproutes"], "kind": "Gateway", "spec": spec}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "infra"}}
    world.cluster.apply(namespace)
    world.cluster.apply(gateway | {"metadata": {"name": "edge", "namespace": "infra"}})


@pytest.fixture
def stage(world, gateways):
    """The Services of the examples; what an example brings goes with it."""
    services = [service(SERVICE, labels={"app": SERVICE}, target=PORT)]
    for version in ("v1", "v2"):
        labels = {"app": SERVICE, "version": version}
        manifest = service(f"{SERVICE}-{version}", labels=labels, target=PORT)
        manifest["spec"]["ports"].append({"name": "http-8080", "port": 8080, "targetPort": PORT})
        services.append(manifest)
    world.apply(*services)
    yield world
    everything = ",".join([*KINDS, "rolloutplans", "services"])
    for what in ((everything, SERVICE, "--ignore-not-found"), ("plans", "--all")):
        done = world.cluster.kubectl("delete", *what, "-n", NAMESPACE)
        assert done.returncode == 0, done.stderr


def path_of(plural):
    """Where the API server has the examples' object of a kind."""
    return f"/apis/{KINDS[plural]}/namespaces/{NAMESPACE}/{plural}/{SERVICE}"


def check_taken(world):
    """Each object, once more, by strict validation and istiod's own, and without a warning."""
    for plural in KINDS:
        manifest = world.cluster.ask("GET", path_of(plural))
        if manifest["kind"] != "Status":
            check_replaced(world.cluster, path_of(plural), manifest)


def check_replaced(cluster, path, manifest):
    """The API server would take this in the place of what is there, without a warning."""
    path += "?dryRun=All&fieldValidation=Strict"
    options = {"data": json.dumps(manifest).encode(), "method": "PUT"}
    try:
        with cluster.request(path, headers={"Content-Type": "application/json"}, **options) as done:
            assert done.headers.get_all("Warning") is None
    except HTTPError as refusal:
        with refusal:
            pytest.fail(refusal.read().decode())


def is_accepted(world):
    """Whether every parent of the HTTPRoute says so."""
    status = world.cluster.ask("GET", path_of("httproutes")).get("status", {})
    conditions = {
        (condition["type"], condition["status"])
        for parent in status.get("parents", ())
        for condition in parent["conditions"]
    }
    return conditions == {("Accepted", "True"), ("ResolvedRefs", "True")}


def splits(plan):
    """The first step in the plan's own way, the top, all, and nothing."""
    traffic, ramp = plan.spec.traffic, plan.spec.ramp
    shares = [0.001, 0.5] if "0.1%" in json.dumps(plan.document()) else [0.01, 0.5]
    total = total_for(shares)
    way: Way = "weights"
    if traffic and traffic.segment:
        way = "segment"
    if traffic and traffic.mirror:
        yield Split(total // 2, total, "mirror")
    assert ramp
    for share in shares:
        yield Split(round(share * total), total, way)
    yield Split(total, total)
    yield Split(0, total)


@pytest.mark.parametrize("path", IN_A_CLUSTER, ids=lambda path: path.stem)
def test_every_example_is_taken_and_every_write_for_it(stage, path, monkeypatch):
    done = stage.cluster.kubectl("apply", "--validate=strict", "-f", str(path))
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    (plan,) = load_file(path)
    routes = before(plan)
    if routes:
        stage.apply(*routes)
    monkeypatch.setenv("KUBECONFIG", str(stage.cluster.config()))
    router, rejections = router_of(), stage.istiod.rejections()
    warnings = len(stage.istiod.warnings())
    story = Story(SERVICE, "service" if plan.spec.route.gateway else "subsets")
    is_in_the_mesh = path.stem != "11-create-httproute"  # its gateway is another one
    if routes:
        wait_for(stage.sidecars, story.host)
    for number, split in enumerate(splits(plan)):
        router.write(plan, split, f"m{number}")
        check_taken(stage)
        if is_in_the_mesh:
            until_shown(stage.sidecars, story, split)
        if plan.spec.route.gateway:
            until(partial(is_accepted, stage), f"the gateway takes {split}", 20)
    assert stage.istiod.rejections() == rejections
    assert stage.istiod.warnings()[warnings:] == []


def test_everything_else_that_we_ship_is_taken_without_a_warning(world):
    manifests = ROOT / "manifests"
    files = [manifests / "crd.yaml", manifests / "crd-trigger.yaml"]
    files.append(manifests / "components" / "triggers" / "example.yaml")
    for file in files:
        verb = "replace" if file.name.startswith("crd") else "create"
        options = ("--dry-run=server", "--validate=strict")
        done = world.cluster.kubectl(verb, *options, "-f", str(file))
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        for document in yaml.safe_load_all(file.read_text()):
            assert document["kind"] in {"CustomResourceDefinition", "RolloutTrigger"}
