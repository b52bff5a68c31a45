"""The manifests say what the code does: metrics by name, rights, options, ports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.doctor.finding import Check
from rollout.doctor.rights import (
    of_creation,
    of_endpoints,
    of_lease,
    of_operating,
    of_route,
    of_templates,
    of_triggers,
    of_watching,
)
from rollout.metrics.names import METRICS
from rollout.observe.access.credentials import Accesses
from rollout.plan.model.prometheus import PrometheusServer
from rollout.plan.reading.files import load_file
from rollout.reach import load_reach
from tests.live.operating import RIGHTS
from tests.support.manifests import MANIFESTS, ROOT, dashboard, documents, expressions

FILES = sorted(MANIFESTS.rglob("*.yaml"))
SERIES = {
    *(name for name, metric in METRICS.items() if metric.kind != "histogram"),
    *(
        f"{name}_{suffix}"
        for name, metric in METRICS.items()
        if metric.kind == "histogram"
        for suffix in ("bucket", "count", "sum")
    ),
}


def base(kind):
    all_manifests = [d for path in FILES if path.parent.name == "base" for d in documents(path)]
    (only,) = [manifest for manifest in all_manifests if manifest["kind"] == kind]
    return only


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(MANIFESTS)))
def test_every_manifest_is_yaml_of_a_kind(path):
    manifests = documents(path)
    assert manifests
    assert all("kind" in manifest or "groups" in manifest for manifest in manifests)


@pytest.mark.parametrize(("location", "text"), [*expressions()])
def test_every_expression_asks_for_series_and_labels_that_are_exported(location, text):
    names = set(re.findall(r"\bsurefoot_\w+", text))
    assert names
    assert names <= SERIES
    labels_there = {"le", *(label for name in METRICS for label in METRICS[name].labels)}
    used = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', text)
    assert set(used) <= labels_there


def test_every_metric_is_on_the_dashboard():
    expressions_shown = " ".join(
        target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]
    )
    assert [name for name in METRICS if name not in expressions_shown] == []


def test_panels_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_the_operator_s_rule_object_holds_the_same_rules():
    (plain,) = documents(MANIFESTS / "prometheus" / "alerts.yaml")
    (wrapped,) = documents(MANIFESTS / "prometheus" / "prometheusrule.yaml")
    assert wrapped["spec"]["groups"] == plain["groups"]


def granted(role=None):
    rules = (role or base("Role"))["rules"]
    return {
        (verb, group, resource)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_role_is_what_the_controller_needs_and_nothing_else():
    examples = sorted((MANIFESTS / "examples").glob("*.yaml"))
    plans = [plan for path in examples for plan in load_file(path)]
    needed = [*of_operating("ns"), *(right for plan in plans for right in of_route(plan))]
    needed += [right for plan in plans for right in of_watching(plan)]
    needed += of_templates("ns")
    making = {right for plan in plans for right in of_creation(plan) if right.verb == "create"}
    wanted = {(right.verb, right.group, right.resource) for right in {*needed} - making}
    verbs = ("get", "list", "watch", "patch")
    grpc = {(verb, "gateway.networking.k8s.io", "grpcroutes") for verb in verbs}
    assert granted() == wanted | grpc
    role, _ = documents(MANIFESTS / "components" / "creation" / "role.yaml")
    creating = {
        (verb, right.group, right.resource) for right in making for verb in ("create", "patch")
    }
    also = {(verb, group, resource) for verb in ("create", "patch") for _, group, resource in grpc}
    assert granted(role) == creating | also
    described = {
        (verb, group, resource)
        for rule in RIGHTS
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert described <= granted()


def test_a_second_replica_may_use_one_lease_and_nothing_else():
    role, _ = documents(MANIFESTS / "components" / "replicas" / "role.yaml")
    needed = of_lease("ns", "surefoot")
    assert granted(role) == {(right.verb, right.group, right.resource) for right in needed}
    named = [rule.get("resourceNames") for rule in role["rules"]]
    assert named == [["surefoot"], None]  # what is yet to be made has no name for RBAC


def test_triggers_add_what_the_controller_needs_for_them_and_nothing_else():
    role, _ = documents(MANIFESTS / "components" / "triggers" / "role.yaml")
    needed = of_triggers("ns")
    assert granted(role) == {(right.verb, right.group, right.resource) for right in needed}


def test_the_role_for_endpoints_reads_what_the_first_weight_waits_for_and_nothing_else():
    role, _ = documents(MANIFESTS / "components" / "endpoints" / "role.yaml")
    examples = sorted((MANIFESTS / "examples").glob("*.yaml"))
    needed = [
        right for path in examples for plan in load_file(path) for right in of_endpoints(plan)
    ]
    assert {(right.group, right.resource) for right in needed} == {
        (group, resource) for _, group, resource in granted(role)
    }
    assert {(right.verb, right.group, right.resource) for right in needed} <= granted(role)
    assert {verb for verb, _, _ in granted(role)} == {"get", "list"}


def patches(component):
    (kustomization,) = [
        d
        for d in documents(MANIFESTS / "components" / component / "kustomization.yaml")
        if d["kind"] == "Component"
    ]
    lists = [yaml.safe_load(patch["patch"]) for patch in kustomization["patches"]]
    return [step for steps in lists if isinstance(steps, list) for step in steps]


def test_replicas_check_whose_database_it_is():
    steps = patches("replicas")
    (journal,) = [step["value"] for step in steps if step["path"] == "/data/SUREFOOT_JOURNAL"]
    query = parse_qs(urlsplit(journal).query)
    assert query["sslmode"] == ["verify-full"]
    mounts = {s["value"]["mountPath"]: s["value"]["name"] for s in steps if "/volumeM" in s["path"]}
    volumes = {s["value"]["name"]: s["value"] for s in steps if "/volumes/" in s["path"]}
    folder = str(Path(query["sslrootcert"][0]).parent)
    assert volumes[mounts[folder]]["configMap"] == {"name": "surefoot-postgres"}
    (key,) = [step["value"]["value"] for step in steps if "KEY_FILE" in str(step.get("value"))]
    assert volumes[mounts[str(Path(key).parent)]]["secret"]["secretName"] == "surefoot-key"


def test_the_lists_of_what_plans_may_name_are_read_by_the_controller(tmp_path):
    (lists,) = documents(MANIFESTS / "components" / "allow" / "allow.yaml")
    ((name, text),) = lists["data"].items()
    (tmp_path / name).write_text(text)
    assert load_reach(tmp_path / name).hooks == []
    values = {step["path"]: step["value"] for step in patches("allow")}
    variable = values["/spec/template/spec/containers/0/env/-"]
    mount = values["/spec/template/spec/containers/0/volumeMounts/-"]
    assert variable["value"] == f"{mount['mountPath']}/{name}"
    help_text = CliRunner().invoke(surefoot, ["operate", "--help"]).output
    assert variable["name"] in help_text


def test_the_pod_is_confined():
    pod = base("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} <= set(container["resources"])
    assert not any("secret" in str(volume).lower() for volume in pod["volumes"])


def test_the_pod_s_options_are_the_command_s_and_its_probes_are_served():
    (container,) = base("Deployment")["spec"]["template"]["spec"]["containers"]
    command, *options = container["args"]
    help_text = CliRunner().invoke(surefoot, [command, "--help"]).output
    assert [option for option in options if option.partition("=")[0] not in help_text] == []
    values = {variable["name"] for variable in container["env"]} | {*base("ConfigMap")["data"]}
    used = set(re.findall(r"\$\((\w+)\)", " ".join(options)))
    assert used == values
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert base("ConfigMap")["data"]["METRICS_PORT"] == str(ports["metrics"])
    for probe, path in (("startup", "/readyz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
        assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "metrics"}
    (inward,) = base("NetworkPolicy")["spec"]["ingress"]
    assert inward["ports"] == [{"port": ports["metrics"], "protocol": "TCP"}]


def test_a_command_in_the_pod_speaks_of_the_controller_s_journal():
    """`kubectl exec deploy/surefoot -- surefoot status` needs no option."""
    journal_location = base("ConfigMap")["data"]["SUREFOOT_JOURNAL"]
    outcome = CliRunner().invoke(surefoot, ["status"], env={"SUREFOOT_JOURNAL": journal_location})
    assert journal_location in outcome.output
    wanted = CliRunner().invoke(surefoot, ["calibrate", "--help"]).output
    assert "SUREFOOT_JOURNAL" not in wanted, "what it records there is asked for each time"


def test_the_page_s_pod_serves_what_pipelines_ask_and_is_confined_as_the_controller_s():
    own = {
        manifest["kind"]: manifest
        for manifest in documents(MANIFESTS / "components" / "page" / "page.yaml")
    }
    pod, of_base = (d["spec"]["template"]["spec"] for d in (own["Deployment"], base("Deployment")))
    ((container,), (of_controller,)) = pod["containers"], of_base["containers"]
    assert pod["securityContext"] == of_base["securityContext"]
    assert container["securityContext"] == of_controller["securityContext"]
    assert pod["automountServiceAccountToken"] is False
    command, *options = container["args"]
    help_text = CliRunner().invoke(surefoot, [command, "--help"]).output
    assert [option for option in options if option.partition("=")[0] not in help_text] == []
    used = set(re.findall(r"\$\((\w+)\)", " ".join(options)))
    assert used <= {entry["name"] for entry in container["env"]} | {*base("ConfigMap")["data"]}
    labels = own["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert own["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert own["Service"]["spec"]["selector"] == labels
    assert own["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    (port,) = own["Service"]["spec"]["ports"]
    assert f"--port={port['port']}" in options
    assert container["ports"] == [{"name": port["targetPort"], "containerPort": port["port"]}]
    assert own["NetworkPolicy"]["spec"]["ingress"] == [
        {"ports": [{"port": port["port"], "protocol": "TCP"}]}
    ]
    host = f"https://{own['Service']['metadata']['name']}.surefoot.svc:{port['port']}"
    assert "--name=surefoot-page.$(NAMESPACE).svc" in options, "under which it is asked"
    for name in ("argo-rollouts", "flagger"):
        text = (MANIFESTS / "pipelines" / f"{name}.yaml").read_text()
        assert {*re.findall(r"https://[^/\s]+", text)} == {host}


def test_everything_is_selected_by_the_pod_s_labels():
    labels = base("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert base("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert base("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert base("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels


def test_nothing_is_of_the_whole_cluster():
    kinds = {d["kind"] for path in FILES if path.parent.name == "base" for d in documents(path)}
    assert not {kind for kind in kinds if kind.startswith(("Cluster", "CustomResource"))}
    assert "Secret" not in kinds


def rows(heading):
    """The rows of a table in docs/operations.md, without its head."""
    text = (ROOT / "docs" / "operations.md").read_text().partition(f"## {heading}\n")[2]
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_manual_explains_every_metric_as_prometheus_does():
    manual = {name: (labels, meaning) for name, labels, meaning in rows("Metrics")}
    assert manual == {
        f"`{name}`": (", ".join(f"`{label}`" for label in metric.labels), metric.help)
        for name, metric in METRICS.items()
    }


def test_the_manual_explains_every_alert_probe_and_check():
    (rules,) = documents(MANIFESTS / "prometheus" / "alerts.yaml")[0]["groups"]
    assert [row[0] for row in rows("Alerts")] == [f"`{rule['alert']}`" for rule in rules["rules"]]
    assert [row[0] for row in rows("Probes")] == ["`/metrics`", "`/healthz`", "`/readyz`"]
    assert [row[0].strip("`") for row in rows("Before a plan")] == [*get_args(Check)]


def test_the_secret_of_accesses_is_an_access_file_that_a_plan_can_use(tmp_path):
    folder = MANIFESTS / "components" / "access"
    (secret,) = documents(folder / "example.yaml")
    for name, text in secret["stringData"].items():
        (tmp_path / name).write_text(text)
    accesses = Accesses.load(tmp_path / "access.yaml")
    first = accesses.accesses[0]
    server = PrometheusServer(url=first.servers[0], access=first.name)
    assert accesses.resolve(server).read_headers()["X-Scope-OrgID"] == "clinical-ai"
    (component,) = documents(folder / "kustomization.yaml")
    patched = " ".join(patch["patch"] for patch in component["patches"])
    assert f"secretName: {secret['metadata']['name']}" in patched
    assert "/data/SUREFOOT_ACCESS, value: /etc/surefoot/access/access.yaml" in patched
    assert "mountPath: /etc/surefoot/access," in patched
