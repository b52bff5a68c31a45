"""A fleet that is read from where a rollout began knows it as one that is read from the start."""

from pathlib import Path

import pytest

from rollout.decide.record.facts import Observed, Started
from rollout.journal.backwards import find_newest_start, scan_after
from rollout.journal.jsonl import LinesJournal
from rollout.journal.memory import MemoryJournal
from rollout.tick.fleet import Fleet, fleet_of
from tests.support.worlds import GOOD, Lab, plan

ROOT = Path(__file__).parents[3]
JOURNALS = [*sorted((ROOT / "tests/golden").glob("*.jsonl")), ROOT / "notebooks/data/demo.jsonl"]


def read_partly(journal, name) -> Fleet:
    first, _ = find_newest_start(journal, name)
    fleet = Fleet()
    for _ in fleet.read_from(first, scan_after(journal, first - 1)):
        pass
    return fleet


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_every_recorded_rollout_has_the_same_state(path):
    journal, whole = LinesJournal(path), fleet_of(LinesJournal(path))
    for rollout in whole.states:
        newest = read_partly(journal, rollout)
        assert newest.states[rollout] == whole.states[rollout]
        loaded = newest.load_evidence(rollout, journal)
        assert loaded == whole.load_evidence(rollout, journal)
        assert newest.head == whole.head


def test_what_is_appended_later_is_of_the_named_rollout_alone():
    """An older rollout that goes on is no fault of the journal, and is passed over."""
    lab = Lab(GOOD, plan())
    lab.run_until(lambda state: state.stepped)
    older = [entry.fact for entry in lab.journal.read()]
    begun = next(fact for fact in older if isinstance(fact, Started))
    document = {**begun.plan, "metadata": {"name": "newer"}}
    document["spec"] = {**begun.plan["spec"], "service": "another"}
    newer = begun.model_copy(update={"rollout": "newer-1", "plan": document})
    journal = MemoryJournal()
    journal.append([*older, newer], 0)
    newest = read_partly(journal, "newer")
    assert set(newest.states) == {"newer-1"}
    look = next(fact for fact in reversed(older) if isinstance(fact, Observed))
    again = newer.model_copy(update={"rollout": "newer-2", "attempt": 2})
    journal.append([look.model_copy(update={"at": look.at + 1}), again], len(older) + 1)
    assert [entry.fact for entry in newest.read(journal)] == [again]
    assert set(newest.states) == {"newer-1", "newer-2"}
    assert newest.head == journal.head()
