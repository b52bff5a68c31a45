"""The install as its users meet it: kustomize, promtool, and its Role on a real API server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
import yaml

from rollout.demo.servers.process import Process, free_ports
from tests.live.control_plane import program
from tests.live.operating import PLANS, start_operate
from tests.live.pipeline import ROOT, surefoot, until
from tests.support.manifests import MANIFESTS, expressions
from tests.support.routes import istio, to, virtual_service
from tests.support.routes import plan as declared

pytestmark = pytest.mark.live
ISTIO = "/apis/networking.istio.io/v1beta1/namespaces/{}/virtualservices"


def kustomized(folder):
    done = subprocess.run(
        [program("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [*yaml.safe_load_all(done.stdout)]


def promtool(*arguments):
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def installed(cluster, namespace):
    """The Role of the install, bound to the user `surefoot` as to its ServiceAccount."""
    for manifest in kustomized(MANIFESTS / "base"):
        if manifest["kind"] == "RoleBinding":
            api = "rbac.authorization.k8s.io"
            manifest["subjects"] = [{"apiGroup": api, "kind": "User", "name": "surefoot"}]
        if manifest["kind"] in {"Role", "RoleBinding"}:
            cluster.apply(manifest, "-n", namespace)
    return namespace


def test_kustomize_builds_the_install_with_and_without_the_definition():
    kinds = sorted(manifest["kind"] for manifest in kustomized(MANIFESTS / "base"))
    assert kinds == [
        *("ConfigMap", "Deployment", "NetworkPolicy", "PersistentVolumeClaim"),
        *("PodDisruptionBudget", "Role", "RoleBinding", "ServiceAccount"),
    ]
    both = [manifest["kind"] for manifest in kustomized(MANIFESTS)]
    assert sorted(both) == sorted([*kinds, "CustomResourceDefinition"])


def taken(cluster, namespace, manifests):
    """The API server would take each of these as it is."""
    for manifest in manifests:
        cluster.apply(manifest, "-n", namespace, "--dry-run=server")


def with_components(folder, *names):
    """What `manifests/base` with these components of it is, in a kustomization of one's own."""
    base, components = (
        os.path.relpath(MANIFESTS / folder_name, folder) for folder_name in ("base", "components")
    )
    wanted = {"resources": [base], "components": [f"{components}/{name}" for name in names]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    return kustomized(folder)


def test_the_api_server_takes_every_object(cluster, namespace):
    taken(cluster, namespace, kustomized(MANIFESTS / "base"))


def test_the_api_server_takes_every_component_and_all_of_them_together(
    cluster, namespace, tmp_path
):
    names = sorted(path.name for path in (MANIFESTS / "components").iterdir())
    together = with_components(tmp_path, *names)
    roles = {manifest["metadata"]["name"] for manifest in together if manifest["kind"] == "Role"}
    added = {
        f"surefoot-{role_name}"
        for role_name in ("checkpoints", "creation", "endpoints", "lease", "scale-down", "triggers")
    }
    assert roles == {"surefoot", *added}
    deployments = {d["metadata"]["name"]: d for d in together if d["kind"] == "Deployment"}
    deployment = deployments["surefoot"]
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"--lease=surefoot", "--triggers"} <= {*arguments}
    taken(cluster, namespace, together)
    (example,) = yaml.safe_load_all((MANIFESTS / "components/triggers/example.yaml").read_text())
    example["metadata"]["namespace"] = namespace
    cluster.apply(example, "--dry-run=server")


@pytest.mark.parametrize(("names", "count"), [((), 1), (("replicas",), 2)])
def test_the_install_becomes_ready(cluster, namespace, tmp_path, names, count):
    for manifest in with_components(tmp_path, *names):
        cluster.apply(manifest, "-n", namespace)
    asked = ("rollout", "status", "deployment/surefoot", "-n", namespace, "--timeout=60s")
    done = cluster.kubectl(*asked)
    assert done.returncode == 0, done.stdout + done.stderr
    status = cluster.get("deployment", "surefoot", "-n", namespace)["status"]
    assert (status["readyReplicas"], status["availableReplicas"]) == (count, count)


