"""Rollouts whose evidence was passed over at a start: who wakes, and what a fault leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import Observed
from rollout.decide.state.rollout import RolloutState
from rollout.errors import JournalError
from rollout.journal.memory import MemoryJournal
from rollout.ports import Entry, SkippedObservation
from rollout.tick.controller import Controller
from tests.support.plans import Operated
from tests.support.worlds import GOOD


def folded(journal: MemoryJournal, rollout: str) -> RolloutState:
    own = (entry for entry in journal.read() if entry.fact.rollout == rollout)
    return fold_all((entry.seq, entry.fact) for entry in own)


class Failing(MemoryJournal):
    """A journal that cannot be reached at first, in the midst of reading."""

    faults = 3

    def scan(self) -> Iterator[Entry | SkippedObservation]:
        for number, entry in enumerate(super().scan()):
            if self.faults and number == len(self.rows()) - 3:
                self.faults -= 1
                raise JournalError("the line is cut")
            yield entry

    def read_at(self, places: Any) -> Iterator[Entry]:
        if self.faults:
            self.faults -= 1
            raise JournalError("the line is cut")
        return super().read_at(places)


def promoted() -> Operated:
    world = Operated(GOOD)
    world.apply()
    world.run_until(lambda: world.states and all(s.is_terminal for s in world.states.values()))
    world.apply(deadline="11m", canary={"version": "v3"}, stable={"version": "v2"})
    world.run(20)
    return world


def test_a_start_that_breaks_off_goes_on_where_it_was():
    world = promoted()
    journal = Failing(world.journal.rows())
    ports = replace(world.operator.controller.ports, journal=journal)
    controller, heard = Controller(ports, "test"), list[Entry]()
    controller.on_entry = heard.append
    for _ in range(3):
        try:
            controller.catch_up()
        except JournalError:
            assert controller.head
    controller.catch_up()
    assert not journal.faults
    (going,) = controller.active
    assert controller.states[going] == folded(journal, going)
    assert [e.seq for e in heard] == sorted({e.seq for e in heard})
    news = [e.seq for e in journal.read() if not isinstance(e.fact, Observed)]
    assert [e.seq for e in heard if not isinstance(e.fact, Observed)] == news


def test_of_what_has_ended_no_evidence_is_read_at_a_start():
    world = promoted()
    first, second = world.states
    picked: list[int] = []

    class Counting(MemoryJournal):
        def read_at(self, places: Any) -> Iterator[Entry]:
            picked.extend(places)
            return super().read_at(places)

    world.journal = Counting(world.journal.rows())
    world.restart()
    world.run(5)
    entries = world.journal.read()
    assert {entry.fact.rollout for entry in entries if entry.seq in picked} == {second}
    assert not world.states[first].guardrails
    whole = world.operator.controller.full_state(first)
    assert whole == folded(world.journal, first) == world.states[first]
