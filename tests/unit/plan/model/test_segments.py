"""Segments name values of labels, each of which narrows the guardrails that the label can split."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from rollout.errors import PlanError
from rollout.observe.query import measured_parts_of, queries_of
from rollout.plan.fields.base import RECORDED
from rollout.plan.fields.matchers import Matcher
from rollout.plan.model.plan import Plan
from rollout.plan.reading.load import load
from rollout.ports import Ask
from tests.support.worlds import plan

VALUES = ["cardiology", "oncology"]
NEVER = {"name": "leaks", "template": "envoy/errors", "never": {}}


def split(**segment):
    return plan(segments=[{"label": "department", "values": VALUES, **segment}])


def test_every_guardrail_that_is_compared_with_stable_is_split():
    names = [segment.name for segment in split().spec.segment_guardrails]
    assert names == [
        f"{name}[department={value}]"
        for name in ("errors", "latency", "accuracy")
        for value in VALUES
    ]


def test_a_segment_reads_the_series_with_its_value_alone():
    own = split(guardrails=["errors"])
    for segment in own.spec.segment_guardrails:
        exact = Matcher("department", "=", segment.value)
        assert exact in segment.guardrail.metric.where
    assert all("department" not in g.metric.labels for g in own.spec.guardrails)
    texts = [query.text for query in queries_of(measured_parts_of(Ask("r", own, {})), 1e6)]
    assert sum('department="oncology"' in text for text in texts) == 1


def test_another_plan_s_segments_are_its_own():
    """What a copy has computed of its guardrails must not be the first plan's."""
    own = split()
    assert len(own.spec.segment_guardrails) == 6
    fewer = own.spec.model_copy(update={"guardrails": own.spec.guardrails[:1]})
    assert len(fewer.segment_guardrails) == 2


@pytest.mark.parametrize(
    ("segment", "problem"),
    [
        ({"values": ["a", "a"]}, "`a` is given twice"),
        ({"values": [*map(str, range(21))]}, "21 segments are too many"),
        ({"guardrails": ["error"]}, "there is no guardrail `error`"),
        ({"label": "envoy_response_code", "guardrails": ["errors"]}, "for something else already"),
        ({"label": "le"}, "can split none of the guardrails"),
        ({"atLeast": 0}, "greater than or equal to 1"),
        ({"values": []}, "at least 1 item"),
        ({"values": ["one\nline"]}, r"the letter U\+000A"),
        ({"values": ["a\u202eb"]}, r"the letter U\+202E"),
        ({"values": ["a\u2066b\u2069"]}, r"the letter U\+2066"),
        ({"values": ["a\u200bb"]}, r"the letter U\+200B"),
        ({"values": ["a\u00a0b"]}, r"the letter U\+00A0"),
        ({"values": ["caf\u00e9", "cafe\u0301"]}, "an earlier one in other letters"),
        ({"guardrails": ["errors", "errors"]}, "`errors` is named twice"),
    ],
)
def test_what_does_not_fit_is_refused(segment, problem):
    with pytest.raises(ValidationError, match=problem):
        split(**segment)


def test_a_label_is_given_once():
    segment = {"label": "department", "values": ["a"]}
    with pytest.raises(ValidationError, match="the label `department` is given twice"):
        plan(segments=[segment, segment])


def test_what_must_not_happen_at_all_has_no_segments():
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    segments = [{"label": "department", "values": VALUES}]
    own = plan(guardrails=[errors, NEVER], segments=segments)
    assert {segment.of for segment in own.spec.segment_guardrails} == {"errors"}
    with pytest.raises(ValidationError, match="is not compared with stable"):
        plan(guardrails=[errors, NEVER], segments=[{**segments[0], "guardrails": ["leaks"]}])


def test_no_segment_is_of_the_label_that_names_the_judge():
    """Its values are names of judges, of which journals have digests alone."""
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    judged = {**errors, "labels": {"judge": "judge"}}
    own = [{"label": "judge", "values": ["mild"], "guardrails": ["errors"]}]
    with pytest.raises(ValidationError, match="for something else already"):
        plan(guardrails=[judged], segments=own)


def test_every_mistake_has_its_place_and_a_cure():
    text = yaml.safe_dump(plan().document(), allow_unicode=True)
    text += (
        "  segments:\n"
        "  - label: department\n"
        '    values: ["a\\u202eb", ok, "x\\u0007y"]\n'
        "  - label: site\n"
        "    values: [caf\u00e9, cafe\u0301]\n"
        "    guardrails: [errors, errors]\n"
    )
    with pytest.raises(PlanError) as caught:
        load(text, "plan.yaml")
    mistakes, lines = caught.value.mistakes, text.splitlines()
    marked = [lines[m.line - 1][m.column - 1 :] for m in mistakes]
    assert [m.code for m in mistakes] == ["P006", "P006", "P010", "P010"]
    assert all(m.hint for m in mistakes)
    starts = ['"a', '"x', "cafe\u0301", "errors]"]
    assert all(own.startswith(s) for own, s in zip(marked, starts, strict=True))


def test_a_recorded_plan_is_read_as_it_was_accepted():
    spec = {"segments": [{"label": "site", "values": ["a\u202eb", "caf\u00e9", "cafe\u0301"]}]}
    document = plan().document()
    recorded = {**document, "spec": {**document["spec"], **spec}}
    segments = Plan.model_validate(recorded, context=RECORDED).spec.segment_guardrails
    assert len(segments) == 9


@pytest.mark.parametrize("key", ["service", "version", "namespace"])
def test_who_judges_is_no_label_that_says_something_else(key):
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    labels = {"service": "svc", "version": "ver", "namespace": "ns"}
    with pytest.raises(ValidationError, match="for something else already"):
        plan(guardrails=[{**errors, "labels": {**labels, "judge": labels[key]}}])
