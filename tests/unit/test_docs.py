"""The manual keeps up with the code: every field, every template, every phase, every rule."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.cli import COMMANDS
from rollout.cli.text.templates import markdown
from rollout.decide.step import RULES
from rollout.decide.text.diagram import draw_deliveries, draw_phases
from rollout.mesh_document.model.document import ServiceMesh
from rollout.plan.kube.json_schema import schema
from rollout.plan.model.templates import SHIPPED
from rollout.stories.invariants import CHECKS
from rollout.stories.story import parse_story

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _fields(node: object) -> set[str]:
    """Every property name in the schema."""
    if isinstance(node, list):
        return set().union(*map(_fields, node))
    if not isinstance(node, dict):
        return set()
    own = node.get("properties", {})
    names = set(own) if isinstance(own, dict) else set()
    return names.union(*map(_fields, node.values()))


def test_every_plan_field_is_explained():
    manual = (DOCS / "plan.md").read_text()
    explained = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`", manual))))
    assert _fields(schema()) <= explained


def test_every_key_of_a_mesh_document_is_explained():
    manual = re.sub(r"```.*?```", "", (DOCS / "mesh-document.md").read_text(), flags=re.DOTALL)
    explained = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`", manual))))
    envelope = {"apiVersion", "kind", "metadata", "spec"}
    assert _fields(schema(ServiceMesh)) - envelope <= explained


def test_the_templates_are_explained_by_themselves():
    page = markdown(SHIPPED.values()).strip()
    assert page in (DOCS / "templates.md").read_text()
    assert [name for name in SHIPPED if f"| `{name}` |" not in page] == []
    assert [t.name for t in SHIPPED.values() if not t.spec.description] == []


@pytest.mark.parametrize("draw", [draw_phases, draw_deliveries])
def test_a_picture_of_states_is_drawn_from_its_table(draw):
    assert f"```mermaid\n{draw()}\n```" in (DOCS / "states.md").read_text()


def test_the_picture_of_rooms_is_drawn_from_the_imports():
    command = [sys.executable, str(DOCS / "rooms.py")]
    picture = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert picture in (DOCS / "architecture.md").read_text()


def test_the_rules_are_explained_in_their_order():
    rows = re.findall(r"^\| (\d+) \| ([\w ]+) \|", (DOCS / "states.md").read_text(), re.MULTILINE)
    assert [name.replace(" ", "_") for _, name in rows] == [rule.__name__ for rule in RULES]


def test_every_defect_of_a_peer_has_a_test_that_exists():
    rows = [row for row in (DOCS / "peer-defects.md").read_text().splitlines() if row[:2] == "| "]
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defects = [row for row in rows if not row.startswith("| peer")]
    assert len(defects) > 20
    for row in defects:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, f"no test: {row}"
        assert [name for name in named if f"def {name}(" not in tests] == []


def test_every_promise_is_listed_and_every_story_can_be_played():
    text = (DOCS / "reliability.md").read_text()
    listed = set(re.findall(r"^\| (\w+) \| ", text, re.MULTILINE))
    assert {check.code for check in CHECKS} <= listed
    stories = re.findall(r"`--seed (\d+) --story '([^']*)'`", text)
    assert len(stories) > 5
    assert [str(parse_story(int(seed), line)) for seed, line in stories] == [s for _, s in stories]


def test_every_fault_that_was_found_has_a_test_that_exists():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    text = (DOCS / "reliability.md").read_text().partition("## Faults found, and the test")[2]
    for row in text.splitlines():
        if row.startswith("| ") and not row.startswith("| kind"):
            named = re.findall(r"`(test_\w+)`", row)
            assert named, f"no test: {row}"
            assert [name for name in named if f"def {name}(" not in tests] == []


def test_every_line_of_the_threat_model_has_tests_that_exist():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    rows = [row for row in (DOCS / "security.md").read_text().splitlines() if row[:2] == "| "]
    lines = [row for row in rows if not re.search(r"\| test \|$", row)]
    assert len(lines) > 30
    for row in lines:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, f"no test: {row}"
        assert [name for name in named if f"def {name}(" not in tests] == []


def test_what_concerns_traffic_has_a_test_named_after_the_peer():
    text, _, _ = (DOCS / "peer-defects.md").read_text().partition("## Evidence")
    rows = [row for row in text.splitlines() if row.startswith(("| Argo", "| Flagger"))]
    assert len(rows) >= 19
    assert [row for row in rows if not re.search(r"`test_(argo|flagger)_\w+`", row)] == []


def test_the_readme_names_every_command():
    readme = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if name not in readme] == []


@pytest.mark.parametrize("page", sorted([*DOCS.rglob("*.md"), ROOT / "README.md"]), ids=str)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
