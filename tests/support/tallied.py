"""A rollout whose looks the observer counts, through the journal's text and restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from analysis.counting.counts import Counts
from rollout.decide.record.facts import Observed
from rollout.decide.record.tally import LookTally
from rollout.journal.hash_chain import parse, seal
from rollout.observe.prometheus import PrometheusObserver
from rollout.ports import Answer
from tests.support.asking import ask
from tests.support.scraped import ObservedRollout, WrittenPrometheus, connect

KEY = b"a key of the tests, 32 bytes lon"
Dice = Callable[[], str]
"""What happens at a look: `restart` before it, `lose` its record, or nothing."""

EVENTS = ("", "", "restart", "lose")
"""What happens to a controller at a look: nothing, a restart, a look that is not recorded."""


class TalliedRollout(ObservedRollout):
    """Looks at one guardrail as a controller does: only recorded tallies last."""

    def __init__(self, *words: Any, happen: Dice = lambda: "", key: bytes = KEY) -> None:
        super().__init__(*words)
        self.server: WrittenPrometheus = words[0]
        self.key, self.happen = key, happen
        self.mark: LookTally | None = None
        self.began: float | None = None  # of what needs no baseline
        self.restart()

    def restart(self) -> None:
        self.observer = PrometheusObserver(key=self.key)
        connect(self.observer, "http://written:9090", self.server)

    def look(self, now: float) -> Counts:
        """Take one look; return what it counted, and keep in `problem` why it is blind."""
        event = self.happen()
        if event == "restart":
            self.restart()
        answer = self._ask(now)
        if event == "lose":
            answer = self._ask(now)
        self.problem = answer.problems.get(self.name, "")
        tally = answer.tallies.get(self.name)
        if tally is None:
            return Counts()
        self.unbelieved += answer.unbelieved.get(self.name, ())
        fact = Observed(rollout="r", at=now, tallies={self.name: tally})
        recorded = parse(seal("", 1, fact)).fact
        assert isinstance(recorded, Observed)
        self.mark = recorded.tallies[self.name]
        self.total += self.mark.counts
        return self.mark.counts

    def _ask(self, now: float) -> Answer:
        newest = self.mark and self.mark.newest("stable")
        asked = ask({} if newest is None else {self.name: newest}, **self.words)
        asked = replace(asked, marks={self.name: self.mark}, began=self.began)
        return self.observer.observe([asked], now)[asked.rollout]


@contextmanager
def reading_in_bulk(many: int) -> Iterator[None]:
    """Answers of more than `many` series are read as arrays."""
    with ExitStack() as patches:
        for reader in ("parse", "tally.counter", "tally.large"):
            patches.enter_context(mock.patch(f"rollout.observe.{reader}.MANY", many))
        yield
