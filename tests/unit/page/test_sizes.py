"""A page stays below 50 kB, however long names and sentences are, and the log loses no entry."""

import re

import pytest

from rollout.decide.record.facts import Decided, Fact, HumanSaid, Started
from rollout.decide.record.split import Split
from rollout.journal.memory import MemoryJournal
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from tests.support.worlds import plan

pytest.importorskip("starlette")
NAME = "n" * 48
WORDS = "<é&" * 60


@pytest.fixture(scope="module")
def pages():
    """Ninety rollouts whose names and people's reasons are as long as they may be."""
    first, journal = plan().document(), MemoryJournal()
    for number in range(90):
        document = first | {"metadata": {"name": f"{NAME}-{number:05}"}}
        document["spec"] = first["spec"] | {"service": f"service-{number}"}
        own = f"{NAME}-{number:05}-1a2b3c4d"
        facts: list[Fact] = [
            Started(
                rollout=own, at=1.0, plan=document, digest="d" * 64, total=100, controller="0.1.0"
            ),
            Decided(rollout=own, at=2.0, action="hold", split=Split(0), reasons=(), sentence=WORDS),
            HumanSaid(rollout=own, at=3.0, command="pause", actor="ops@host", reason=WORDS),
        ]
        journal.append(facts, journal.head())
    reader = JournalReader(journal, lambda: 4.0, pause=0)
    reader.refresh()
    return PageSet(reader, journal, Links())


def test_the_log_is_read_in_pages_that_are_small(pages):
    numbers: list[int] = []
    query: dict[str, str] = {}
    for _ in range(90):
        page = pages.log(query)
        assert len(page.encode()) < 50_000
        numbers += map(int, re.findall(r'<span class="seq">(\d+)</span>', page))
        older = re.search(r"before=(\d+)", page)
        if older is None:
            break
        query = {"before": older[1]}
    assert numbers == [*range(270, 0, -1)]


def test_a_rollout_is_small(pages):
    assert len(pages.rollout(f"{NAME}-00089-1a2b3c4d").encode()) < 50_000


def test_all_rollouts_are_small(pages):
    assert len(pages.home().encode()) < 50_000
