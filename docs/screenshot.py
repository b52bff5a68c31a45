"""Take the README's pictures of the page, of the recorded demo: `python docs/screenshot.py`.

A site is written and opened in a headless Chromium, light and dark, and each picture is brought
down to few colours. `--into FOLDER` writes them elsewhere.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from rollout.journal.jsonl import LinesJournal
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import FileLinks
from rollout.page.site import write_site

DOCS = Path(__file__).parent
RECORDED = DOCS.parent / "notebooks" / "data" / "demo.jsonl"
ROLLOUT = "discharge-summarizer-v3-e6a331de"
WIDTH, HEIGHT, COLOURS = 1000, 684, 64


def take(browser: Any, address: str, scheme: str) -> bytes:
    """Return a picture of the top of a page as PNG."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(address, wait_until="networkidle")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    small = io.BytesIO()
    picture.quantize(COLOURS).save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    """Write both pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=DOCS, metavar="FOLDER")
    into = parser.parse_args().into
    journal = LinesJournal(RECORDED)
    ended = journal.read()[-1].fact.at
    pages = PageSet(JournalReader(journal, lambda: ended + 60.0), journal, FileLinks())
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_site(pages, Path(folder))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for scheme in ("light", "dark"):
            address = f"file://{folder}/{FileLinks().rollout(ROLLOUT)}"
            (into / f"page-{scheme}.png").write_bytes(take(browser, address, scheme))
        browser.close()


if __name__ == "__main__":
    main()
