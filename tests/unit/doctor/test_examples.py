"""Plans that people copy can be judged by the buckets that a mesh has of itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.counting.beyond import choose_kept
from rollout.plan.reading.files import load_file
from rollout.plan.reading.load import load

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "manifests/examples").glob("*.yaml"))
# The buckets of Envoy, and of Istio's histogram, without any configuration; in ms.
DEFAULT = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, float("inf"))


def check(plan):
    for guardrail in plan.spec.guardrails:
        if (guardrail.template or "").endswith("/latency"):
            assert guardrail.metric.edge is not None, f"{plan.name}: a tolerance is blind there"
            assert choose_kept(DEFAULT, guardrail.metric.edge, "high")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_not_blind_on_a_default_mesh(path):
    for plan in load_file(path):
        check(plan)


def test_the_plan_of_the_readme_is_not_blind_on_a_default_mesh():
    text = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert text is not None
    (plan,) = load(text[1], "README.md")
    check(plan)
