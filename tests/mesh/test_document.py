"""A mesh document in a real mesh: taken without a warning, and rolled out by its own plans."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from rollout.demo.servers.process import Process
from tests.live.pipeline import ROOT, until
from tests.mesh.proxy import sidecar
from tests.mesh.traffic import PORT, Stream
from tests.mesh.world import NAMESPACE, SERVICE_PORT, deployment, service, wait_for

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]
EXAMPLE = ROOT / "manifests/examples/mesh/clinical-mesh.yaml"
NAMES = ("summarizer", "summarizer-v2", "coder", "coder-basic")
TARGETS = ("istio", "gateway")
# Without mTLS, whose certificates only Istio's own agent brings to a proxy.
DOCUMENT = """
apiVersion: mesh.ai/v1
kind: ServiceMesh
metadata: {{name: documents}}
spec:
  services:
    - name: {name}
      loadBalancer: {{algorithm: least_connections, healthCheck: {{interval: 10s, threshold: 3}}}}
      retries: {{attempts: 2, backoff: 100ms}}
      timeout: 20s
    - name: {name}-coder
      loadBalancer: {{algorithm: consistent_hash, cookie: user}}
      circuitBreaker: {{enabled: true, errorThreshold: 50%}}
      retries: {{attempts: 0}}
      fallback: {{service: {name}}}
      failover: [{{from: europe-west1, to: europe-west4}}]
  trafficPolicies:
    - name: {name}
      routes: [{{destination: {name}, weight: 50}}, {{destination: {name}-v2, weight: 50}}]
