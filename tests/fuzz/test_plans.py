"""Whatever a plan's file holds: plans that can be recorded and read again, or mistakes."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from rollout.decide.fold import fold_all
from rollout.errors import PlanError
from rollout.journal.hash_chain import START, parse, seal
from rollout.plan.kube.json_schema import schema
from rollout.plan.model.plan import Plan
from rollout.plan.reading.load import load
from rollout.tick.attempts import started
from tests.support.fuzzing import fuzz
from tests.support.manifests import MANIFESTS

TEXTS = [path.read_text() for path in sorted((MANIFESTS / "examples").glob("*.yaml"))]
DOCUMENTS = [yaml.safe_load(text) for text in TEXTS]
VALUES = [
    "0%",
    "0.01%",
    "50%",
    "100%",
    "0s",
    "1ms",
    "15s",
    "9999d",
    1,
    100,
    "v1",
    "a",
    "http://a",
    ["1%"],
]
SCHEMA = Draft202012Validator(schema())


def check_accepted(plan):
    """A plan that is accepted survives its journal, and a start from there."""
    document = plan.document()
    assert Plan.model_validate(document) == plan
    (again,) = load(yaml.safe_dump(json.loads(json.dumps(document))), "again.yaml")
    assert (again, again.digest) == (plan, plan.digest)
    entry = parse(seal(START.hash, 1, started(plan, at=1e9, controller="test")))
    assert fold_all([(1, entry.fact)]).plan == plan
    assert not [error.message for error in SCHEMA.iter_errors(document)]


def check_text(text):
    problem, plans = "", []
    try:
        plans = load(text, "plan.yaml")
    except PlanError as error:
        problem = str(error)
    assert plans or problem
    assert problem.replace("\n", "").isprintable()
    for plan in plans:
        check_accepted(plan)


def test_whatever_a_plan_holds_is_a_plan_or_mistakes():
    def check(mutator):
        document = mutator.mangle(mutator.random.choice(DOCUMENTS), VALUES)
        check_text(mutator.to_json(document))  # which is YAML

    fuzz("plans", 0.16, check)


def test_whatever_a_plan_s_text_is_it_is_a_plan_or_mistakes():
    def check(mutator):
        check_text(mutator.spoil(mutator.random.choice(TEXTS)).decode("utf-8", "replace"))

    fuzz("plan-texts", 0.08, check)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_mangled_is_accepted_as_it_is(text):
    check_text(text)
