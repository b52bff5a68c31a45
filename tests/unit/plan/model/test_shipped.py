"""What a shipped template reads: it never changes, and only its name is in a journal."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rollout.plan.model.templates import SHIPPED

# Add a line for a new template. To change one would change what rollouts under way read.
DIGESTS: dict[str, str] = json.loads((Path(__file__).parent / "shipped.json").read_text())


def digest(name: str) -> str:
    spec = SHIPPED[name].document()["spec"]
    read = {key: value for key, value in spec.items() if key not in {"description", "needs"}}
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_what_a_shipped_template_reads_never_changes(name):
    assert digest(name) == DIGESTS[name]


def test_no_shipped_template_is_taken_away():
    assert sorted(DIGESTS) == sorted(SHIPPED)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_words_about_a_template_are_no_part_of_what_a_plan_reads(name):
    written = SHIPPED[name].written_in({"name": "it", "template": name})
    assert {"description", "needs"}.isdisjoint(written)
