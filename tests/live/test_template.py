"""Metric templates as resources of a real API server: read, recorded, refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.operating import Operating
from tests.live.pipeline import surefoot, until

pytestmark = pytest.mark.live

TEMPLATES = "/apis/surefoot.dev/v1alpha1/namespaces/{}/metrictemplates"
SPEC: dict[str, Any] = {
    "description": "Requests that end with 5xx.",
    "counter": {
        "series": "envoy_cluster_upstream_rq",
        "bad": {"envoy_response_code": "=~5.."},
        "reporter": "proxy",
    },
    "labels": {"service": "destination_service", "version": "destination_version"},
}
WRONG = {**SPEC, "counter": {**SPEC["counter"], "bad": {"envoy_response_code": "5.."}}}
GUARDRAIL = {"name": "errors", "template": "team-errors", "margin": {"absolute": "5%"}}


def template(namespace, spec, name="team-errors"):
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "MetricTemplate",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def test_the_definition_is_what_surefoot_prints(cluster):
    printed = surefoot("schema", "--crd=template").stdout
    done = cluster.kubectl("apply", "--dry-run=server", "-f", "-", given=printed)
    assert done.returncode == 0, done.stderr


def test_the_api_server_refuses_what_is_no_template(cluster, namespace):
    histogram = {"series": "x_seconds"}
    wrong: list[Any] = [{}, {"counter": SPEC["counter"], "histogram": histogram}, {"histogram": {}}]
    for spec in wrong:
        answer = cluster.ask("POST", TEMPLATES.format(namespace), template(namespace, spec))
        assert answer.get("code") == 422, answer
    sums = {"sum": {"series": "tokens_total"}, "count": {"series": "calls_total"}}
    for name, spec in (("values", {"histogram": histogram}), ("sums", {"ratio": sums})):
        answer = cluster.ask("POST", TEMPLATES.format(namespace), template(namespace, spec, name))
        assert answer.get("spec") == spec, answer


def test_a_plan_begins_with_its_namespaces_template_and_keeps_it(cluster, namespace, net, tmp_path):
    running = Operating(cluster, namespace, net, tmp_path)
    try:
        cluster.apply(template(namespace, WRONG))
        cluster.apply(running.plan(guardrails=[GUARDRAIL]))
        until(lambda: running.accepted()[0] == "False", "the refusal")
        words = "the template `team-errors` is wrong: spec.counter.bad.envoy_response_code: P023"
        until(lambda: words in running.condition("Accepted")[2], "what is wrong with the template")

        cluster.apply(template(namespace, SPEC))  # mended, without an edit of the plan
        until(lambda: running.facts("started"), "the rollout")
        (started,) = running.facts("started")
        (recorded,) = started.plan["spec"]["guardrails"]
        assert "template" not in recorded
        assert recorded["counter"]["bad"] == {"envoy_response_code": "=~5.."}
        until(lambda: running.accepted()[0] == "True", "the acceptance")
        until(lambda: running.status().get("rollout") == started.rollout, "the rollout's status")

        def refuse(name):
            """A plan that begins after the edit shows that the controller has read it."""
            cluster.apply(running.plan(name, service=name, guardrails=[GUARDRAIL]))
            until(lambda: words in (running.condition("Accepted", name) or ("",) * 3)[2], name)

        cluster.apply(template(namespace, WRONG))
        refuse("after-the-edit")
        running.process.kill()
        running.start()
        refuse("after-the-restart")
        assert len(running.facts("started")) == 1
        assert running.status()["rollout"] == started.rollout
        assert running.condition("Accepted")[0] == "True"
    finally:
        running.process.stop()