"""
RATE = 120.0
FAST = {"interval": "1s", "warmup": "1s", "drain": "1s", "followWithin": "30s", "deadline": "3m"}


def compile_to(file: Path, target: str, folder: Path, *options: str) -> str:
    """The folder's files, and what was printed."""
    command = [sys.executable, "-m", "rollout.cli", "mesh", "compile", str(file), "--to", target]
    command += ["--write", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def apply(world, *files):
    named = [option for file in files for option in ("-f", str(file))]
    done = world.cluster.kubectl("apply", "--validate=strict", *named)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr


def check_client(world, namespace, folder):
    """A client of the namespace speaks mTLS to what the document names, and to nothing else."""
    with sidecar(
        *(world.istiod, folder, namespace, "client-c", "127.0.0.13"), ready="/server_info"
    ) as client:

        def clusters():
            resources = ("dynamic_active_clusters", "dynamic_warming_clusters")
            listed = [entry["cluster"] for name in resources for entry in client.dump(name)]
            return {c["name"]: c for c in listed if c["name"].startswith("outbound|")}

        until(lambda: len(clusters()) == len(NAMES), "the client knows every Service", 20)
        speaks = {}
        for name, cluster in clusters().items():
            _, port, _, host = name.split("|")
            tls = cluster.get("transport_socket", {}).get("typed_config", {})
            speaks[host.partition(".")[0]] = tls.get("sni") == f"outbound_.{port}_._.{host}"
    assert speaks == dict.fromkeys(NAMES, True) | {"coder-basic": False}


def check_server(world, namespace, folder):
    """A pod of the namespace takes nothing but mTLS, and only from whom the document allows."""
    address = "127.0.0.14"
    port = {"number": 9080, "protocol": "HTTP", "name": "http"}
    ingress = {"bind": address, "port": port, "defaultEndpoint": "127.0.0.1:9"}
    nothing = [{"hosts": ["~/*"]}]
    with sidecar(
        *(world.istiod, folder, namespace, "client-d", address),
        ready="/server_info",
        egress=nothing,
        ingress=[ingress | {"captureMode": "NONE"}],
    ) as server:
        (entry,) = until(lambda: server.dump("dynamic_listeners"), "the pod has a listener", 20)
    listener = (entry.get("warming_state") or entry["active_state"])["listener"]
    assert listener["filter_chains"]
    for chain in listener["filter_chains"]:
        tls = chain["transport_socket"]["typed_config"]
        assert tls["require_client_certificate"]
        assert f"spiffe://cluster.local/ns/{namespace}/sa/portal" in json.dumps(chain["filters"])


@pytest.mark.parametrize("target", TARGETS)
def test_the_example_is_taken_without_a_warning(world, target, tmp_path):
    """In a namespace of its own, since its mTLS and authorization hold for all of it."""
    namespace = f"ward-{target}-{time.time_ns() % 100_000}"  # another one when it is run again
    world.cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    services = [service(name, labels={"app": name}, target=PORT) for name in NAMES]
    together = {"apiVersion": "v1", "kind": "List", "items": services}
    world.cluster.apply(together, "-n", namespace)
    rejections, warnings = world.istiod.rejections(), len(world.istiod.warnings())
    allowed = ("--allow", f"cluster.local/ns/{namespace}/sa/portal")
    compile_to(EXAMPLE, target, tmp_path / "mesh", "--namespace", namespace, *allowed)
    manifests = [tmp_path / "mesh" / name for name in ("mesh.yaml", "routes.yaml")]
    apply(world, *manifests, *sorted((tmp_path / "mesh" / "plans").iterdir()))
    time.sleep(2.0)  # what istiod has to say of it is in its log by then
    assert world.istiod.rejections() == rejections
    assert world.istiod.warnings()[warnings:] == []
    if target == "istio":
        check_client(world, namespace, tmp_path)
        check_server(world, namespace, tmp_path)
    done = world.cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    assert done.returncode == 0, done.stderr


def streams(world, name):
    host = f"{name}.{NAMESPACE}.svc.cluster.local"
    for envoy in world.sidecars:
        url = f"http://{envoy.address}:{SERVICE_PORT}/"
        yield Stream(f"{name}/{envoy.name}", envoy.name, url, host, RATE / 2)


def begin(world, target, folder):
    """Apply a document's folder, and run its plan with the command that was printed."""
    name = f"documented-{target}"
    (folder / f"{target}.yaml").write_text(DOCUMENT.format(name=name))
    options = ("--namespace", NAMESPACE)
    printed = compile_to(folder / f"{target}.yaml", target, folder / target, *options)
    run_line = printed.splitlines()[-1].partition(" && ")[2]
    assert run_line == f"surefoot run plans/{name}.yaml"
    pods = {v: {"app": name, "version": v} for v in ("v1", "v2")}
    world.apply(
        service(name, labels=pods["v1"], target=PORT),
        service(f"{name}-v2", labels=pods["v2"], target=PORT),
        service(f"{name}-coder", labels=pods["v1"], target=PORT),
        *[deployment(f"{name}-{version}", labels) for version, labels in pods.items()],
    )
    apply(world, *(folder / target).glob("*.yaml"))
    plan_file = folder / target / "plans" / f"{name}.yaml"
    plan = yaml.safe_load(plan_file.read_text())
    plan["spec"] |= FAST | {"prometheus": {"scrape": "1s", "url": world.prometheus}}
    plan["spec"]["ramp"]["bake"] = "2s"
    plan["spec"]["guardrails"][0]["margin"] = {"absolute": "40%"}
    plan_file.write_text(yaml.safe_dump(plan))
    wait_for(world.sidecars, f"{name}.{NAMESPACE}.svc.cluster.local")
    return plan_file


def test_its_plans_promote_and_roll_back(world, tmp_path):
    """Istio's version is good, the Gateway API's answers with errors."""
    world.traffic.errors["documented-gateway", "v2"] = 0.9
    rejections, warnings = world.istiod.rejections(), len(world.istiod.warnings())
    with ThreadPoolExecutor() as pool:
        begun = pool.map(lambda target: begin(world, target, tmp_path), TARGETS)
        plans = dict(zip(TARGETS, begun, strict=True))
    names = {target: f"documented-{target}" for target in TARGETS}
    time.sleep(1.0)  # endpoints reach an Envoy within a moment of its routes
    world.traffic.flow(*[s for name in names.values() for s in streams(world, name)])
    journal = tmp_path / "journal.db"
    config = f"KUBECONFIG={world.cluster.config()}"
    command = ["env", config, sys.executable, "-m", "rollout.cli", "run"]
    command += [*map(str, plans.values()), "--journal", str(journal)]
    run = Process("surefoot", command, tmp_path / "run.log")
    try:
        until(lambda: not run.running, "the end of both rollouts", 150)
        end = time.time() + 1.0
        time.sleep(2.0)
    finally:
        run.stop()
        world.traffic.rest()
    assert world.istiod.rejections() == rejections
    assert world.istiod.warnings()[warnings:] == []
    log = run.log.read_text()
    assert run._popen.returncode == 1, log  # one was not promoted
    after: dict[str, set[tuple[str, int]]] = {name: set() for name in names.values()}
    for request in world.traffic.requests:
        name = request.stream.partition("/")[0]
        if name in after and request.sent > end:
            after[name].add((request.version, request.status))
    assert after == {"documented-istio": {("v2", 200)}, "documented-gateway": {("v1", 200)}}, log
