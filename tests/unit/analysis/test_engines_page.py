"""docs/engines.md names functions and tests that exist."""

import importlib
import re
from pathlib import Path

from tests.unit.analysis.test_docstrings import leads_to_a_verdict
from tests.unit.analysis.test_raised import FUNCTIONS, called

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "engines.md").read_text()


def test_every_function_on_the_page_exists_and_has_words():
    names = re.findall(r"`(\w+)\.(?!py`)(\w+)`", PAGE)
    assert len(names) > 12
    for module, function in names:
        assert getattr(importlib.import_module(f"analysis.{module}"), function).__doc__


def test_every_test_on_the_page_exists():
    written = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    known = set(re.findall(r"def (test_\w+)", written))
    asked = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(asked) > 20
    assert asked <= known


ROWS = [line.split(" | ") for line in PAGE.splitlines() if line.count(" | ") == 3]


def test_every_law_on_the_page_is_hypothesis_s():
    written = "".join(path.read_text() for path in (ROOT / "tests/property").glob("test_*.py"))
    laws = set(re.findall(r"@given\((?:.(?!\n\n))*?\ndef (test_\w+)", written, re.DOTALL))
    asked = {name for row in ROWS for name in re.findall(r"`(test_\w+)`", row[3])}
    assert len(asked) > 12
    assert asked <= laws


def test_every_number_that_leads_to_a_verdict_is_held_by_a_test_on_the_page():
    """It is named there, or what is named there calls it."""
    open_ = {(module, name) for module, name in re.findall(r"`(\w+)\.(?!py`)(\w+)`", PAGE)}
    held: set[tuple[str, str]] = set()
    while open_:
        key = open_.pop()
        held.add(key)
        inner = {k for k in FUNCTIONS if k[0] == key[0] and k[1].startswith(f"{key[1]}.")}
        open_ |= inner.union(called(key) if key in FUNCTIONS else ()) - held
    leading = {k for k, f in FUNCTIONS.items() if leads_to_a_verdict(k[0], f) and public(k[1])}
    assert len(leading) > 50
    assert leading - held == set()


def public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split("."))