def test_the_component_makes_two_replicas_without_a_volume_for_the_journal(tmp_path):
    every = with_components(tmp_path, "replicas")
    objects = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in every}
    assert ("PersistentVolumeClaim", "surefoot-journal") not in objects
    spec = objects["Deployment", "surefoot"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (2, "RollingUpdate")
    assert container["args"][-1] == "--lease=surefoot"
    mounted = {"key", "scratch", "postgres"}
    assert {volume["name"] for volume in spec["template"]["spec"]["volumes"]} == mounted
    assert {mount["name"] for mount in container["volumeMounts"]} == mounted


def test_promtool_takes_the_rules_and_each_alert_fires_when_it_should(tmp_path):
    shutil.copy(MANIFESTS / "prometheus" / "alerts.yaml", tmp_path)
    shutil.copy(ROOT / "tests" / "live" / "alerts.test.yaml", tmp_path)
    promtool("check", "rules", tmp_path / "alerts.yaml")
    promtool("test", "rules", tmp_path / "alerts.test.yaml")


def test_promtool_reads_every_expression_of_the_dashboard(tmp_path):
    texts = [text for _, text in expressions() if not text.startswith("label_values")]
    rules = [{"record": f"a{number}", "expr": text} for number, text in enumerate(texts)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)


def test_the_role_allows_what_is_needed_and_nothing_else(cluster, installed):
    other = cluster.new_namespace()

    def may(verb, what, namespace=installed):
        asked = ("auth", "can-i", verb, what, "-n", namespace)
        return cluster.kubectl(*asked, user="surefoot").stdout.strip() == "yes"

    plans, routes = "rolloutplans.surefoot.dev", "virtualservices.networking.istio.io"
    allowed = [("get", plans), ("list", plans), ("watch", plans), ("get", routes)]
    allowed += [
        ("patch", routes),
        ("create", "events"),
        ("get", "grpcroutes.gateway.networking.k8s.io"),
    ]
    assert [right for right in allowed if not may(*right)] == []
    assert [right for right in allowed if may(*right, other)] == [], "only its own namespace"
    refused = [(verb, "secrets") for verb in ("get", "list", "watch", "create")]
    refused += [(verb, plans) for verb in ("create", "update", "patch", "delete")]
    refused += [(verb, routes) for verb in ("create", "update", "delete")]
    refused += [
        ("get", "pods"),
        ("create", "pods"),
        ("get", "configmaps"),
        ("patch", "deployments"),
    ]
    refused += [("patch", "roles"), ("create", "customresourcedefinitions"), ("list", "namespaces")]
    assert [right for right in refused if may(*right)] == []


def test_with_the_role_a_plan_is_carried_out_in_istio(cluster, installed, tmp_path):
    routes = virtual_service([to("reviews", 100, "v1"), to("reviews", 0, "v2")])
    routes["apiVersion"] = "networking.istio.io/v1beta1"
    assert "kind" in cluster.ask("POST", ISTIO.format(installed), routes)
    plan = declared({"istio": {"virtualService": "reviews"}}, installed, followWithin="2s")
    cluster.apply(plan.document())

    def weights():
        route = cluster.ask("GET", f"{ISTIO.format(installed)}/reviews")["spec"]["http"][0]["route"]
        return [destination.get("weight", 0) for destination in route]

    def status():
        path = f"{PLANS.format(installed)}/{plan.name}"
        return cluster.ask("GET", path).get("status", {})

    config, journal = cluster.config("surefoot"), tmp_path / "journal.db"
    with start_operate(config, installed, journal, tmp_path / "operate.log"):
        until(lambda: status().get("phase") == "waiting", "it is taken up")
        promotion = surefoot("promote", plan.name, "--journal", journal)
        assert promotion.returncode == 0, promotion.stderr
        until(lambda: weights() == [0, 100], "the weights in the VirtualService")
        until(lambda: status().get("phase") == "promoted", "the status")
        events = f"/api/v1/namespaces/{installed}/events"
        until(
            lambda: (
                "Promoted" in [e["reason"] for e in cluster.ask("GET", events).get("items", [])]
            ),
            "its Event",
            10,
        )
    assert "403" not in (tmp_path / "operate.log").read_text()


def doctor(*arguments, config=""):
    environment = ["env", f"KUBECONFIG={config}"] if config else []
    command = [*environment, sys.executable, "-m", "rollout.cli", "doctor", "--json"]
    done = subprocess.run(
        [*command, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_doctor_finds_the_install_healthy_and_the_administrator_too_mighty(
    cluster, installed, tmp_path
):
    options = ("-n", installed, "--journal", tmp_path / "journal.db")
    code, findings = doctor(*options, config=cluster.config("surefoot"))
    assert (code, {finding["level"] for finding in findings}) == (0, {"ok"})
    code, findings = doctor(*options, config=cluster.config())
    assert (code, [finding["check"] for finding in findings if finding["level"] == "warn"]) == (
        0,
        ["rights", "rights"],
    )
    code, findings = doctor(*options, config=cluster.config("nobody"))
    missing = [finding for finding in findings if finding["level"] == "fail"]
    assert code == 1
    assert len(missing) == 5
    assert all("a Role with {apiGroups" in finding["fix"] for finding in missing)


def test_doctor_before_and_after_the_route_is_there(cluster, installed, tmp_path):
    file, config = tmp_path / "plan.yaml", cluster.config("surefoot")
    file.write_text(yaml.safe_dump(istio(installed).document()))

    def mesh():
        _, findings = doctor(file, "--journal", tmp_path / "j.db", config=config)
        return [(e["level"], e["said"]) for e in findings if e["check"] in {"mesh", "rights"}]

    missing = f"VirtualService {installed}/reviews: there is no such object"
    unknown = "unknown whether the canary has endpoints"
    rights = [
        ("ok", "all 2 needed rights are granted"),
        ("warn", f"may not list pods in {installed}: {unknown}"),
        ("warn", f"may not get services in {installed}: {unknown}"),
    ]
    assert mesh() == [("fail", missing), *rights]
    routes = virtual_service([to("reviews", 100, "v1"), to("reviews", 0, "v2")])
    routes["apiVersion"] = "networking.istio.io/v1beta1"
    cluster.ask("POST", ISTIO.format(installed), routes)
    assert mesh() == [("ok", "the route answers: 0 % for the canary now"), *rights]


def test_doctor_reads_the_plans_of_a_namespace(cluster, installed, tmp_path):
    config, plan = cluster.config("surefoot"), istio(installed)
    cluster.apply(plan.document())
    bad = plan.document()
    bad["metadata"]["name"], bad["spec"]["ramp"]["steps"] = "bad", ["5%", "1%"]
    cluster.apply(bad)
    code, findings = doctor("-n", installed, "--journal", tmp_path / "j.db", config=config)
    reports = [(e["level"], e["subject"], e["said"]) for e in findings if e["check"] == "plan"]
    assert code == 1
    assert reports == [
        ("fail", "bad", "spec.ramp.steps[1]: P008 step 1 % is lower than the one before (5 %)"),
        ("warn", plan.name, "no controller has read this version of the plan"),
    ]
    assert all(finding["fix"] for finding in findings if finding["level"] != "ok")
    assert [e["subject"] for e in findings if e["check"] == "mesh"] == [plan.name]


def test_the_receiver_of_a_promotion_scales_the_old_version_down_and_may_do_nothing_else(
    cluster, namespace, tmp_path
):
    (role,) = [
        manifest
        for manifest in with_components(tmp_path, "scale-down")
        if manifest["kind"] == "Role" and manifest["metadata"]["name"] == "surefoot-scale-down"
    ]
    only = {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]}
    assert role["rules"] == [only]
    cluster.allow("surefoot", namespace, only)
    labels = {"app": "reviews-v1"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": pods}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "reviews-v1"}}
    cluster.apply(deployment | {"spec": spec}, "-n", namespace)
    service: dict[str, Any] = {"apiVersion": "v1", "kind": "Service"}
    service["metadata"] = {"name": "reviews-v1"}
    cluster.apply(
        service | {"spec": {"selector": labels, "ports": [{"port": 80}]}}, "-n", namespace
    )

    def addresses():
        slices = cluster.get("endpointslices", "-n", namespace)["items"]
        endpoints = [endpoint for piece in slices for endpoint in piece["endpoints"] or ()]
        return sum(endpoint["conditions"]["ready"] for endpoint in endpoints)

    until(lambda: addresses() == 3, "three pods serve", 30)
    (port,) = free_ports(1)
    script = MANIFESTS / "components" / "scale-down" / "scale_down.py"
    settings = [f"NAMESPACE={namespace}", "ADDRESS=127.0.0.1", "NO_PROXY=127.0.0.1"]
    command = ["env", f"KUBECONFIG={cluster.config('surefoot')}", *settings]
    event = {"when": "promoted", "namespace": namespace, "service": "reviews", "stable": "v1"}

    def called(**changed):
        body = json.dumps(event | changed).encode()
        request = Request(f"http://127.0.0.1:{port}/", body)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
                return answer.status
        except HTTPError as refusal:
            with refusal:
                return refusal.code
        except URLError:
            return None

    with Process("receiver", [*command, sys.executable, str(script), str(port)], tmp_path / "log"):
        until(lambda: called(when="undone"), "the receiver answers", 60)
        assert [called(when="undone"), called(namespace="default"), called(stable="v0")] == [
            *(422, 422, 404)
        ]
        assert cluster.get("deployment", "reviews-v1", "-n", namespace)["spec"]["replicas"] == 3
        assert [called(), called()] == [204, 204], "twice is once"
    assert cluster.get("deployment", "reviews-v1", "-n", namespace)["spec"]["replicas"] == 0
    until(lambda: addresses() == 0, "no pod serves", 30)
    until(lambda: cluster.get("pods", "-n", namespace)["items"] == [], "no pod is left", 30)
