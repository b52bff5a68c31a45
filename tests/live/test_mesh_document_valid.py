"""Whatever a mesh document says, Envoy takes what it is compiled to."""

import subprocess
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings

from rollout.decide.rules.ramp import max_splits
from rollout.demo.servers.start import envoy_binary
from rollout.mesh_document.folder import write_folder
from rollout.plan.model.mesh.traffic import Traffic
from rollout.plan.model.plan import Plan
from rollout.route.envoy.proxy import arms_of, route_of
from rollout.route.envoy.traffic import patch
from tests.support.mesh_documents import compiled, documents, mesh, split
from tests.support.regexes import TAKEN

pytestmark = pytest.mark.live
# Every key at once, since few documents are tried.
WHOLE = mesh(
    {
        "name": "summarizer",
        "loadBalancer": {
            "algorithm": "consistent_hash",
            "header": "x-user",
            "healthCheck": {"interval": "1ms", "threshold": 1},
        },
        "circuitBreaker": {"errorThreshold": "0.4%"},
        "retries": {"attempts": 10, "backoff": "1ms"},
        "timeout": "10000d",
        "fallback": {"service": "coder.lab.svc"},
    },
    {
        "name": "coder.lab.svc",
        "fallback": {"service": "api.example.org"},
        "retries": {"attempts": 0},
    },
    trafficPolicies=[
        split(
            f"{kind}-{number}",
            ("summarizer", 90),
            ("summarizer-v2", 10),
            match={kind: {"name": "x-ward", "regex": regex}},
        )
        for number, regex in enumerate(TAKEN)
        for kind in ("header", "cookie", "query")
    ],
)


def static(files):
    """The bootstrap with the clusters that it would read from files, and all that plans write.

    Envoy's validation does not read the files that it watches.
    """
    bootstrap = yaml.safe_load(files["envoy.yaml"])
    del bootstrap["dynamic_resources"]
    clusters = yaml.safe_load(files["watched/clusters.yaml"])["resources"]
    resources = bootstrap["static_resources"]
    resources["clusters"] = [*map(without_type, clusters)]
    written = routes_of_plans(files)
    for listener in resources["listeners"]:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        name = f"watched/routes-{manager.pop('rds')['route_config_name']}.yaml"
        (config,) = yaml.safe_load(files[name])["resources"]
        config["virtual_hosts"][0]["routes"] += written.get(name, [])
        manager["route_config"] = without_type(config)
    return yaml.safe_dump(bootstrap)


def without_type(resource):
    return {key: value for key, value in resource.items() if key != "@type"}


def routes_of_plans(files):
    """By the route file: what each plan that may run writes there at the highest of its steps."""
    written: dict[str, list[dict[str, Any]]] = {}
    for text in [text for name, text in files.items() if name.startswith("plans/")]:
        plan = Plan.model_validate(yaml.safe_load(text))
        name, traffic = route_of(plan).file, plan.spec.traffic or Traffic()
        routes, arms = yaml.safe_load(files[name]), arms_of(plan)
        (route,) = routes["resources"][0]["virtual_hosts"][0]["routes"]
        entries = route["route"]["weighted_clusters"]["clusters"]
        if {"name": arms.stable, "weight": 100} in entries:  # else another plan goes first
            for share in max_splits(plan):
                moved = patch(routes, arms, share, "w", traffic)["resources"][0]
                written.setdefault(name, []).extend(moved["virtual_hosts"][0]["routes"])
    return written


def check_valid(document, folder):
    files = compiled(document, "envoy").files
    write_folder(folder, {**files, "static.yaml": static(files)})
    for name in ("envoy.yaml", "static.yaml"):
        command = [envoy_binary(), "--mode", "validate", "-c", name, "-l", "error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_document_with_every_key_is_valid(tmp_path):
    check_valid(WHOLE, tmp_path / "mesh")


def test_any_document_is_valid(tmp_path_factory):
    @settings(max_examples=8, deadline=None, phases=[Phase.generate])
    @given(documents(secured=False))
    def check(document):
        check_valid(document, tmp_path_factory.mktemp("valid") / "mesh")

    check()
