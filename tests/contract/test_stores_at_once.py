"""Many at once on one journal, on every database: nothing is lost, nobody is turned away."""

import threading
from contextlib import closing
from functools import partial

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.errors import JournalError, JournalMovedError
from rollout.journal.backwards import read_backwards
from rollout.journal.hash_chain import parse, verify
from rollout.journal.open import open_for_reading
from rollout.journal.sql.store import SqlJournal, open_journal


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def location(request, tmp_path):
    if request.param == "postgresql":
        return request.getfixturevalue("server").new()
    return tmp_path / "journal.db"


def build_fact(reason: str) -> HumanSaid:
    return HumanSaid(rollout="r-1", at=1.5, command="pause", actor="ops@host", reason=reason)


def together(works) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("alone", [False, True], ids=["one-journal-for-all", "a-journal-each"])
def test_many_threads_append_and_none_is_lost(location, alone):
    with closing(SqlJournal(location, patience=30)) as shared, shared.lock():

        def work(number: int) -> None:
            with closing(SqlJournal(location, patience=30)) as own:
                journal = own if number and alone else shared
                done = 0
                while done < 5:
                    try:
                        journal.append([build_fact(f"{number}.{done}")], after=len(journal.read()))
                    except JournalMovedError:
                        continue
                    done += 1

        together([partial(work, number) for number in range(4)])
        facts = [entry.fact for entry in shared.read()]
    wanted = [build_fact(f"{number}.{done}") for number in range(4) for done in range(5)]
    assert sorted(facts, key=str) == sorted(wanted, key=str)


def test_several_controllers_may_open_a_new_journal_at_once(location):
    problems: list[Exception] = []

    def work() -> None:
        try:
            open_journal(location).close()
        except JournalError as error:
            problems.append(error)

    together([work] * 6)
    assert problems == []


def test_a_reader_during_writes_reads_a_whole_journal_each_time(location):
    """However it reads, in parts, backwards or all: what it gets is a beginning that is linked."""
    over, heads = threading.Event(), [0]
    with closing(open_journal(location)) as writer:

        def append() -> None:
            last = 0
            while not over.is_set():
                facts = [build_fact(str(last + offset)) for offset in range(3)]
                last = writer.append(facts, after=last)[-1].seq

        def read() -> None:
            with closing(open_for_reading(location)) as journal:
                while sum(map(bool, heads)) < 12:  # before the first entry there is nothing to see
                    heads.append(journal.head())
                    batches = [*read_backwards(journal, heads[-1])]
                    rows = [row for batch in reversed(batches) for row in batch]
                    verify(rows)
                    assert len(rows) == heads[-1]
                    assert [*journal.scan()][: len(rows)] == list(map(parse, rows))

        problems: list[Exception] = []

        def watch() -> None:
            try:
                read()
            except (AssertionError, JournalError) as error:
                problems.append(error)
            over.set()

        together([append, watch])
    assert problems == []
    assert heads == sorted(heads)
    assert heads[-1] > 0
