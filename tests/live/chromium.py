"""A real Chromium, Debian's, driven by Playwright; and axe-core, which judges what it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import pytest

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser; fails with the cure where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("there is no Chromium: apt-get install chromium (make setup does it)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def axe_problems(page: Any) -> list[str]:
    """What axe-core finds serious or critical on a page, in words.

    It is evaluated past the page's own policy, which forbids scripts of others.
    """
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found_problems = page.evaluate("axe.run()")["violations"]
    return [
        f"{problem['id']}: {problem['help']} ({problem['nodes'][0]['html'][:120]})"
        for problem in found_problems
        if problem["impact"] in {"serious", "critical"}
    ]
