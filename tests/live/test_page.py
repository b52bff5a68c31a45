"""The page in a real Chromium: live, accessible, and readable on a phone."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from rollout.demo.servers.process import free_ports
from rollout.journal.sql.store import open_journal
from tests.live.chromium import axe_problems, chromium
from tests.live.pipeline import ROOT, surefoot, until
from tests.support.worlds import BAD, GOOD, Lab, plan

pytestmark = pytest.mark.live
RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"
PAGES = (
    "",
    "log",
    "topology",
    "verify",
    "rollouts/discharge-summarizer-v3-e6a331de",
    "decisions/75",
    "services/clinical-ai/discharge-summarizer",
)


@dataclass
class ServedPage:
    """A `surefoot serve` of one journal."""

    url: str
    token: str
    journal: Path
    process: subprocess.Popen[str]
    folder: Path
    _errors: str = ""

    def start(self) -> None:
        port = self.url.rsplit(":", 1)[1].rstrip("/")
        words = ["serve", "--journal", str(self.journal), "--port", port]
        command = [sys.executable, "-m", "rollout.cli", *words]
        command += ["--token-file", str(self.folder / "page.token")]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)
        assert self.process.stdout is not None
        assert self.url in self.process.stdout.readline()
        self.token = (self.folder / "page.token").read_text().strip()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self._errors = self.process.communicate(timeout=30)[1]

    def errors(self) -> str:
        """What it wrote to stderr until it was stopped."""
        return self._errors


def serve(journal: Path, folder: Path) -> ServedPage:
    (port,) = free_ports(1)
    served = ServedPage(f"http://127.0.0.1:{port}/", "", journal, None, folder)  # type: ignore[arg-type]
    served.start()
    return served


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def open_page(browser) -> Iterator[Any]:
    """Opens a page as somebody who has signed in; what its console tells fails the test."""
    console: list[str] = []
    contexts = []

    def sign_in(served: ServedPage, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: console.append(message.text))
        page.on("pageerror", lambda error: console.append(str(error)))
        page.goto(served.url)
        page.fill("input[name=token]", served.token)
        page.click("button")
        page.wait_for_selector("h1:has-text('Rollouts')")
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert [words for words in console if "Password forms" not in words] == []


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Iterator[ServedPage]:
    served = serve(RECORDED, tmp_path_factory.mktemp("page"))
    yield served
    served.stop()


@pytest.mark.parametrize(
    ("canary", "end"), [(GOOD, "promoted"), (BAD, "rolled back")], ids=["good", "bad"]
)
def test_a_rollout_is_watched_live_to_its_end(open_page, tmp_path, canary, end):
    """Nobody reloads: what the controller records comes to the page by itself."""
    journal = open_journal(tmp_path / "journal.db")
    lab = Lab(canary, plan("live"), journal=journal)
    lab.run(4)
    served = serve(tmp_path / "journal.db", tmp_path)
    try:
        page = open_page(served)
        page.click("a:has-text('live')")
        page.wait_for_selector("h1:has-text('live')")
        page.evaluate("window.sameDocument = true")
        lab.run_until(lambda state: state.split.share > 0.04)
        page.wait_for_selector("ol.ladder li.now:has-text('5 %')", timeout=60_000)
        lab.run(300)
        page.wait_for_selector(f"h1 .phase:has-text('{end}')", timeout=60_000)
        assert page.evaluate("window.sameDocument"), "it was not loaded as a whole"
        page.context.close()
    finally:
        served.stop()


def test_a_page_that_is_open_while_the_server_restarts_goes_on(browser, tmp_path):
    journal = open_journal(tmp_path / "journal.db")
    lab = Lab(GOOD, plan("live"), journal=journal)
    lab.run(4)
    served = serve(tmp_path / "journal.db", tmp_path)
    context = browser.new_context()
    try:
        page = context.new_page()  # its console tells of the server that is away
        page.goto(served.url)
        page.fill("input[name=token]", served.token)
        page.click("button")
        page.wait_for_selector("h1:has-text('Rollouts')")
        served.stop()
        page.wait_for_selector("#live:has-text('does not answer')", timeout=60_000)
        lab.run(300)
        served.start()
        page.wait_for_selector(".phase:has-text('promoted')", timeout=60_000)
    finally:
        context.close()
        served.stop()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_every_page_is_accessible_and_fits(open_page, recorded, path, scheme, width):
    page = open_page(recorded, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(recorded.url + path)
    assert axe_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_chart_can_be_read_on_a_phone(open_page, recorded):
    """It keeps the size of its letters, and is moved within its frame, by the keyboard too."""
    page = open_page(recorded, viewport={"width": 390, "height": 800})
    page.goto(recorded.url + "rollouts/discharge-summarizer-v3-e6a331de")
    # The page's policy forbids what a wait inside the browser would evaluate again and again.
    width = "document.querySelector('.chart img').clientWidth"
    until(lambda: page.evaluate(width) > 600, "the chart keeps its size")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.focus(".chart[open] .scroll")
    page.keyboard.press("ArrowRight")
    moved = "document.querySelector('.chart[open] .scroll').scrollLeft"
    until(lambda: page.evaluate(moved) > 0, "the chart is moved within its frame")


def test_the_browser_checks_the_chain_by_itself(open_page, recorded):
    page = open_page(recorded)
    page.click("a:has-text('Verify')")
    page.click("#check")
    page.wait_for_selector("#chain:has-text('hashes of 76 entries: the chain is whole')")
    page.click("#replay")
    page.wait_for_selector("#decisions:has-text('All 22 decisions come out as recorded')")


def test_the_browser_finds_an_entry_that_its_server_altered(open_page, recorded):
    """What the server hands out is not believed: the browser computes the hashes."""
    page = open_page(recorded)

    def alter(route):
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("promote", "advance", 1))

    page.route("**/rows?**", alter)
    page.goto(recorded.url + "verify")
    page.click("#check")
    page.wait_for_selector("#chain.alarm:has-text('was altered')")


def test_without_scripts_the_pages_read_the_same(browser, recorded):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(recorded.url)
    page.fill("input[name=token]", recorded.token)
    page.click("button")
    page.click("a:has-text('discharge-summarizer-v3')")
    assert "rolled back" in page.inner_text("h1")
    page.click("summary:has-text('roll back')")
    page.click("a:has-text('Why decision 75?')")
    assert "the same decision" in page.inner_text("main")
    context.close()


def test_the_keyboard_reaches_everything(open_page, recorded):
    page = open_page(recorded)
    page.goto(recorded.url + "log")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert reached >= {"A", "INPUT", "SELECT", "BUTTON", "SUMMARY"}


def test_a_site_opens_from_its_folder(browser, tmp_path):
    command = [sys.executable, "-m", "rollout.cli", "site", str(tmp_path / "site")]
    subprocess.run([*command, "--journal", str(RECORDED)], cwd=ROOT, check=True, env={**os.environ})
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(f"file://{tmp_path}/site/index.html")
    page.click("a:has-text('discharge-summarizer-v3')")
    page.click("summary:has-text('roll back')")
    page.click("a:has-text('Why decision 75?')")
    assert "the same decision" in page.inner_text("main")
    context.close()


def test_the_readme_s_pictures_are_taken_by_a_command(tmp_path):
    """The page may have changed since: only their sizes are compared."""
    command = [sys.executable, "docs/screenshot.py", "--into", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    for theme in ("light", "dark"):
        name = f"page-{theme}.png"
        with Image.open(tmp_path / name) as taken, Image.open(ROOT / "docs" / name) as present:
            assert taken.size == present.size
        assert (tmp_path / name).stat().st_size < 60_000
        assert f"docs/{name}" in (ROOT / "README.md").read_text()


def test_silent_connections_leave_a_page_for_others(recorded):
    """The server may open fewer files than there are connections."""
    port = int(recorded.url.rsplit(":", 1)[1].rstrip("/"))
    resource.prlimit(recorded.process.pid, resource.RLIMIT_NOFILE, (400, 400))
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(500)]
    try:
        viewer = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        viewer.request("GET", "/sign-in")
        assert viewer.getresponse().status == 200
        viewer.close()
    finally:
        for line in lines:
            line.close()


def test_a_second_server_on_the_port_says_so(recorded, tmp_path):
    port = recorded.url.rsplit(":", 1)[1].rstrip("/")
    words = ["serve", "--journal", str(RECORDED), "--port", port]
    ended = surefoot(*words, "--token-file", tmp_path / "page.token")
    assert ended.returncode == 2
    assert "Address already in use" in ended.stderr


def test_a_signal_ends_it_though_pages_are_open(browser, tmp_path):
    """Their streams of events are without end; the server's end is not held up by them."""
    served = serve(RECORDED, tmp_path)
    context = browser.new_context()
    page = context.new_page()
    page.goto(served.url)
    page.fill("input[name=token]", served.token)
    page.click("button")
    page.wait_for_selector("#live:has-text('live')")
    served.stop()
    assert served.process.returncode == -signal.SIGTERM
    assert served.errors() == ""
    context.close()


def test_a_controller_serves_the_page_of_its_own_run(browser, tmp_path):
    """Beside the controller, which goes on and ends as it would without."""
    (port,) = free_ports(1)
    file, journal = tmp_path / "plan.yaml", tmp_path / "journal.db"
    route = {"envoy": {"file": str(tmp_path / "rds.json"), "admin": "http://127.0.0.1:1"}}
    file.write_text(yaml.safe_dump(plan("live", route=route).document()))
    words = ["run", str(file), "--journal", str(journal), "--page", str(port)]
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "rollout.cli", *words]
    running = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)
    context = browser.new_context()
    try:
        token = tmp_path / "journal.db.page-token"
        until(token.exists, "the token")
        page = context.new_page()
        until(lambda: is_open(port), "the page")
        page.goto(f"http://127.0.0.1:{port}/")
        page.fill("input[name=token]", token.read_text().strip())
        page.click("button")
        page.wait_for_selector("article:has-text('live')")
    finally:
        context.close()
        running.send_signal(signal.SIGTERM)
        errors = running.communicate(timeout=60)[1]
    assert running.returncode == 1, errors
    assert "stopped; the mesh keeps its weights" in errors
    assert "Traceback" not in errors


def is_open(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0
