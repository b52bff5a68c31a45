"""A draft is a plan that `surefoot check` accepts, whatever services and versions are called."""

from __future__ import annotations

import pytest

from rollout.doctor.draft.plan import (
    ChosenGuardrail,
    Draft,
    choose_templates,
    write_plan,
    write_route,
)
from rollout.doctor.draft.survey import FoundService
from rollout.errors import InputError
from rollout.plan.model.templates import METRICS
from rollout.plan.reading.load import load


def draft(service="summarizer", stable="v1", canary="v2", route="", **more):
    guardrails = more.pop("guardrails", [ChosenGuardrail("istio/errors")])
    written = write_route(route, service, stable, canary)
    return write_plan(Draft(service, stable, canary, guardrails, written, **more))


@pytest.mark.parametrize(
    ("service", "stable", "canary"),
    [
        ("summarizer", "v1", "v2"),
        ("summarizer", "1", "2"),
        ("summarizer", "true", "no"),
        ("a.b.svc.cluster.local", "org/model:tag", "image@sha256:00ff"),
        ("Uber_Dienst.x", 'a "quoted" one', "1.10"),
        ("summarizer", "v1", ""),
    ],
)
def test_what_is_written_is_read_back(service, stable, canary):
    (plan,) = load(draft(service, stable, canary, "gateway:sums"), "draft")
    assert plan.spec.service == service
    assert (plan.spec.stable.version, plan.spec.canary.version) == (stable, canary or "NEXT")


@pytest.mark.parametrize(
    "template",
    [
        name
        for name, own in METRICS.items()
        if own.is_evidence and own.service and own.version  # others find no service by a label
    ],
)
@pytest.mark.parametrize("edge", [None, 0.25])
def test_each_template_makes_a_guardrail(template, edge):
    is_shape = METRICS[template].kind == "shape"
    chosen = ChosenGuardrail(template, edge if is_shape else None)
    (plan,) = load(draft(guardrails=[chosen]), "draft")
    (guardrail,) = plan.spec.guardrails
    assert guardrail.metric.edge == (edge if is_shape else None)


def test_a_page_of_the_manual_is_named_as_who_reads_the_plan_finds_it():
    text = draft(guardrails=[ChosenGuardrail("envoy/errors")])
    assert "name both labels (a local Envoy, docs/envoy.md). Behind" in text


def test_server_namespace_and_route_are_those_that_were_given():
    text = draft(
        route="gateway:sums", namespace="clinic", prometheus="http://p:9090", access="team"
    )
    (plan,) = load(text, "draft")
    assert plan.metadata.namespace == "clinic"
    assert str(plan.spec.prometheus.url) == "http://p:9090"
    assert plan.spec.prometheus.access == "team"
    assert plan.spec.route.gateway is not None
    assert plan.spec.route.gateway.http_route == "sums"


@pytest.mark.parametrize("route", ["istio", "envoy:x", "istio:", "x:y"])
def test_another_route_is_bad_input(route):
    with pytest.raises(InputError, match="write istio:VIRTUALSERVICE or gateway:HTTPROUTE"):
        write_route(route, "s", "v1", "v2")


def test_a_proxy_s_word_comes_before_the_server_s_and_judges_are_added():
    names = ["http/server-errors", "istio/errors", "istio/latency", "quality/score"]
    service = FoundService("s", {name: {"v1": 1} for name in names})
    assert choose_templates(service) == ["istio/errors", "istio/latency", "quality/score"]
    assert choose_templates(FoundService("s")) == []
