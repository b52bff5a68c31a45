"""The configuration of docs/envoy.md, as it stands there: it starts, counts and is moved."""

import asyncio
import re
from functools import partial

import pytest

from rollout.decide.record.split import Split
from rollout.demo.servers.process import Process, answers, free_ports
from rollout.demo.servers.start import envoy_binary
from rollout.plan.model.plan import Plan
from rollout.route.envoy.admin import ask
from rollout.route.envoy.proxy import EnvoyRouter, route_of
from tests.live.pipeline import ROOT, until
from tests.support.local_envoy import ask_many, toys

pytestmark = pytest.mark.live
SERVICE = "discharge-summarizer"


def written(folder, ports):
    """The page's three files, with places and ports of this test."""
    places = {"/etc/envoy/watched": str(folder)}
    places |= {str(old): str(new) for old, new in zip((9901, 8080, 8081, 8082), ports, strict=True)}
    page = (ROOT / "docs" / "envoy.md").read_text()
    for old, new in places.items():
        page = page.replace(old, new)
    for name, text in re.findall(
        r"```yaml\n# (?:watched/)?([a-z]+\.yaml)(.*?)```", page, re.DOTALL
    ):
        (folder / name).write_text(f"#{text}")
    return folder / "bootstrap.yaml"


def plan(folder, admin):
    route = {"file": str(folder / "routes.yaml"), "admin": f"http://127.0.0.1:{admin}"}
    route["clusterFile"] = str(folder / "clusters.yaml")
    spec = {
        "service": SERVICE,
        "stable": {"version": "v1"},
        "canary": {"version": "v2"},
        "route": {"envoy": route},
        "ramp": {"steps": ["50%"], "bake": "1m"},
        "guardrails": [
            {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
        ],
    }
    head = {"apiVersion": "surefoot.dev/v1alpha1", "kind": "RolloutPlan"}
    return Plan.model_validate({**head, "metadata": {"name": "page"}, "spec": spec})


def has_counter(asked, name, version):
    """Whether the admin port tells of a series with the labels of a version."""
    labels = f'destination_service="{SERVICE}",destination_version="{version}"'
    rows = ask(route_of(asked), "/stats/prometheus").splitlines()
    return any(row.startswith(f"{name}{{") and labels in row for row in rows)


def test_the_envoy_of_the_page_serves_both_versions_and_names_them(tmp_path):
    admin, listen, first, second = ports = free_ports(4)
    command = [envoy_binary(), "-c", str(written(tmp_path, ports)), "--concurrency", "1"]
    command += ["--disable-hot-restart", "--log-level", "warn"]
    url, asked = f"http://127.0.0.1:{listen}/", plan(tmp_path, admin)
    with (
        toys({"v1": first, "v2": second}) as served,
        Process("envoy", command, tmp_path / "envoy.log") as envoy,
    ):
        envoy.wait_until(lambda: answers(f"http://127.0.0.1:{admin}/ready"))
        until(lambda: answers(url), "routes and clusters from their files")
        router = EnvoyRouter()
        router.write(asked, Split(50), "page")
        until(lambda: router.read(asked, 100).write_id == "page", "the new weights")
        asyncio.run(ask_many(url, 60))
        assert {version for version, _ in served.served} == {"v1", "v2"}
        for name in ("envoy_cluster_upstream_rq", "envoy_cluster_upstream_rq_time_bucket"):
            for version in ("v1", "v2"):
                until(partial(has_counter, asked, name, version), f"{name} of {version}")
