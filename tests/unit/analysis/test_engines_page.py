"""docs/engines.md names functions and tests that exist."""

import importlib
import re
from pathlib import Path

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
