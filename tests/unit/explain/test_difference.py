"""Two plans, field by field."""

from __future__ import annotations

from rollout.explain.difference import compare_plans
from tests.support.worlds import plan, recorded_plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
LATENCY = {"name": "latency", "template": "envoy/latency", "tolerance": "25%"}


def changes(old, new):
    return {change.path: (change.old, change.new) for change in compare_plans(old, new)}


def test_the_same_plan_has_no_difference():
    assert changes(plan(), plan()) == {}


def test_each_field_is_named_with_both_values():
    assert changes(plan(deadline="1h"), plan(deadline="2h")) == {
        "spec.deadline": ("3600s", "7200s")
    }
    (change,) = compare_plans(plan(deadline="1h"), plan(deadline="2h"))
    assert str(change) == 'spec.deadline: "3600s" -> "7200s"'


def test_guardrails_are_compared_by_name_in_whatever_order():
    both, turned = plan(guardrails=[ERRORS, LATENCY]), plan(guardrails=[LATENCY, ERRORS])
    assert changes(both, turned) == {}
    wider = plan(guardrails=[LATENCY, {**ERRORS, "margin": {"absolute": "2%"}}])
    assert set(changes(both, wider)) == {"spec.guardrails.errors.margin.absolute"}
    fewer = changes(both, plan(guardrails=[ERRORS]))
    assert set(fewer) == {"spec.guardrails.latency"}
    assert fewer["spec.guardrails.latency"][1] is None


def test_a_password_is_shown_on_neither_side():
    old = recorded_plan(prometheus={"url": "http://me:secret@there:9090", "scrape": "1s"})
    assert "secret" not in " ".join(map(str, compare_plans(old, plan())))
