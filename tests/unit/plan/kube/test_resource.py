"""Plans from resources: the same plan as from a file, and mistakes at their places."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollout.errors import PlanError
from rollout.plan.kube.resource import APPLIED, describe_mistakes, name_of, plan_of
from rollout.plan.reading.files import load_file

EXAMPLES = sorted((Path(__file__).parents[4] / "manifests" / "examples").glob("*.yaml"))


@pytest.fixture
def resource():
    return yaml.safe_load(EXAMPLES[0].read_text())


def mistakes(resource):
    with pytest.raises(PlanError) as caught:
        plan_of(resource)
    return describe_mistakes(resource, caught.value)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_resource_is_the_same_plan_as_its_file(path):
    (plan,) = load_file(path)
    resource = yaml.safe_load(path.read_text())
    resource["metadata"] |= {"uid": "u", "generation": 3, "resourceVersion": "7", "labels": {}}
    assert plan_of(resource | {"status": {"phase": "stepping"}}) == plan


def test_every_mistake_at_its_place(resource):
    resource["spec"]["ramp"]["steps"] = ["5%", "1%"]
    resource["spec"]["guardrails"][1]["tolerance"] = 0
    del resource["spec"]["service"]
    assert [line.split(" ")[:2] for line in mistakes(resource)] == [
        ["spec:", "P004"],
        ["spec.ramp.steps[1]:", "P008"],
        ["spec.guardrails[1].tolerance:", "P007"],
    ]


def test_a_key_with_control_characters_is_told_without_them(resource):
    resource["spec"]["ramp"]["\x1b[2J"] = 1
    assert mistakes(resource)[0].isprintable()


def test_text_that_yaml_would_read_otherwise_stays_text(resource):
    resource["spec"]["canary"]["version"] = "0x1F"
    assert plan_of(resource).spec.canary.version == "0x1F"
    resource["spec"]["canary"]["version"] = "\x1b[31m"
    assert "spec.canary.version: P006" in mistakes(resource)[0]


def dropped(resource, key, value):
    """A resource whose API server dropped a key that `kubectl apply` had sent."""
    applied = copy.deepcopy(resource)
    applied["spec"]["guardrails"][0][key] = value
    resource["metadata"]["annotations"] = {APPLIED: json.dumps(applied)}
    return resource


def test_a_key_that_the_server_dropped_is_a_mistake(resource):
    (mistake,) = mistakes(dropped(resource, "importence", 2))
    assert mistake.startswith("spec.guardrails[0].importence: P003")
    assert "did you mean `importance`?" in mistake


def test_an_edit_after_kubectl_apply_is_what_counts(resource):
    dropped(resource, "importence", 2)
    resource["spec"]["deadline"] = "2d"
    assert plan_of(resource).spec.deadline == 2 * 86400


@pytest.mark.parametrize("noted", ["", "{", "[]", '{"spec": 1}', "null"])
def test_a_note_that_is_no_plan_is_passed_over(resource, noted):
    plan = plan_of(resource)
    resource["metadata"]["annotations"] = {APPLIED: noted}
    assert plan_of(resource) == plan


def test_whatever_is_stored_is_a_plan_or_a_list_of_mistakes(resource):
    specs: list[Any] = [None, [], 3, {"ramp": {"steps": None}}, {"guardrails": [None, 4]}]
    for spec in specs:
        assert mistakes(resource | {"spec": spec})


def test_names():
    assert name_of({"metadata": {"name": "a", "namespace": "b"}}) == "b/a"
    assert name_of({"metadata": {"name": "a"}}) == "default/a"


def test_a_resource_of_many_unknown_keys_is_refused_without_reading_each(resource):
    resource = {**resource, "spec": {f"key{n}": n for n in range(40_000)}}
    with pytest.raises(PlanError) as caught:
        plan_of(resource)
    assert len(caught.value.mistakes) == 1
    assert "are no plan" in str(caught.value)
    assert len(describe_mistakes(resource, caught.value)) == 1


def test_a_resource_that_is_nested_without_end_is_refused(resource):
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(PlanError, match="nested too deeply"):
        plan_of({**resource, "spec": {"service": deep}})
