"""Laws of plans: dumping undoes loading, spelling is nothing, bad text only makes mistakes."""

import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollout.errors import PlanError
from rollout.plan.fields.codes import CODES
from rollout.plan.model.plan import Plan
from rollout.plan.reading.load import load
from rollout.plan.reading.positions import lines

# A plan is a large example, and machines differ: how long one takes is no law.
law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

EXAMPLES = sorted((Path(__file__).parents[2] / "manifests/examples").glob("*.yaml"))
TEXTS = [path.read_text() for path in EXAMPLES]

names = st.from_regex(r"[a-z]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)
words = st.from_regex(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,20}", fullmatch=True)
spans = st.integers(1, 10**9).map(lambda ms: f"{ms}ms")
weights = st.integers(1, 9900).map(lambda parts: parts / 10_000)
ramps = st.one_of(
    st.fixed_dictionaries(
        {
            "steps": st.lists(weights, min_size=1, max_size=6, unique=True).map(
                lambda steps: [f"{step * 100:.6g}%" for step in sorted(steps)]
            ),
            "bake": spans,
        }
    ),
    st.fixed_dictionaries(
        {
            "harmBudget": st.floats(1e-6, 1e9),
            "min": st.just("0.01%"),
            "max": weights.map(lambda share: f"{share * 100:.6g}%"),
            "bake": spans,
        }
    ),
)
guards = st.one_of(
    st.fixed_dictionaries(
        {
            "template": st.sampled_from(["envoy/errors", "istio/errors", "quality/verdict"]),
            "margin": st.fixed_dictionaries(
                {"ratio": st.floats(1.001, 100)}, optional={"absolute": st.floats(0, 0.99)}
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "template": st.sampled_from(["envoy/latency", "quality/score"]),
            "tolerance": st.floats(0, 9, exclude_min=True),
        },
        optional={"lag": spans, "importance": st.floats(0.01, 100)},
    ),
)


@st.composite
def plans(draw):
    scrape = draw(st.integers(1, 60))
    guardrails = [
        {"name": f"g{n}", **guard} for n, guard in enumerate(draw(st.lists(guards, min_size=1)))
    ]
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "RolloutPlan",
        "metadata": {"name": draw(names)},
        "spec": {
            "service": draw(words),
            "stable": {"version": f"a{draw(words)}"},
            "canary": {"version": f"b{draw(words)}"},
            "route": {"envoy": {"file": draw(words), "admin": "http://127.0.0.1:9901"}},
            "ramp": draw(ramps),
            **draw(st.sampled_from([{}, {"holdback": {"share": "0.5%", "lasts": "90m"}}])),
            "guardrails": guardrails,
            "confidence": {"falseRollback": draw(st.floats(1e-9, 0.49))},
            "prometheus": {"scrape": f"{scrape}s"},
            "interval": f"{scrape * draw(st.integers(1, 10))}s",
        },
    }  # fmt: skip


@law
@given(plans())
def test_a_plan_is_its_document(document):
    plan = Plan.model_validate(document)
    again = Plan.model_validate(plan.document())
    assert again == plan
    assert again.digest == plan.digest
    assert again.document() == plan.document()


def shuffled(node, draw):
    if isinstance(node, dict):
        keys = draw(st.permutations(sorted(node)))
        return {key: shuffled(node[key], draw) for key in keys}
    return [shuffled(item, draw) for item in node] if isinstance(node, list) else node


@law
@given(plans(), st.data(), st.sampled_from([None, '"', "'"]), st.booleans())
def test_order_of_keys_and_quoting_do_not_change_the_digest(document, data, style, flow):
    text = yaml.safe_dump(
        shuffled(document, data.draw), default_style=style, default_flow_style=flow, sort_keys=False
    )
    (plan,) = load(text, "plan.yaml")
    assert plan.digest == Plan.model_validate(document).digest


def only_mistakes(text):
    """Load, whatever comes; every mistake has a known code and lies inside the file."""
    try:
        plans, mistakes = load(text, "plan.yaml"), []
    except PlanError as error:
        plans, mistakes = [], error.mistakes
    assert plans or mistakes
    source = lines(text)
    for mistake in mistakes:
        assert mistake.code in CODES
        assert 1 <= mistake.line <= len(source)
        assert 1 <= mistake.column <= len(source[mistake.line - 1]) + 1
        assert (mistake.message + mistake.hint).isprintable()
        assert "Value error" not in mistake.message


@law
@given(st.text())
def test_any_text(text):
    only_mistakes(text)


@law
@given(st.text(alphabet="{}[]&*!|>'\"%@`?:-,# \n\tab0<~=.", max_size=60))
def test_any_punctuation(text):
    only_mistakes(text)


@law
@given(
    st.sampled_from(TEXTS),
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(0, 12),
            st.one_of(
                st.text(max_size=8),
                st.sampled_from(["\n", "\t", "- ", ": ", "no", ".nan", "{}", "[]", '"\\ud800"']),
            ),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_any_edit_of_a_plan(text, edits):
    for where, length, new in edits:
        at = int(where * len(text))
        text = text[:at] + new + text[at + length :]
    only_mistakes(text)


def places(node, path=()):
    if path:
        yield path
    inner = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in inner:
        yield from places(value, (*path, key))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
DOCUMENTS = [yaml.safe_load(text) for text in TEXTS]


@law
@given(st.sampled_from(DOCUMENTS), st.data(), anything)
def test_any_value_anywhere(document, data, value):
    document = copy.deepcopy(document)
    *path, last = data.draw(st.sampled_from([*places(document)]))
    parent = document
    for key in path:
        parent = parent[key]
    parent[last] = value
    only_mistakes(yaml.safe_dump(document, allow_unicode=True))


@pytest.mark.parametrize(
    "value",
    ["1" + "0" * 400, "1" + "0" * 5000, "2026-99-99", "!!int x", "!!bool x", "1:30", "<<", "="],
)
@pytest.mark.parametrize("key", ["harmBudget", "min", "bake", "interval", "version", "kind"])
def test_values_that_yaml_itself_stumbles_over(key, value):
    text = TEXTS[1]
    start = text.index(f"{key}: ") + len(key) + 2
    only_mistakes(text[:start] + value + text[start:][text[start:].index("\n") :])
