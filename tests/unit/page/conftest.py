"""The page of a recorded journal, rendered and served."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.demo.servers.process import free_ports
from rollout.journal.jsonl import LinesJournal
from rollout.page.access import PageAccess, names_of
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from rollout.page.serve import PageListener, serving_beside
from tests.unit.page.client import PageClient

RECORDED = Path(__file__).parents[3] / "notebooks" / "data" / "demo.jsonl"
TOKEN = "a-token-of-the-tests"
GATE = "a-gate-of-the-tests"
NOW = 1_795_000_000.0


def pages_of(file: Path) -> PageSet:
    """The pages of a recording, at a time after its end."""
    journal = LinesJournal(file)
    return PageSet(JournalReader(journal, lambda: NOW, pause=0), journal, Links())


@pytest.fixture
def pages() -> PageSet:
    return pages_of(RECORDED)


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[PageClient]:
    """A server of the page, and what asks it with the token."""
    recorded = tmp_path_factory.mktemp("page") / "journal.jsonl"
    shutil.copyfile(RECORDED, recorded)
    (port,) = free_ports(1)
    listener = PageListener("127.0.0.1", port)
    access = PageAccess(TOKEN, names_of(listener.address), gate=GATE)
    with serving_beside(pages_of(recorded), listener, access):
        yield PageClient(port, TOKEN, recorded)
