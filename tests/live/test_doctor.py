"""`surefoot doctor` on a real Prometheus and a real Envoy: sound, and broken one by one."""

from __future__ import annotations

import asyncio
import json

import pytest
import yaml

from rollout.decide.record.split import Split
from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.route.envoy.proxy import EnvoyRouter
from tests.live.pipeline import surefoot, until
from tests.support.local_envoy import ask_many, mesh
from tests.support.scrapes import codes, stored

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """An Envoy with traffic on stable only, and the Prometheus that scrapes it."""
    folder = tmp_path_factory.mktemp("doctor")
    (port,) = free_ports(1)
    with mesh(folder / "envoy") as net:
        targets = {"envoy": net.envoy.metrics}
        with start_prometheus(folder / "prometheus", port, targets) as prometheus:
            asyncio.run(ask_many(net.envoy.url, 20))
            series = "envoy_cluster_upstream_rq"
            until(lambda: codes(stored(prometheus, series)), "the first samples")
            yield net, prometheus


@pytest.fixture
def examined(watched, tmp_path):
    net, prometheus = watched

    def examine(**changed):
        document = net.plan.document()
        document["spec"] |= {"prometheus": {"url": prometheus.url, "scrape": "1s"}, **changed}
        document["spec"]["interval"] = "1s"
        file = tmp_path / "plan.yaml"
        file.write_text(yaml.safe_dump(document))
        done = surefoot("doctor", file, "--journal", tmp_path / "journal.db", "--json")
        findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
        failed = [check for check, finding in findings.items() if finding["level"] == "fail"]
        assert done.returncode == bool(failed)
        assert all(findings[check]["fix"] for check in failed)
        return findings, failed

    return examine


def test_all_is_well_before_the_canary_has_traffic(watched, examined):
    findings, failed = examined()
    assert failed == []
    assert [*findings] == ["journal", "prometheus", "series", "reading", "mesh"]
    assert (
        findings["series"]["said"]
        == "v1 has series; v2 has none yet, as usual before its first request"
    )
    assert findings["mesh"]["said"] == "the route answers: 0 % for the canary now"


def test_and_when_it_has(watched, examined):
    net, prometheus = watched
    EnvoyRouter().write(net.plan, Split(50), "half")
    until(lambda: EnvoyRouter().read(net.plan, 100).write_id == "half", "the weights")
    asyncio.run(ask_many(net.envoy.url, 40))
    series = 'envoy_cluster_upstream_rq{destination_version="v2"}'
    until(lambda: stored(prometheus, series), "the canary's samples")
    findings, failed = examined()
    assert findings["series"]["said"] == "v1 and v2 have series"
    assert failed == ["mesh"]
    assert "not-at-stable: the route sends 50 % to summarizer-v2" in findings["mesh"]["said"]
    EnvoyRouter().write(net.plan, Split(0), "back")
    until(lambda: EnvoyRouter().read(net.plan, 100).write_id == "back", "the weights")
    findings, failed = examined()
    assert failed == []
    assert findings["mesh"]["said"] == "the route answers: 0 % for the canary now"


def test_what_is_named_otherwise_is_told_apart(examined):
    findings, failed = examined(stable={"version": "v7"})
    assert failed == ["series", "mesh"]  # neither Prometheus nor Envoy knows it
    assert "has no version v7, only v1" in findings["series"]["said"]
    assert "summarizer-v7" in findings["mesh"]["said"]
    labels = {"version": "build"}
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    findings, failed = examined(guardrails=[{**errors, "labels": labels}])
    assert failed == ["series"]
    assert "has the label build" in findings["series"]["said"]
    score = {"name": "accuracy", "template": "quality/score", "tolerance": 0.02}
    findings, failed = examined(guardrails=[score])
    assert "there is no series gen_ai_evaluation_score_bucket" in findings["series"]["said"]


def test_servers_that_are_not_there(examined, watched):
    net, _ = watched
    findings, failed = examined(prometheus={"url": "http://127.0.0.1:9", "scrape": "1s"})
    assert failed == ["prometheus"]
    assert findings["prometheus"]["said"].endswith("connection refused")
    route = {"envoy": {"file": str(net.envoy.file), "admin": "http://127.0.0.1:9"}}
    findings, failed = examined(route=route)
    assert failed == ["mesh"]
    assert "does not answer: connection refused" in findings["mesh"]["said"]
