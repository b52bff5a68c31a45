"""A plan names a server without a password, and perhaps an access."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rollout.observe.selectors.source import list_servers
from rollout.plan.fields.base import RECORDED
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer
from tests.support.worlds import document_of, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}


@pytest.mark.parametrize(
    "url",
    [
        "http://eve:s3cret@prom",
        "http://eve@prom",
        "http://eve:@prom",
        "http://eve:***@prom",
        "http://prom?token=s3cret",
    ],
)
@pytest.mark.parametrize("inner", [False, True])
def test_a_password_is_refused_where_a_plan_begins_and_read_where_it_goes_on(url, inner):
    guardrails = [{**ERRORS, "prometheus": {"url": url}}]
    plain = {"prometheus": {"url": url, "scrape": "1s"}}
    spec: dict[str, Any] = {"guardrails": guardrails} if inner else plain
    document = document_of(**spec)
    with pytest.raises(ValidationError) as refused:
        Plan.model_validate(document)
    (error,) = refused.value.errors()
    assert (error["type"], error["loc"][-2:]) == ("P006", ("prometheus", "url"))
    assert "declare an access" in error["ctx"]["hint"]
    recorded = Plan.model_validate(document, context=RECORDED)
    assert list_servers(recorded)[0].url == url


def test_an_access_is_part_of_the_digest_and_no_access_is_not():
    plain, named = (
        plan(prometheus={"url": "http://p:9090", "scrape": "1s", **more})
        for more in ({}, {"access": "a"})
    )
    assert "access" not in plain.document()["spec"]["prometheus"]
    assert plain.digest != named.digest


def test_each_guardrail_has_its_server():
    judge = {**ERRORS, "name": "judge", "prometheus": {"url": "http://judges", "access": "j"}}
    other = {**ERRORS, "name": "other"}
    of_plan = plan(
        guardrails=[judge, ERRORS, other],
        prometheus={"url": "http://p", "access": "a", "scrape": "1s"},
    )
    default = PrometheusServer(url="http://d", access="d")
    judges = PrometheusServer(url="http://judges", access="j")
    assert list_servers(of_plan) == [judges, PrometheusServer(url="http://p", access="a")]
    assert list_servers(of_plan.reading_by_default(default)) == list_servers(of_plan)
    unnamed = plan(guardrails=[judge, ERRORS]).reading_by_default(default)
    assert list_servers(unnamed) == [judges, default]
