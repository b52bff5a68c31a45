"""Laws of mesh documents, of any that a platform might write."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from rollout.errors import PlanError
from rollout.mesh_document.difference import describe_changes
from rollout.plan.reading.load import load as load_plans
from tests.support.mesh_documents import (
    TARGETS,
    compile_source,
    compiled,
    documents,
    edits,
    leaves,
    replaced,
    source_of,
)

pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
OTHERS: dict[str, Any] = {
    "algorithm": ("weighted", "least_connections"),
    "attempts": (3, 4),
    "threshold": (7, 8),
    "enabled": (True, False),
    "weight": (33, 34),
    "mode": ("PERMISSIVE", "DISABLE"),
    "errorThreshold": ("37%", "38%"),
    "share": ("11%", "12%"),
    "assignment": ("randomised", "chosen"),
    "apiVersion": ("mesh.ai/v9", "mesh.ai/v8"),
}
SPANS = {"interval", "backoff", "timeout"}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def other_value(path, value):
    """Another value that such a leaf may have."""
    key = path[-1]
    first, second = ("41ms", "43ms") if key in SPANS else OTHERS.get(key, ("z-other", "z-more"))
    return second if value == first else first


def outcome(document, target):
    """What a target makes of a document, and says of it, or what it refuses."""
    try:
        compilation = compiled(document, target)
    except PlanError as error:
        return {(mistake.code, mistake.message) for mistake in error.mistakes}
    return compilation.files, compilation.addresses, compilation.remarks


@given(documents(), st.sampled_from(TARGETS), st.data())
def test_every_leaf_is_read_or_reported(document, target, data):
    """Another value would give something else, or there is a remark at it or around it."""
    path, value = data.draw(st.sampled_from(leaves(document)))
    before = outcome(document, target)
    assume(isinstance(before, tuple))  # else nothing of it is compiled
    if not any(path[: len(remark.path)] == remark.path for remark in before[2]):
        assert outcome(replaced(document, path, other_value(path, value)), target) != before


@given(documents(secured=False), st.sampled_from(TARGETS))
def test_every_plan_passes_the_check(document, target):
    source = source_of(document)
    compilation = compile_source(source, target)
    policies = source.mesh.spec.traffic_policies
    plans = {
        policy.name: load_plans(compilation.files[f"plans/{policy.name}.yaml"], "plan.yaml")[0]
        for policy in policies
    }
    for policy in policies:
        plan = plans[policy.name]
        names = {route.destination: route.weight for route in policy.routes}
        assert {plan.spec.stable.version, plan.spec.canary.version} == names.keys()
        asked = names[plan.spec.canary.version] / 100
        if 0 < asked < 0.99:
            assert plan.spec.ramp.least == pytest.approx(asked)


@given(documents(), st.sampled_from(TARGETS), st.integers())
def test_the_order_and_the_style_of_keys_change_no_byte(document, target, seed):
    dice = random.Random(seed)

    def shuffled(value):
        if isinstance(value, dict):
            items = list(value.items())
            dice.shuffle(items)
            return {key: shuffled(inner) for key, inner in items}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    text = yaml.safe_dump(
        shuffled(document), sort_keys=False, default_flow_style=dice.random() < 0.5
    )
    assert outcome(text, target) == outcome(document, target)


def traffic(document, target):
    """The files of a target; without what a local Envoy refuses, so that its routes are seen."""
    if target == "envoy":
        spec = {key: value for key, value in document["spec"].items() if key != "security"}
        document = document | {"spec": spec}
    result = outcome(document, target)
    return result if isinstance(result, set) else result[:2]


@given(documents(), st.data())
def test_a_difference_is_told_where_something_changes_and_only_there(document, data):
    changed = data.draw(edits(document))
    try:
        before, after = source_of(document).mesh, source_of(changed).mesh
    except PlanError:
        return
    differs = any(traffic(document, target) != traffic(changed, target) for target in TARGETS)
    assert bool(describe_changes(before, after)) == differs


@given(documents(), st.data())
def test_a_broken_document_is_a_mistake_and_never_a_traceback(document, data):
    path, _ = data.draw(st.sampled_from(leaves(document)))
    cut = data.draw(st.integers(0, len(path)))
    broken = replaced(document, path[:cut], data.draw(ANY))
    for target in TARGETS:
        outcome(yaml.safe_dump(broken), target)


@given(documents(), st.data())
def test_a_text_that_was_cut_or_edited_is_a_mistake_and_never_a_traceback(document, data):
    text = yaml.safe_dump(document)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 9)))
    edited = text[:start] + data.draw(st.text("\t\n:-{}[]&*<!%'\"#| ax", max_size=6)) + text[end:]
    for target in TARGETS:
        outcome(edited, target)
