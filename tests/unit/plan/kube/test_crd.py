"""The custom resource's definition: what is kept in the repository, and what is structural."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rollout.plan.fields.base import Rung, Weight
from rollout.plan.kube import template, trigger
from rollout.plan.kube.crd import RULES, definition, definition_text, structural
from rollout.plan.kube.json_schema import schema
from rollout.plan.kube.status import Status
from rollout.plan.model.mesh.policy import Some
from rollout.plan.model.mesh.traffic import Share
from rollout.plan.model.plan import Plan
from rollout.plan.model.template import MetricTemplate
from rollout.plan.model.terms import Risk
from rollout.plan.reading.stored import METADATA

ROOT = Path(__file__).parents[4]
MANIFEST = ROOT / "manifests" / "crd.yaml"
TEXT = {"type": "string"}
ANYTHING = "x-kubernetes-preserve-unknown-fields"


def document() -> dict[str, Any]:
    (version,) = definition()["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"])


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every place of a structural schema where a value may stand."""
    yield node
    for inner in (*node.get("properties", {}).values(), *filter(None, [node.get("items")])):
        yield from nodes(inner)


def properties(node: object) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(properties, node))
    if not isinstance(node, dict):
        return set()
    named = set(node.get("properties", {})) if isinstance(node.get("properties"), dict) else set()
    return named.union(*map(properties, node.values()))


def test_the_manifest_is_what_the_models_say():
    assert MANIFEST.read_text() == definition_text(), "surefoot schema --crd > manifests/crd.yaml"


def test_the_templates_manifest_is_what_the_models_say():
    generated = definition_text(template.definition(), "--crd=template")
    shipped = MANIFEST.with_name("crd-template.yaml").read_text()
    assert shipped == generated, "surefoot schema --crd=template > manifests/crd-template.yaml"


def test_the_trigger_s_manifest_is_what_the_models_say():
    generated = definition_text(trigger.definition(), "--crd=trigger")
    shipped = MANIFEST.with_name("crd-trigger.yaml").read_text()
    assert shipped == generated, "surefoot schema --crd=trigger > manifests/crd-trigger.yaml"


def test_a_trigger_s_plan_is_a_plan_s_spec_without_what_is_of_one_version():
    (version,) = trigger.definition()["spec"]["versions"]
    watched = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec = document()["properties"]["spec"]["properties"]
    # Names of arms may hold `{version}`, so their pattern is looser: the plan itself is checked.
    assert without_patterns(watched["properties"]["plan"]["properties"]) == {
        name: without_patterns(field)
        for name, field in spec.items()
        if name not in ("canary", "release")
    }


def without_patterns(node):
    if isinstance(node, dict):
        return {key: without_patterns(value) for key, value in node.items() if key != "pattern"}
    return [without_patterns(item) for item in node] if isinstance(node, list) else node


def test_every_place_has_a_type_or_takes_two():
    assert all("type" in node or node.get(ANYTHING) for node in nodes(document()))


@pytest.mark.parametrize("keyword", ["$ref", "const", "default", "$defs"])
def test_nothing_that_an_api_server_refuses_or_acts_upon(keyword):
    assert all(keyword not in node for node in nodes(document()))


def test_maps_hold_text_alone():
    assert {str(node.get("additionalProperties", TEXT)) for node in nodes(document())} == {
        str(TEXT)
    }


def test_bounds_are_those_of_draft_4():
    importance = document()["properties"]["spec"]["properties"]["guardrails"]["items"]
    bounds = importance["properties"]["importance"]
    assert (bounds["minimum"], bounds["exclusiveMinimum"], bounds["maximum"]) == (0, True, 100)


def test_every_field_of_a_plan_is_there():
    assert properties(schema()) - {"namespace", *METADATA} <= properties(document())


def test_only_name_is_said_of_metadata():
    assert [*document()["properties"]["metadata"]["properties"]] == ["name"]


def test_columns_show_what_a_status_has():
    fields = {field.alias for field in Status.model_fields.values()}
    (version,) = definition()["spec"]["versions"]
    paths = [column["jsonPath"] for column in version["additionalPrinterColumns"]]
    status_fields = {re.split(r"[.\[]", path)[2] for path in paths if path.startswith(".status.")}
    assert status_fields <= fields
    assert len(status_fields) > 4


def test_what_has_no_type_is_refused():
    with pytest.raises(ValueError, match="no structural schema"):
        structural({"description": "anything at all"}, {})


def test_every_rule_of_ours_is_in_the_definition():
    models = {*Plan.model_json_schema()["$defs"], *MetricTemplate.model_json_schema()["$defs"]}
    assert set(RULES) <= models, "a name that two models share?"


SHARES = ["0%", "0.00%", "0.001%", "0.005%", "0.01%", "0.1%", "1.25%", "1.234%", "5.50 %", "09%"]
SHARES += ["49.9%", "50%", "98.99%", "99%", "99.00%", "99.5%", "100%", "100.0%", "100.1%", "150%"]


@pytest.mark.parametrize("kind", [Rung, Weight, Share, Some, Risk])
@pytest.mark.parametrize("text", SHARES)
def test_the_range_of_a_percentage_is_the_model_s(kind, text):
    percentage = TypeAdapter(kind)
    pattern = structural(percentage.json_schema(), {})["pattern"]
    try:
        percentage.validate_python(text)
    except ValidationError:
        assert not re.search(pattern, text)
    else:
        assert re.search(pattern, text)
