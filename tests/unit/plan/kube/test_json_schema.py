"""The schema in the repository is the generated one, describes all keys, agrees with loading."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from rollout.plan.kube.json_schema import ID, TEMPLATE_ID, schema, schema_text
from rollout.plan.model.template import MetricTemplate

ROOT = Path(__file__).parents[4]
EXAMPLES = sorted((ROOT / "manifests/examples").glob("*.yaml"))


def objects(node):
    """Every mapping with properties in a schema."""
    if isinstance(node, dict):
        if "properties" in node and "type" in node:
            yield node
        for inner in node.values():
            yield from objects(inner)


def described(field, definitions):
    reference = definitions.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
    return field.get("description") or reference.get("description")


def test_the_file_in_the_repository_is_the_generated_one():
    shipped = (ROOT / "manifests/schema/rolloutplan.json").read_text()
    assert shipped == schema_text(), "run: surefoot schema > manifests/schema/rolloutplan.json"
    templates = (ROOT / "manifests/schema/metrictemplate.json").read_text()
    assert templates == schema_text(MetricTemplate, TEMPLATE_ID), "surefoot schema --template"


def test_it_is_draft_2020_12_with_an_id():
    Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema()["$id"] == ID
    assert json.loads(schema_text()) == schema()


def test_every_key_is_described_and_nothing_else_is_allowed():
    whole = schema()
    json_objects = [*objects(whole)]
    assert len(json_objects) > 10
    for node in json_objects:
        assert node["additionalProperties"] is False
        for key, field in node["properties"].items():
            assert described(field, whole["$defs"]), key


def test_defaults_are_written_as_in_a_plan():
    checked, whole = 0, schema()
    for node in objects(whole):
        for field in node["properties"].values():
            if "default" in field:
                Draft202012Validator({"$defs": whole["$defs"], **field}).validate(field["default"])
                checked += 1
    assert checked > 15


@pytest.mark.parametrize("path", EXAMPLES, ids=str)
def test_examples_are_valid(path):
    Draft202012Validator(schema()).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("below: {score: 0.6, margin: {absolute: 2%}}", "margin: {ratio: 2}"),
        ("margin: {ratio: 1.25, absolute: 0.2%}", "tolerance: 10%"),
        ("whenBlind", "whenblind"),
        ("30s", "30"),
        ("bake: 2m", "harmBudget: 3"),
    ],
)
def test_it_refuses_what_loading_refuses(old, new):
    text = EXAMPLES[0].read_text()
    assert old in text
    assert not Draft202012Validator(schema()).is_valid(yaml.safe_load(text.replace(old, new)))
