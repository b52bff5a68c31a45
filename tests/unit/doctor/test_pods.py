"""The label by which pods would be found is told before anything begins."""

from __future__ import annotations

import pytest

from rollout.doctor.pods import of_plan
from rollout.errors import ObserveError
from tests.support.worlds import plan

RATE = {"name": "errors", "template": "vllm/errors", "labels": {"version": "version"}}
RATE |= {"margin": {"absolute": "1%"}}


def row(version, pod):
    named = {"__name__": "vllm:request_success_total", "finished_reason": "stop"}
    return named | {"version": version, "pod": pod}, 1.0


STABLE = [row("v1", "a"), row("v1", "b")]


def find(rows, **spec):
    return [
        (own.subject, own.level, own.said)
        for own in of_plan(plan(guardrails=[RATE], **spec), lambda _server, _text: rows)
    ]


def test_a_label_that_tells_pods_apart_is_named_without_a_value():
    message = "the label pod tells pods apart, and a rollout learns how they differ"
    assert find([*STABLE, row("v2", "c")]) == [("demo/errors", "ok", message)]


def test_before_the_canary_has_series_it_is_a_perhaps():
    ((_, _, message),) = find(STABLE)
    assert message == "the label pod may tell pods apart: the canary's first requests show it"


@pytest.mark.parametrize("pods", ["none", {"label": "pod"}])
def test_what_is_declared_is_not_looked_for(pods):
    assert find([*STABLE, row("v2", "c")], pods=pods) == []


def test_without_a_label_or_an_answer_nothing_is_said():
    assert find([*STABLE, row("v2", "a")]) == []

    def silent(_server, _text):
        raise ObserveError("it is silent")

    assert list(of_plan(plan(guardrails=[RATE]), silent)) == []
